"""Corrected score intervals: their bounds against a brute-force oracle, their error rates by exact enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from harness.stats import paired_binary_difference, wilson
from harness.stats.paired_binary import change_moments
from harness.stats.score import Moments, beyond_chance, share_moments

Z = float(stats.norm.ppf(0.975))


def pairs(gained: int, lost: int, same: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([0, 1, 1], [gained, lost, same]), np.repeat([1, 0, 1], [gained, lost, same])


def constrained(delta: float, gained: int, lost: int, same: int) -> Moments:
    """Moments at the numeric maximum of the likelihood under a difference of `delta`."""

    def minus_log_likelihood(q: float) -> float:
        cells = ((gained, q + delta), (lost, q), (same, 1 - 2 * q - delta))
        return -sum(count * np.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    best = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    q = min((best.x, low, high), key=minus_log_likelihood)
    chances, values = np.array([q + delta, q, 1 - 2 * q - delta]), np.array([1.0, -1.0, 0.0]) - delta
    return Moments(np.sum(chances * values**2), np.sum(chances * values**3))


@settings(max_examples=60)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 40))
def test_bounds_are_where_the_corrected_test_turns(gained: int, lost: int, same: int) -> None:
    n = gained + lost + same
    interval = paired_binary_difference(*pairs(gained, lost, same))
    assert -1 <= interval.low <= interval.value <= interval.high <= 1
    for bound, side in ((interval.low, 1), (interval.high, -1)):
        moments = constrained(bound, gained, lost, same)
        lean = moments.third / moments.variance
        allowed = Z * np.sqrt(moments.variance / n) + side * (Z**2 - 1) * lean / (6 * n)
        assert side * (interval.value - bound) - 0.5 / n == pytest.approx(allowed, abs=2e-3)


@settings(max_examples=40)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 30), st.sampled_from([0.9, 0.95, 0.99]))
def test_no_value_outside_the_bounds_is_kept_and_none_inside_rejected(
    gained: int, lost: int, same: int, confidence: float
) -> None:
    n, z = gained + lost + same, float(stats.norm.ppf(0.5 + confidence / 2))
    interval = paired_binary_difference(*pairs(gained, lost, same), confidence=confidence)
    values = np.linspace(-0.9999, 0.9999, 801)
    moments = change_moments(values, gained, lost, n)
    above = beyond_chance(interval.value - values, n, z, moments) > 0
    below = beyond_chance(values - interval.value, n, z, moments.mirrored()) > 0
    clear = (np.abs(values - interval.low) > 1e-6) & (np.abs(values - interval.high) > 1e-6)
    assert np.array_equal(above[clear], (values < interval.low)[clear])
    assert np.array_equal(below[clear], (values > interval.high)[clear])


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [10, 30, 100, 300, 1000])
def test_a_share_is_never_missed_on_one_side_more_than_nominally(n: int, confidence: float) -> None:
    counts, z = np.arange(n + 1.0), float(stats.norm.ppf(0.5 + confidence / 2))
    missed = []
    for share in np.linspace(0.001, 0.999, 250):
        rejected = beyond_chance(counts / n - share, n, z, share_moments(share)) > 0
        missed.append(stats.binom.pmf(counts, n, share)[rejected].sum())
    assert 0 < max(missed) <= (1 - confidence) / 2


def exact_misses(n: int, discordance: float, difference: float) -> tuple[float, float]:
    """Chances that the interval lies wholly above, and wholly below, the true difference."""
    gain, loss = (discordance + difference) / 2, (discordance - difference) / 2
    most = int(stats.binom.ppf(1 - 1e-9, n, discordance)) + 1
    gained, lost = (grid.ravel() for grid in np.meshgrid(np.arange(most), np.arange(most)))
    chance = stats.multinomial.pmf(
        np.stack([gained, lost, n - gained - lost], axis=1), n, [gain, loss, 1 - gain - loss]
    )
    moments = change_moments(difference, gained, lost, n)
    distance = (gained - lost) / n - difference
    above = beyond_chance(distance, n, Z, moments) > 0
    below = beyond_chance(-distance, n, Z, moments.mirrored()) > 0
    return float(chance[above].sum()), float(chance[below].sum())


@pytest.mark.parametrize("n", [30, 100, 200, 300, 500])
@pytest.mark.parametrize("discordance", [0.02, 0.05, 0.1, 0.4])
def test_gates_at_the_margin_err_at_most_nominally_on_each_side(n: int, discordance: float) -> None:
    for share in (0.0, 0.5, 1.0):
        assert max(exact_misses(n, discordance, -share * discordance)) <= 0.025


def test_where_enough_items_differ_the_error_is_near_nominal_not_far_below() -> None:
    assert min(exact_misses(500, 0.4, -0.05)) > 0.02


def test_nothing_changed_is_worth_about_four_over_n() -> None:
    interval = paired_binary_difference(*pairs(0, 0, 100))
    assert (interval.low, interval.high) == pytest.approx((-0.0382, 0.0382), abs=1e-4)
    assert interval.high == pytest.approx(wilson(np.zeros(100)).high)
    assert interval.p_value == 1.0


def test_swapping_the_models_mirrors_the_bounds() -> None:
    there, back = (paired_binary_difference(*order) for order in (pairs(3, 11, 50), pairs(3, 11, 50)[::-1]))
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
