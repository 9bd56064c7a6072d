"""The sequential test: its capital against a plain loop, its error rates, and what it saves."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import SequentialTest
from harness.stats.betting import FRACTIONS, log_capital, log_evidence

CHANGES = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30)


def plain_loop(values: list[float], mean: float, lower: float, population: int | None) -> list[np.ndarray]:
    """Capital of each fraction after each value, one item at a time."""
    capital, total, rows = np.ones(FRACTIONS.size), 0.0, []
    for place, value in enumerate(values):
        claimed, grown = mean, 1.0
        if population is not None:
            claimed, grown = (population * mean - total) / (population - place), population / (population - place)
        if claimed < lower - 1e-9:
            capital = np.full(FRACTIONS.size, np.inf)
        elif claimed > lower + 1e-9:
            bet = np.minimum(FRACTIONS * grown, np.maximum(FRACTIONS, 0.9)) / (claimed - lower)
            capital = capital * (1 + bet * (value - claimed))
        total += value
        rows.append(capital)
    return rows


@given(CHANGES, st.sampled_from([-0.3, -0.02, 0.0, 0.4]), st.sampled_from([None, 30, 200]))
def test_capital_is_that_of_the_plain_loop(values: list[float], mean: float, population: int | None) -> None:
    ours = np.exp(log_capital(np.array(values), mean, -1.0, population=population))
    assert ours == pytest.approx(np.array(plain_loop(values, mean, -1.0, population)), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("items", [(1, 0, 0, -1, 0, -1), (0, 0, 0, 0, 0, -1), (1, 1, -1, -1, -1, -1)])
def test_capital_is_a_fair_game_over_all_orders_of_the_benchmark(items: tuple[int, ...]) -> None:
    """Exactly at the claimed mean the expected capital never exceeds 1, at any number of items."""
    mean = float(Fraction(sum(items), len(items)))
    orders = set(permutations(items))
    evidence = [log_evidence(log_capital(np.array(o, float), mean, -1.0, population=len(items))) for o in orders]
    assert np.all(np.exp(evidence).mean(axis=0) <= 1 + 1e-7)


@settings(max_examples=30)
@given(CHANGES, st.integers(1, 7), st.sampled_from([None, 40]))
def test_batches_do_not_change_what_is_decided(values: list[float], size: int, population: int | None) -> None:
    whole = SequentialTest(0.2, alpha=0.3, population=population)
    parts = SequentialTest(0.2, alpha=0.3, population=population)
    whole.update(values)
    for start in range(0, len(values), size):
        parts.update(values[start : start + size])
    assert (whole.decision, whole.decided_after) == (parts.decision, parts.decided_after)
    assert whole.interval() == parts.interval()


@settings(max_examples=40)
@given(CHANGES, st.sampled_from([None, 30]))
def test_interval_and_decision_tell_the_same(values: list[float], population: int | None) -> None:
    test = SequentialTest(0.1, alpha=0.2, population=population)
    decision, interval = test.update(values), test.interval()
    assert interval.low <= interval.value <= interval.high
    if decision == "above":
        assert interval.low >= -0.1
    elif decision == "below":
        assert interval.high <= -0.1
    else:
        assert interval.low <= -0.1 + 1e-5 and interval.high >= -0.1 - 1e-5


@given(CHANGES)
def test_swapping_the_models_swaps_the_answers(values: list[float]) -> None:
    there, back = SequentialTest(0.1, alpha=0.2), SequentialTest(-0.1, alpha=0.2)
    swapped = {"above": "below", "below": "above", None: None}
    assert there.update(values) == swapped[back.update([-value for value in values])]


def benchmark(gained: int, lost: int, same: int) -> np.ndarray:
    return np.repeat([1.0, -1.0, 0.0], [gained, lost, same])


@pytest.mark.parametrize("population", [200, None])
def test_wrong_decisions_at_the_margin_are_at_most_alpha(population: int | None) -> None:
    """600 orders of a benchmark whose mean is exactly the margin; 10% allowed in each direction."""
    rng, alpha = np.random.default_rng(1), 0.1
    decisions = []
    for _ in range(600):
        items = benchmark(10, 20, 170)
        drawn = rng.choice(items, 200) if population is None else rng.permutation(items)
        decisions.append(SequentialTest(0.05, alpha=alpha, population=population).update(drawn))
    for side in ("above", "below"):
        assert decisions.count(side) / 600 <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 600)
    assert {"above", "below"} <= set(decisions)  # the test is not merely mute


@pytest.mark.parametrize(("gained", "lost", "right"), [(100, 100, "above"), (20, 180, "below")])
def test_clear_cases_take_at_most_half_of_the_benchmark(gained: int, lost: int, right: str) -> None:
    rng, used = np.random.default_rng(2), []
    for _ in range(40):
        test = SequentialTest(0.03, population=2000)
        assert test.update(rng.permutation(benchmark(gained, lost, 2000 - gained - lost))) == right
        used.append(test.decided_after)
    assert np.median([n for n in used if n is not None]) <= 1000


def test_without_a_loss_the_item_count_is_nearly_that_of_the_exact_test() -> None:
    """0.98^n = 0.025 at 183 items; two items of each hundred would be lost at the margin."""
    test = SequentialTest(0.02)
    test.update(np.zeros(400))
    assert test.decision == "above"
    assert test.decided_after is not None and 183 <= test.decided_after <= 300


def test_every_item_seen_settles_it() -> None:
    for items, decision in (([0.0, 0.0, -1.0, 0.0], "below"), ([0.0, 1.0, 0.0, -1.0], "above")):
        test = SequentialTest(0.1, population=4)
        assert test.update(items) == decision
        assert test.exhausted
        assert (test.interval().low, test.interval().high) == pytest.approx((np.mean(items), np.mean(items)), abs=1e-5)


def test_a_mean_exactly_at_the_margin_stays_open() -> None:
    test = SequentialTest(0.25, population=4, alpha=0.001)
    assert test.update([0.0, -1.0, 0.0, 0.0]) is None
    assert test.decided_after is None


def test_the_first_decision_stays() -> None:
    test = SequentialTest(0.1)
    test.update(np.zeros(200))
    decided_after = test.decided_after
    assert test.update(-np.ones(50)) == "above"
    assert (test.decided_after, test.n) == (decided_after, 250)


def test_the_confidence_sequence_covers_at_every_size_at_once() -> None:
    """An interval only shrinks as items come in, so that the last one answers for all before it."""
    rng, misses = np.random.default_rng(3), 0
    for _ in range(80):
        test = SequentialTest(0.3, alpha=0.1, population=150)
        test.update(rng.permutation(benchmark(15, 30, 105))[:120])
        interval = test.interval()
        misses += not interval.low <= -0.1 <= interval.high
    assert misses / 80 <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 80)


@settings(max_examples=25)
@given(CHANGES, CHANGES)
def test_more_items_never_widen_the_interval(first: list[float], second: list[float]) -> None:
    test = SequentialTest(0.1, alpha=0.3, population=60)
    test.update(first)
    before = test.interval()
    test.update(second)
    after = test.interval()
    rounding = 1e-5
    assert after.low >= min(before.low, after.value) - rounding
    assert after.high <= max(before.high, after.value) + rounding


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"margin": 1.5}, "margin is 1.5"),
        ({"margin": 0.1, "alpha": 2.5}, "alpha is 2.5"),
        ({"margin": 0.1, "population": 0}, "population is 0"),
    ],
)
def test_senseless_settings_are_refused(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SequentialTest(**arguments)  # type: ignore[arg-type]


def test_differences_that_cannot_be_are_refused() -> None:
    test = SequentialTest(0.1, population=3)
    with pytest.raises(ValueError, match=r"differences\[1\] is -2"):
        test.update([0.0, -2.0])
    with pytest.raises(ValueError, match="4 differences of a population of 3"):
        test.update([0.0] * 4)
    with pytest.raises(ValueError, match="no differences were seen"):
        test.interval()
    assert test.n == 0
