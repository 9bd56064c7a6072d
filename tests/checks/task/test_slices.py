"""One slice of many that is always wrong fails, however good the mean is; slices that are alike, and small ones, do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.checks.task import no_slice_is_left_behind
from harness.checks.task.slices import SliceFloors, slices_of
from harness.gates import Measurement
from harness.metrics.base import Metric
from harness.stats.multiplicity import tarone
from harness.tasks.targets import FUNCTION, LABEL, LANGUAGE, LENGTH, TYPE, target_tags

from .conftest import Asked


def floors(
    levels: Sequence[float], items: int = 25, base: float = 0.0, seed: int = 0, clusters: int | None = None
) -> SliceFloors:
    """So many items of one function each, right in these shares, drawn at random."""
    drawn, n = np.random.default_rng(seed), len(levels) * items
    wanted = np.repeat(levels, items)
    groups = None if clusters is None else tuple((k // (items // clusters),) for k in range(n))
    measured = Measurement(
        metric=Metric("exact_match", kind="binary"),
        task="calls",
        slice={},
        item_ids=tuple(map(str, range(n))),
        candidate=(drawn.random(n) < wanted).astype(float),
        base=(drawn.random(n) < base).astype(float),
        clusters=groups,
        tags=({},) * n,
        targets=tuple({"name": f"f{k}", "arguments": {}} for k in range(len(levels)) for _ in range(items)),
        candidate_parsed=(None,) * n,
        base_parsed=(None,) * n,
    )
    return SliceFloors(measured, slices_of(measured), share=0.33, loss=0.1)


@pytest.mark.parametrize("base", [0.0, 0.9])
@pytest.mark.parametrize("clusters", [None, 5])
def test_one_function_of_eight_that_is_always_wrong_fails(base: float, clusters: int | None) -> None:
    verdict = floors([0.9] * 7 + [0.0], base=base, clusters=clusters).decide()
    assert (verdict.outcome, verdict.gate) == ("fail", "calls/exact_match/slices")
    assert verdict.details["below_floor"][0] == "target function=f7"
    assert "target function=f7 reaches 0.0% on 25 items" in verdict.reason
    assert verdict.details["slices"][FUNCTION]["f7"]["candidate"] == 0.0


@pytest.mark.parametrize(
    ("levels", "items", "base"), [([0.9] * 8, 25, 0.0), ([0.5] * 8, 25, 0.5), ([0.9] * 30, 10, 0.0)]
)
def test_equal_slices_fail_no_more_often_than_stated(levels: list[float], items: int, base: float) -> None:
    outcomes = Counter(floors(levels, items, base, seed).look(0.95).outcome for seed in range(20))
    assert outcomes["fail"] <= 2  # of 20 at 5%: more have a probability of less than 8%


def test_a_slice_that_fell_while_the_others_rose_fails_though_it_is_no_worse_than_they_are() -> None:
    found = floors([0.9] * 7 + [0.45], 100, base=0.9).look(0.95)
    assert [one.name for one in found.fallen] == ["target function=f7"]


def test_slices_too_small_to_tell_say_so() -> None:
    verdict = floors([0.9] * 7 + [0.0], 3).decide()
    assert (verdict.outcome, verdict.open_because) == ("inconclusive", ("too_few",))
    assert "too small to tell" in verdict.reason and len(verdict.details["too_small"]) == 8


def test_a_few_small_slices_do_not_keep_the_others_from_passing() -> None:
    whole = floors([0.9] * 8)
    cut = np.arange(whole.measured.n - 22)
    measured = whole.measured.subset(cut)
    verdict = SliceFloors(measured, slices_of(measured), 0.33, 0.1).decide()
    assert verdict.outcome == "pass"
    assert "too small to tell: target function=f7" in verdict.reason


@pytest.mark.parametrize(
    ("targets", "tags"),
    [
        ([{"name": "a", "arguments": {}}, None] * 10, {FUNCTION: ["a", "none"]}),
        (["yes", "no"] * 10, {LABEL: ["yes", "no"]}),
        ([f"{i} and other words, {i}" for i in range(20)] + [str(i) for i in range(20)], {TYPE: ["text", "number"]}),
        (
            ["Das ist nicht die Antwort auf die Frage.", "This is not what you have asked for."] * 2,
            {LANGUAGE: ["German", "English"]},
        ),
        (["x" * k for k in range(1, 31)], {LENGTH: ["short", "medium", "long"]}),
    ],
)
def test_targets_are_divided_by_what_they_are(targets: list[Any], tags: dict[str, list[str]]) -> None:
    found = target_tags(targets)
    for tag, values in tags.items():
        assert list(dict.fromkeys(one[tag] for one in found)) == values


def test_a_label_that_is_never_given_fails_with_its_remedy(asked: Asked) -> None:
    labels = ["red", "green", "blue", "grey", "pink", "teal"]
    right = {f"Which is {i}?": labels[i % 6] for i in range(150)}
    given = asked(
        list(right.items()), lambda one: "red" if right[one] == "teal" else right[one], lambda one: "", "classification"
    )
    gate = no_slice_is_left_behind(given, 0.33, 0.1)
    assert gate is not None
    verdict = gate.decide()
    assert verdict.outcome == "fail" and verdict.details["below_floor"] == ["target label=teal"]
    assert verdict.remedy


def test_a_task_whose_targets_are_alike_is_not_asked(asked: Asked) -> None:
    rows = [(f"q {i}", "the one") for i in range(20)]
    assert no_slice_is_left_behind(asked(rows, lambda one: "the one", lambda one: "x"), 0.33, 0.1) is None


def test_slices_none_of_which_could_be_told_from_chance_are_not_asked(asked: Asked) -> None:
    right = {f"Which is {i}?": f"l{i % 40}" for i in range(400)}
    given = asked(list(right.items()), right.__getitem__, lambda one: "", "classification")
    assert len(slices_of(given.metric("accuracy"))) == 40
    assert no_slice_is_left_behind(given, 0.33, 0.1) is None


def test_only_tests_that_can_reject_are_paid_for() -> None:
    assert tarone([0.001, 0.3, 0.4, 0.9], 0.05) == 0.05
    assert tarone([0.001, 0.002, 0.003, 0.9], 0.05) == pytest.approx(0.05 / 3)
    with pytest.raises(ValueError):
        tarone([], 0.05)
