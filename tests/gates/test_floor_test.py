"""A base is found clear of its floor, or to have too little to lose, no oftener than it errs at a single look."""

from __future__ import annotations

import numpy as np
import pytest

from harness.gates.floor_test import FloorTest
from harness.metrics.base import Metric

ACC = Metric("acc", kind="binary", floor=0.25)
ERROR = Metric("error", kind="binary", higher_is_better=False, floor=0.75)


def watched(share: float, metric: Metric = ACC, margin: float = 0.05, n: int = 2000, seed: int = 0) -> FloorTest:
    right = (np.random.default_rng(seed).random(n) < share).astype(float)
    test = FloorTest(metric, margin, n, alpha=0.025)
    test.update(right if metric.higher_is_better else 1 - right)
    return test


@pytest.mark.parametrize("metric", [ACC, ERROR])
def test_both_sides_are_seen_whichever_way_is_better(metric: Metric) -> None:
    assert [(f.clear, f.low) for f in (watched(0.6, metric), watched(0.25, metric))] == [(True, False), (False, True)]


def test_a_guesser_is_seldom_clear_however_often_one_looks() -> None:
    """A look after each item; within three standard errors of 2.5%. Of intervals looked at alike, 10% would mislead."""
    assert sum(watched(0.25, seed=seed).clear for seed in range(200)) <= 200 * 0.025 + 3 * 2.2


def test_a_guesser_is_not_clear_because_all_items_are_known() -> None:
    """A lucky one: 27% of all 1,000 items, within two standard errors of chance."""
    test = FloorTest(ACC, 0.05, 1000, alpha=0.025)
    test.update(np.random.default_rng(0).permutation(np.arange(1000) < 270).astype(float))
    assert not test.clear and test.low


@pytest.mark.parametrize("metric", [Metric("free"), Metric("free", kind="binary"), Metric("open", floor=0.0)])
def test_without_a_floor_or_bounds_there_is_nothing_to_watch(metric: Metric) -> None:
    test = FloorTest(metric, 0.05, 100, alpha=0.025)
    test.update(np.zeros(100))
    assert test.clear and not test.low


def test_a_floor_at_the_worst_score_is_left_to_the_rule() -> None:
    assert watched(0.01, Metric("exact_match", kind="binary", floor=0.0)).clear
    assert watched(0.01, Metric("exact_match", kind="binary", floor=0.0)).low
