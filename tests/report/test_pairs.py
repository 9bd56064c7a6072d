from typing import Any

import pytest

from harness.records import Sample, Verdict
from harness.report.pairs import Pair, metric_facts, pair_samples


def _sample(role: Any, scores: dict[str, float | None], answer: str = "y", digest: str = "d") -> Sample:
    return Sample("t", "a", None, role, digest, "p", 1, answer, None, scores, {}, "eos", 1, 1, 0.1, False)


def _pair(before: dict[str, float | None], after: dict[str, float | None], *verdicts: Verdict) -> Pair:
    samples = [_sample("base", before), _sample("candidate", after)]
    [pair] = pair_samples(samples, metric_facts(samples, verdicts))
    return pair


def _flags(pair: Pair) -> tuple[bool, bool, bool, bool]:
    return pair.changed, pair.regressed, pair.improved, pair.failing


LOWER = Verdict("g", "pass", "", task="t", metric="m", higher_is_better=False)


@pytest.mark.parametrize(
    ("before", "after", "verdicts", "flags"),
    [
        ({"m": 1.0}, {"m": 0.0}, (), (True, True, False, True)),
        ({"m": 0.0}, {"m": 1.0}, (), (True, False, True, False)),
        ({"m": 0.0}, {"m": 1.0}, (LOWER,), (True, True, False, True)),
        ({"m": 0.3}, {"m": 0.2}, (LOWER,), (True, False, True, False)),
        ({"m": 1.0}, {"m": 1.0}, (), (False, False, False, False)),
        ({"m": None}, {"m": 1.0}, (), (False, False, False, False)),
        ({"m": 1.0, "x": 1.0}, {"m": 1.0, "x": 0.0}, (LOWER,), (True, False, False, True)),
    ],
)
def test_a_gain_is_counted_in_the_direction_of_its_gate(before: Any, after: Any, verdicts: Any, flags: Any) -> None:
    assert _flags(_pair(before, after, *verdicts)) == flags


STOPS = Verdict("g", "pass", "", task="t", metric="stops_with_eos")
RIGHT = Verdict("g", "pass", "", task="t", metric="accuracy")


@pytest.mark.parametrize("gates", [(STOPS, RIGHT), (STOPS,)])
def test_a_wrong_answer_that_ended_by_itself_has_not_improved(gates: Any) -> None:
    cut, ended = ({"accuracy": 0.0, "stops_with_eos": stops} for stops in (0.0, 1.0))
    assert _flags(_pair(cut, ended, *gates)) == (True, False, False, True)
    assert _flags(_pair(ended, {**cut, "accuracy": 1.0}, *gates)) == (True, False, True, False)


def test_where_answers_have_no_other_metric_that_one_counts() -> None:
    assert _flags(_pair({"stops_with_eos": 1.0}, {"stops_with_eos": 0.0}, STOPS)) == (True, True, False, True)


def test_another_answer_with_the_same_score_is_changed_only() -> None:
    samples = [_sample("base", {"m": 1.0}), _sample("candidate", {"m": 1.0}, answer="z")]
    [pair] = pair_samples(samples, metric_facts(samples, []))
    assert _flags(pair) == (True, False, False, False)


def test_answers_to_different_prompts_are_never_paired() -> None:
    samples = [_sample("base", {"m": 1.0}), _sample("candidate", {"m": 0.0}, digest="other")]
    pairs = pair_samples(samples, metric_facts(samples, []))
    assert [(p.base is None, p.candidate is None, p.regressed) for p in pairs] == [
        (False, True, False),
        (True, False, False),
    ]


def test_a_judgement_stands_alone_and_is_neither_gain_nor_failure() -> None:
    judgements = [_sample("judge", {"preference": score}, digest=str(score)) for score in (0.0, 1.0)]
    pairs = pair_samples(judgements, metric_facts(judgements, ()))
    assert [(pair.base, pair.candidate) for pair in pairs] == [(None, judgement) for judgement in judgements]
    assert {_flags(pair) for pair in pairs} == {(False, False, False, False)}
