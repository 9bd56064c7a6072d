"""Whatever a rule is put to, and however it is decided, a failure says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.engines.requests import Answer, GenerateRequest, Prompt, Request
from harness.gates import Comparison, Evaluation
from harness.gates.baseline import AgainstBaseline
from harness.gates.sequential_comparison import SequentialComparison
from harness.metrics.base import Metric
from harness.records import Role, Sample
from harness.tasks import Task
from harness.tasks.base import Grade, Item

OWN = "train its EOS"
THRESHOLDS = {"superior": 0.1, "non_inferior": 0.02, "at_least": 0.9, "at_most": 0.01}


class Scores:
    """A grader of which only the metric is used."""

    metrics: Sequence[Metric] = (Metric("hit", kind="binary"), Metric("loss", higher_is_better=False))
    digest = "d"

    def requests(self, item: Item) -> Sequence[Request]:
        return (GenerateRequest(item.prompt),)

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        return Grade({})


TASK = Task("t", [Item("0", Prompt(text="p"), "x")], Scores(), "d")


def samples(role: Role, scores: Sequence[float]) -> list[Sample]:
    return [
        Sample(
            task="t", item_id=f"i{i:04}", cluster=None, role=role, prompt_digest=f"p{i}", prompt="?", target="x",
            answer="x", parsed=score, scores={"hit": score, "loss": 1 - score}, tags={}, stop_reason="eos",
            prompt_tokens=1, completion_tokens=1, latency_s=0.0, cached=False,
        )
        for i, score in enumerate(scores)
    ]  # fmt: skip


def compared(base: Sequence[float], candidate: Sequence[float]) -> Comparison:
    return Comparison(TASK, samples("base", base), samples("candidate", candidate))


LOST = compared([1.0] * 1000, [1.0] * 400 + [0.0] * 600)


@pytest.mark.parametrize("kind", THRESHOLDS)
def test_a_failure_says_what_to_do_and_what_its_gate_knows_comes_first(kind: str) -> None:
    rule: Any = getattr(LOST.metric("hit"), kind)
    general, own = rule(THRESHOLDS[kind]).decide(), rule(THRESHOLDS[kind], remedy=OWN).decide()
    assert general.outcome == "fail" and "in the report" in general.remedy
    assert (own.outcome, own.remedy) == ("fail", OWN)


def test_what_to_do_about_a_failure_is_not_said_of_what_passed_or_is_open() -> None:
    kept = compared([1.0, 0.0] * 300, [1.0, 0.0] * 300).metric("hit")
    assert (kept.non_inferior(0.05, remedy=OWN).decide().outcome, kept.non_inferior(0.05).decide().remedy) == (
        "pass",
        "",
    )
    few = compared([1.0, 0.0] * 10, [1.0, 0.0] * 10).metric("hit").non_inferior(0.02, remedy=OWN).decide()
    assert few.outcome == "inconclusive" and few.remedy.startswith("measure more items")


@pytest.mark.parametrize(("metric", "wrong"), [("loss", float("nan")), ("hit", 0.5)])
def test_scores_that_cannot_be_used_come_with_a_remedy(metric: str, wrong: float) -> None:
    verdict = compared([1.0] * 9, [1.0] * 8 + [wrong]).metric(metric).non_inferior(0.1).decide()
    assert verdict.outcome == "error" and "scorer" in verdict.remedy


def test_a_gate_decided_by_part_of_the_items_keeps_its_remedy() -> None:
    lost = np.random.default_rng(0).random(2000) < 0.6
    whole = compared([1.0] * 2000, np.where(lost, 0.0, 1.0).tolist())
    comparison = SequentialComparison(
        TASK,
        2000,
        lambda start, stop: compared(
            *([pair[side].scores["hit"] for pair in whole.pairs[start:stop]] for side in (0, 1))
        ),
    )
    verdict = comparison.metric("hit").non_inferior(0.1, remedy=OWN).decide()
    assert "sequential" in verdict.details and (verdict.outcome, verdict.remedy) == ("fail", OWN)


def test_a_gate_put_to_the_released_adapter_keeps_its_remedy() -> None:
    rule = LOST.metric("hit").non_inferior(0.02, remedy=OWN)
    released = samples("candidate", [1.0] * 1000)
    verdict = AgainstBaseline(rule, Evaluation(TASK, LOST.candidate), released, "v1", {}, 0.02).decide()
    assert (verdict.outcome, verdict.remedy) == ("fail", OWN)
