"""Pairs that were held out are told apart by what the candidate gained over the base, not by what the base preferred already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checks.data import Corpus
from harness.checks.data.corpus import TRAIN, VALIDATION, Part
from harness.checks.overfitting import (
    HELD_OUT_PAIRS,
    TRAINING_PAIRS,
    implicit_accuracy,
    implicit_accuracy_gap,
    pair_task,
)
from harness.config import OverfittingThresholds
from harness.engines import Answer, Request, Score
from harness.engines.requests import ScoreRequest
from harness.gates import Comparison
from harness.tasks.formats import Example
from harness.training.reading import rows_of_file

from .conftest import compared

PAIRS = 40
LIMITS = OverfittingThresholds()
Gained = Callable[[str, int, str], float]
"""Part, number and side of an answer -> nats it gained over the base."""


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Pairs of either part; every fourth has the longer answer for its better one."""
    parts = []
    for role in (TRAIN, VALIDATION):
        rows = [
            {
                "prompt": f"{role} {i}",
                "chosen": f"good {i}" + " indeed, and so on" * (i % 4 == 0),
                "rejected": f"bad {i} at length",
            }
            for i in range(PAIRS)
        ]
        path = tmp_path / f"{role}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        read = rows_of_file(path, kind="pairs")
        examples = [one for one in read.parsed if isinstance(one, Example)]
        parts.append(Part(role, path, read.name, read.records, examples, {}))
    return Corpus(parts)


def base(request: Request) -> Answer:
    """It holds the longer answer for less likely."""
    assert isinstance(request, ScoreRequest)
    return Score(-float(len(request.continuation)), False, 9, 5, 0.1)


def candidate(gained: Gained) -> Callable[[Request], Answer]:
    def rule(request: Request) -> Answer:
        assert isinstance(request, ScoreRequest)
        role, number = request.prompt.messages[-1].content.split()
        side = "chosen" if request.continuation.startswith("good") else "rejected"
        return Score(-len(request.continuation) + gained(role, int(number), side), False, 9, 5, 0.1)

    return rule


def measured(corpus: Corpus, gained: Gained) -> tuple[Comparison, Comparison]:
    trained, held_out = (
        compared(pair_task(corpus, name, 100), base, candidate(gained)) for name in (TRAINING_PAIRS, HELD_OUT_PAIRS)
    )
    return trained, held_out


def learnt(role: str, number: int, side: str) -> float:
    return 2.0 if side == "chosen" else 1.0


def by_heart(role: str, number: int, side: str) -> float:
    return learnt(role, number, side) if role == TRAIN or number % 2 else -learnt(role, number, side)


def test_preferences_that_hold_pass_though_the_base_prefers_the_shorter(corpus: Corpus) -> None:
    trained, held_out = measured(corpus, learnt)
    verdict = implicit_accuracy(held_out, LIMITS.preference_accuracy).decide()
    assert (verdict.gate, verdict.outcome) == ("held_out_pairs/implicit_accuracy/at_least", "pass")
    assert verdict.estimate is not None and verdict.estimate.low is not None
    assert (verdict.estimate.value, verdict.n) == (1.0, PAIRS) and verdict.estimate.low > 0.9
    assert verdict.details["likelier to the base already"] < 1.0
    assert implicit_accuracy_gap(trained, held_out, LIMITS.preference_gap).decide().outcome == "pass"


def test_a_candidate_that_only_raises_what_the_base_prefers_is_no_better_than_chance(corpus: Corpus) -> None:
    _, held_out = measured(corpus, lambda role, number, side: float(number % 2) if side == "chosen" else 0.5)
    verdict = implicit_accuracy(held_out, LIMITS.preference_accuracy).decide()
    assert verdict.outcome == "inconclusive"
    assert "more validation pairs" in verdict.remedy


def test_swapped_pairs_fail_on_what_was_held_out(corpus: Corpus) -> None:
    _, held_out = measured(corpus, lambda *where: -learnt(*where))
    verdict = implicit_accuracy(held_out, LIMITS.preference_accuracy).decide()
    assert verdict.outcome == "fail" and "are not swapped" in verdict.remedy
    assert verdict.reason.startswith(
        "of held-out pairs the better answer gained more over the base than the worse one in 0.0%"
    )


def test_an_adapter_that_does_nothing_tells_no_pair_apart(corpus: Corpus) -> None:
    _, held_out = measured(corpus, lambda *_: 0.0)
    assert implicit_accuracy(held_out, LIMITS.preference_accuracy).decide().outcome == "fail"


def test_pairs_learnt_by_heart_are_told_by_the_gap(corpus: Corpus) -> None:
    trained, held_out = measured(corpus, by_heart)
    gap = implicit_accuracy_gap(trained, held_out, 0.25).decide()
    assert (gap.gate, gap.outcome) == ("training_pairs/implicit_accuracy_gap/at_most", "fail")
    assert gap.estimate is not None and gap.estimate.value == pytest.approx(0.5)
    assert "by heart" in gap.remedy


def test_accuracy_is_shown_by_which_answer_is_longer_and_the_worst_pairs_are_named(corpus: Corpus) -> None:
    def shorter(role: str, number: int, side: str) -> float:
        return float((side == "chosen") is (number % 4 != 0))

    _, held_out = measured(corpus, shorter)
    details = implicit_accuracy(held_out, 0.5).decide().details
    assert details["by_length"]["better answer is shorter"]["accuracy"] == 1.0
    assert [pair["ahead by"] for pair in details["worst_pairs"]] == [-1.0] * 10
    assert details["worst_pairs"][0]["pair"].startswith("validation.jsonl row ")


def test_prompts_that_pairs_share_are_no_independent_ones(corpus: Corpus) -> None:
    task = pair_task(corpus, HELD_OUT_PAIRS, 8)
    assert len(task.items) == 8
    assert len({item.cluster for item in task.items}) == 8
