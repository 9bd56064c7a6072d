"""Gates on scores that hardly differ: no pass rests on what chance left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.gates import Measurement
from harness.gates.rules import Rule
from harness.metrics.base import Metric

BOUNDED = Metric("token_f1", bounds=(0.0, 1.0))
UNBOUNDED = Metric("answer_tokens", higher_is_better=False)
SHARE_RIGHT = Metric(
    "macro",
    corpus=lambda targets, parsed: sum(t == p for t, p in zip(targets, parsed, strict=True)) / len(parsed),
    bounds=(0.0, 1.0),
)


def measure(metric: Metric, candidate: np.ndarray, base: np.ndarray, clusters: list[str] | None = None) -> Measurement:
    """A corpus metric's answers are right where the score is 1."""
    n = candidate.size
    return Measurement(
        metric=metric, task="t", slice={}, item_ids=tuple(map(str, range(n))), candidate=candidate, base=base,
        clusters=None if clusters is None else tuple(clusters), tags=({},) * n, targets=(1.0,) * n,
        candidate_parsed=tuple(candidate.tolist()), base_parsed=tuple(base.tolist()),
    )  # fmt: skip


def outcome(rule: Rule) -> str:
    return rule.decide().outcome


Case = tuple[Metric, int, float, Callable[[Measurement], Rule], float]
CASES: dict[str, Case] = {
    "at_least": (BOUNDED, 30, 0.96, lambda m: m.at_least(0.97), 0.0),
    "at_least, large": (BOUNDED, 120, 0.995, lambda m: m.at_least(0.999), 0.0),
    "superior": (BOUNDED, 30, 0.96, lambda m: m.superior(0.97), 0.0),
    "non_inferior": (BOUNDED, 120, 0.988, lambda m: m.non_inferior(0.01), 1.0),
    "at_least of a corpus": (SHARE_RIGHT, 30, 0.96, lambda m: m.at_least(0.97), 0.0),
    "non_inferior of a corpus": (SHARE_RIGHT, 120, 0.988, lambda m: m.non_inferior(0.01), 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_truth_just_short_of_the_bound_passes_rarely(name: str) -> None:
    metric, n, share, rule, of_base = CASES[name]
    rng = np.random.default_rng(1)
    repeats = 40 if metric.corpus is not None else 300
    base = np.full(n, of_base)
    passed = sum(
        outcome(rule(measure(metric, (rng.random(n) < share).astype(float), base))) == "pass" for _ in range(repeats)
    )
    assert passed <= 0.025 * repeats + 3 * (0.025 * 0.975 * repeats) ** 0.5


@pytest.mark.parametrize("changed", range(1, 10))
def test_without_bounds_a_few_that_differ_decide_nothing_and_none_is_no_cause_for_doubt(changed: int) -> None:
    base = np.zeros(200)
    candidate = np.where(np.arange(200) < changed, 0.01, 0.0)
    assert outcome(measure(UNBOUNDED, candidate, base).non_inferior(0.5)) == "inconclusive"
    assert outcome(measure(UNBOUNDED, candidate, base).at_most(0.5)) == "inconclusive"
    assert outcome(measure(UNBOUNDED, base, base).non_inferior(0.5)) == "pass"


def test_ten_that_differ_are_enough() -> None:
    candidate = np.where(np.arange(200) < 10, 0.01, 0.0)
    assert outcome(measure(UNBOUNDED, candidate, np.zeros(200)).non_inferior(0.5)) == "pass"


@pytest.mark.parametrize("metric", [BOUNDED, SHARE_RIGHT])
def test_all_right_passes_what_the_number_of_items_can_show(metric: Metric) -> None:
    # 120 items without a fault: no more than 3.03% can be wrong, 1 - 0.025 ** (1 / 120)
    right, wrong = np.ones(120), np.zeros(120)
    assert outcome(measure(metric, right, wrong).at_least(0.969)) == "pass"
    assert outcome(measure(metric, right, wrong).at_least(0.970)) == "inconclusive"
    assert outcome(measure(metric, right[:3], wrong[:3]).at_least(0.75)) == "inconclusive"
    assert outcome(measure(metric, right, right).non_inferior(0.031)) == "pass"
    assert outcome(measure(metric, right, right).non_inferior(0.030)) == "inconclusive"


def test_items_of_one_cluster_that_differ_together_count_once() -> None:
    candidate = np.where(np.arange(200) < 20, 0.4, 0.5)
    clusters = [f"c{i // 20}" for i in range(200)]
    alone = measure(BOUNDED, candidate, np.full(200, 0.5))
    assert outcome(alone.non_inferior(0.1)) == "pass"
    assert outcome(replace(alone, clusters=tuple(clusters)).non_inferior(0.1)) == "inconclusive"


def test_scores_of_yes_and_no_are_left_to_their_own_intervals() -> None:
    right = np.ones(30)
    binary = Metric("acc", kind="binary")
    assert outcome(measure(binary, right, right).at_least(0.85)) == "pass"
