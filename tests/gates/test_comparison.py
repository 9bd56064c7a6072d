"""Pairing, selection and slicing of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from harness.engines.requests import Answer, Generation, Prompt, Request
from harness.errors import ConfigError, TaskError
from harness.gates import Comparison, Evaluation, GateSpec, PairingError
from harness.metrics.base import Metric
from harness.records import Role, Sample
from harness.tasks import Grade, Item, Task

METRICS = (
    Metric("hit", kind="binary"),
    Metric("f1"),
    Metric("spread", corpus=lambda targets, parsed: float(len(set(parsed)))),
)


class Hits:
    """Grades by equality."""

    metrics = METRICS
    digest = "hits"

    def requests(self, item: Item) -> Sequence[Request]:
        raise NotImplementedError

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        [answer] = answers
        assert isinstance(answer, Generation)
        return Grade({"hit": float(answer.text == item.target), "f1": None})


TASK = Task("t", [Item("0", Prompt(text="p"), "x")], Hits(), "d")


def sample(item_id: str, role: Role, hit: float | None = 1.0, **changes: Any) -> Sample:
    row: Mapping[str, Any] = {
        "task": "t", "item_id": item_id, "cluster": None, "role": role, "tags": {}, "prompt_digest": f"p{item_id}",
        "prompt": "?", "target": "x", "answer": "x", "parsed": "x", "scores": {"hit": hit, "f1": 0.5},
        "stop_reason": "eos", "prompt_tokens": 1, "completion_tokens": 1, "latency_s": 0.0, "cached": False,
    }  # fmt: skip
    return Sample(**{**row, **changes})


def test_pairs_follow_ids_not_order() -> None:
    base = [sample("a", "base", 0.0), sample("b", "base", 1.0)]
    candidate = [sample("b", "candidate", 0.0), sample("a", "candidate", 1.0)]
    measured = Comparison(TASK, base, candidate).metric("hit")
    assert measured.item_ids == ("a", "b")
    assert measured.base is not None and measured.base.tolist() == [0.0, 1.0]
    assert measured.candidate.tolist() == [1.0, 0.0]


def test_missing_items_are_counted_and_named() -> None:
    base = [sample(f"i{k}", "base") for k in range(9)]
    with pytest.raises(PairingError, match=r"candidate has no sample of 8 items: i1, i2, i3, i4, i5 and 3 more"):
        Comparison(TASK, base, [sample("i0", "candidate")])
    with pytest.raises(PairingError, match=r"base has no sample of 1 item: z"):
        Comparison(TASK, base, [sample(f"i{k}", "candidate") for k in range(9)] + [sample("z", "candidate")])


def test_other_prompt_is_never_paired() -> None:
    with pytest.raises(PairingError, match="different prompts for 1 item: a"):
        Comparison(TASK, [sample("a", "base")], [sample("a", "candidate", prompt_digest="other")])


def test_one_item_twice_is_refused() -> None:
    with pytest.raises(PairingError, match="two samples of 1 item: a"):
        Evaluation(TASK, [sample("a", "candidate"), sample("a", "candidate")])


def test_items_the_metric_does_not_apply_to_are_left_out() -> None:
    base = [sample("a", "base", None), sample("b", "base")]
    candidate = [sample("a", "candidate", None), sample("b", "candidate")]
    assert Comparison(TASK, base, candidate).metric("hit").item_ids == ("b",)
    assert Evaluation(TASK, candidate).metric("hit").item_ids == ("b",)


def test_metric_that_applies_to_one_side_only_is_an_error() -> None:
    comparison = Comparison(TASK, [sample("a", "base", None)], [sample("a", "candidate")])
    with pytest.raises(PairingError, match="None on one side only for 1 item: a"):
        comparison.metric("hit")


def test_unscored_sample_is_not_silently_dropped() -> None:
    with pytest.raises(PairingError, match=r"item 'a' has no score 'hit'"):
        Evaluation(TASK, [sample("a", "candidate", scores={"f1": 1.0})]).metric("hit")


def test_unknown_metric_lists_the_known() -> None:
    with pytest.raises(TaskError, match=r"f1, hit, .*spread"):
        Evaluation(TASK, [sample("a", "candidate")]).metric("bleu")


def test_where_narrows_both_sides_and_names_the_slice() -> None:
    tags = {"a": {"values": "seen"}, "b": {"values": "unseen"}}
    base, candidate = ([sample(k, role, tags=tags[k]) for k in tags] for role in ("base", "candidate"))
    narrowed = Comparison(TASK, base, candidate).where(values="unseen")
    assert [s.item_id for s in narrowed.base] == ["b"]
    assert narrowed.metric("hit").label == "t[values=unseen]/hit"
    assert Evaluation(TASK, candidate).where(values="seen").metric("hit").item_ids == ("a",)
    with pytest.raises(PairingError, match=r"values=new(.|\n)*values: seen, unseen"):
        Comparison(TASK, base, candidate).where(values="new")


def test_items_without_a_cluster_are_clusters_of_their_own() -> None:
    clusters = ["p", "p", None, None]
    measured = Evaluation(TASK, [sample(f"{k}", "candidate", cluster=c) for k, c in enumerate(clusters)]).metric("hit")
    assert (measured.n, measured.n_clusters) == (4, 3)


def test_corpus_metric_needs_no_score_per_sample() -> None:
    samples = [sample(f"{k}", "candidate", parsed=f"{k % 3}") for k in range(12)]
    interval = Evaluation(TASK, samples).metric("spread").candidate_interval(0.95)
    assert interval.value == 3.0


def test_paired_rules_need_a_base() -> None:
    measured = Evaluation(TASK, [sample("a", "candidate"), sample("b", "candidate")]).metric("hit")
    for question in (measured.superior, lambda: measured.non_inferior(0.02), lambda: measured.difference(0.95)):
        with pytest.raises(ConfigError, match="no base to compare with"):
            question()


def test_senseless_margins_are_refused() -> None:
    measured = Comparison(TASK, [sample("a", "base")], [sample("a", "candidate")]).metric("hit")
    for margin in (0.0, -0.02, np.nan):
        with pytest.raises(ConfigError, match="non_inferior"):
            measured.non_inferior(margin)
    with pytest.raises(ConfigError, match=r"superior\(by=-0.1\)"):
        measured.superior(by=-0.1)


def test_a_relative_margin_is_taken_of_the_base_s_value() -> None:
    base, candidate = ([sample(f"i{k}", role, float(k % 5 != 0)) for k in range(40)] for role in ("base", "candidate"))
    loss = GateSpec("t", "hit", "non_inferior", 0.05, relative=True)
    assert loss.apply(Comparison(TASK, base, candidate)).threshold == pytest.approx(0.05 * 0.8)
    gain = GateSpec("t", "hit", "superior", 0.125, relative=True)
    assert gain.apply(Comparison(TASK, base, candidate)).threshold == pytest.approx(0.1)


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("kind", ["superior", "non_inferior"])
def test_a_share_of_nothing_is_no_margin(kind: str, right: int) -> None:
    gate = GateSpec("t", "hit", kind, 0.2, relative=True)
    base, candidate = (
        [sample(f"i{k}", role, float(k < hits)) for k in range(40)]
        for role, hits in (("base", right), ("candidate", 30))
    )
    with pytest.raises(ConfigError, match=r"20% of the base's value, which is about 0") as told:
        gate.apply(Comparison(TASK, base, candidate))
    assert told.value.remedy == f"give it in units of the metric: {kind}: 0.2"


def test_thresholds_that_no_score_reaches_are_refused() -> None:
    measured = Comparison(TASK, [sample("a", "base")], [sample("a", "candidate")]).metric("hit")
    with pytest.raises(ConfigError, match=r"at_least\(value=70\), and it can only be 0 to 1") as told:
        measured.at_least(70)
    assert told.value.remedy == "give the threshold in units of the metric: a share of 5% is 0.05"
    for rule in (lambda: measured.superior(by=20), lambda: measured.non_inferior(5), lambda: measured.at_most(-1)):
        with pytest.raises(ConfigError, match="it can only be 0 to 1"):
            rule()


class HardHits(Hits):
    """Of which a model that knows nothing has none."""

    metrics = (Metric("hit", kind="binary", floor=0.0), Metric("tokens"))


def against(base: Sequence[float], candidate: Sequence[float], opponent: str = "sums") -> Comparison:
    sides = [
        [sample(str(i), role, hit, scores={"hit": hit, "tokens": hit}) for i, hit in enumerate(hits)]
        for role, hits in (("base", base), ("candidate", candidate))
    ]
    task = Task("t", [Item("0", Prompt(text="p"), "x")], HardHits(), "d")
    return Comparison(task, *sides, base_name=f"parent {opponent}" if opponent else "base", opponent=opponent)


def test_gates_against_a_parent_are_called_by_it_and_need_not_keep_what_it_cannot_do() -> None:
    able, unable = [1.0] * 40, [0.0] * 40
    asked = GateSpec("t", "hit", "superior", 0.2)
    kept, lost, new = (asked.against(against(*sides), 0.1) for sides in ((able, able), (able, unable), (unable, able)))
    assert kept is not None and lost is not None and new is not None
    assert [rule.decide().outcome for rule in (kept, lost, new)] == ["pass", "fail", "pass"]
    verdict = lost.decide()
    assert (verdict.gate, verdict.margin) == ("sums/t/hit/non_inferior", 0.1)
    assert against(unable, able, "").metric("hit").non_inferior(0.1).decide().open_because == ("at_floor",)
    assert against(able, able).where().metric("hit").base_name == "parent sums"


def test_a_tolerable_loss_is_the_gates_own_and_says_nothing_of_levels_without_bounds() -> None:
    comparison = against([1.0, 0.0], [1.0, 1.0])
    own = GateSpec("t", "hit", "non_inferior", 0.3).against(comparison, 0.1)
    assert own is not None and own.threshold == 0.3
    assert GateSpec("t", "tokens", "at_most", 200).against(comparison, 0.1) is None
