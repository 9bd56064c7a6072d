"""Each interval against scipy, statsmodels or a published formula; score intervals also in test_score.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from harness.stats import mean_interval, paired_binary_difference, paired_mean_difference, wilson

binary_lists = st.lists(st.integers(0, 1), min_size=1, max_size=60)


def paired_arrays(gained: int, lost: int, same: int) -> tuple[np.ndarray, np.ndarray]:
    base = np.array([0] * gained + [1] * lost + [1] * same, dtype=float)
    candidate = np.array([1] * gained + [0] * lost + [1] * same, dtype=float)
    return base, candidate


@settings(max_examples=60)
@given(binary_lists, st.sampled_from([0.8, 0.95, 0.99]))
def test_corrected_wilson_lies_beside_wilson_and_near_the_exact_bounds(values: list[int], confidence: float) -> None:
    ours, size = wilson(values, confidence=confidence), len(values)
    test = stats.binomtest(sum(values), size)
    score, exact = (test.proportion_ci(confidence, method=method) for method in ("wilson", "exact"))
    assert 0 <= ours.low <= ours.value <= ours.high <= 1
    if size >= 20 and confidence < 0.99:
        assert (ours.low, ours.high) == pytest.approx((score.low, score.high), abs=1.5 / size)
        assert (ours.low, ours.high) == pytest.approx((exact.low, exact.high), abs=0.4 / size)


@given(st.integers(0, 25), st.integers(0, 25))
def test_p_value_is_statsmodels_exact_mcnemar(gained: int, lost: int) -> None:
    interval = paired_binary_difference(*paired_arrays(gained, lost, 5))
    oracle = mcnemar([[5, lost], [gained, 0]], exact=True).pvalue if gained + lost else 1.0
    assert interval.p_value == pytest.approx(oracle, abs=1e-9)


def test_swapping_base_and_candidate_mirrors_the_interval() -> None:
    base, candidate = paired_arrays(9, 3, 30)
    there, back = paired_binary_difference(base, candidate), paired_binary_difference(candidate, base)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def stretched_ends(influence: np.ndarray, mean: float) -> tuple[float, float]:
    """The 95% interval out of its description: what each of the G clusters adds to the mean, shape (G,), and the mean."""
    groups, plain = influence.size, stats.sem(influence)
    t, lean = stats.t.ppf(0.975, groups - 1), stats.skew(influence, bias=False)

    def reach(side: int) -> float:
        leant_to = lean * side > 0
        farthest = np.max(np.abs(influence)) if leant_to else np.max(side * influence)
        with_two_more = np.concatenate([influence, [farthest, farthest]])  # whose mean still counts as 0
        error = np.sqrt(np.sum(with_two_more**2) / (groups + 1) / groups)
        quantile = t + (abs(lean) * (2 * t**2 + 1) / (6 * np.sqrt(groups)) if leant_to else 0)
        return float(max(t * plain, error * quantile))

    return mean - reach(-1), mean + reach(1)


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=40))
@example([0, 1, 10, 10])
def test_a_mean_reaches_at_least_as_far_as_scipys_t_and_as_far_as_is_described(values: list[int]) -> None:
    ours = paired_mean_difference(np.zeros(len(values)), values)
    if len(set(values)) == 1:
        assert (ours.low, ours.high) == (values[0], values[0])
        return
    oracle = stats.ttest_1samp(values, 0)
    bounds, lean = oracle.confidence_interval(0.95), stats.skew(values, bias=False)
    assert ours.p_value == pytest.approx(oracle.pvalue)
    assert ours.standard_error == pytest.approx(stats.sem(values))
    rounding = 1e-9 * (1 + abs(bounds.low) + abs(bounds.high))
    assert ours.low <= bounds.low + rounding and ours.high >= bounds.high - rounding
    if abs(lean) > 1e-9:  # else rounding decides which way they lean
        ends = stretched_ends(np.array(values) - np.mean(values), float(np.mean(values)))
        assert (ours.low, ours.high) == pytest.approx(ends, rel=1e-9, abs=rounding)


def test_values_that_lean_neither_way_are_stretched_alike_on_both_sides() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    ours = mean_interval(values)
    assert (ours.low, ours.high) == pytest.approx(stretched_ends(values - 3, 3.0))
    assert ours.high - 3 == pytest.approx(3 - ours.low)
    assert ours.high - 3 > 1.05 * stats.t.ppf(0.975, 4) * stats.sem(values)


def test_a_few_losses_among_many_ties_stretch_both_sides_and_the_one_leant_to_most() -> None:
    values = np.array([-0.8, -0.5, -0.4, 0.3] + [0.0] * 96)
    ours, plain = mean_interval(values), stats.t.ppf(0.975, 99) * stats.sem(values)
    assert ours.value - ours.low > 1.5 * plain
    assert 1.05 * plain < ours.high - ours.value < ours.value - ours.low


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_a_mean_of_thousands_is_scipys_t(draw: str) -> None:
    values = getattr(np.random.default_rng(4), draw)(size=20_000)
    ours, bounds = mean_interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    width = bounds.high - bounds.low
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high), abs=0.02 * width)


@pytest.mark.filterwarnings("error")
def test_nearly_equal_values_of_any_size_give_a_narrow_interval_without_complaint() -> None:
    for size in (1e-150, 1.0, 1e100):
        interval = mean_interval([size, size, size * (1 + 1e-15), size])
        assert size * (1 - 1e-13) <= interval.low <= interval.high <= size * (1 + 1e-13)


def cluster_robust_ols(values: np.ndarray, clusters: np.ndarray) -> Any:
    """statsmodels' mean with cluster-robust errors and G - 1 degrees of freedom."""
    ones = np.ones(values.size)
    return sm.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


def test_clustered_mean_is_statsmodels_cluster_robust_ols_with_its_ends_stretched() -> None:
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 9, 80)
    values = rng.normal(size=9)[clusters] + rng.normal(size=80)
    ours, fit = mean_interval(values, clusters=[f"c{c}" for c in clusters]), cluster_robust_ols(values, clusters)
    assert ours.standard_error == pytest.approx(fit.bse[0])
    low, high = fit.conf_int()[0]
    assert ours.low < low and ours.high > high
    sums = np.array([np.sum(values[clusters == c] - values.mean()) for c in range(9)])
    assert (ours.low, ours.high) == pytest.approx(stretched_ends(sums * 9 / 80, values.mean()))
    assert ours.effective_n < 80


def test_mean_of_many_clusters_is_statsmodels_cluster_robust_ols() -> None:
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(2000), 3)
    values = rng.normal(size=2000)[clusters] + rng.normal(size=6000)
    low, high = cluster_robust_ols(values, clusters).conf_int()[0]
    ours = mean_interval(values, clusters=clusters)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_labels_that_are_all_different_change_nothing() -> None:
    values = [0, 1, 1, 1, 0, 1, 0, 1]
    assert wilson(values, clusters=range(8)).low == pytest.approx(wilson(values).low)
    assert paired_mean_difference(values, values[::-1], clusters=range(8)).high == pytest.approx(
        paired_mean_difference(values, values[::-1]).high
    )


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (wilson, ([],), "empty"),
        (wilson, ([0, 1, 0.5],), r"values\[2\] is 0.5"),
        (wilson, ([0, float("nan")],), r"values\[1\] is nan"),
        (paired_binary_difference, ([0, 1], [0]), "base has 2 values, candidate has 1"),
        (paired_binary_difference, ([0, 1], [0, 2]), r"candidate\[1\] is 2"),
        (paired_mean_difference, ([0.0, float("inf")], [0.0, 1.0]), r"base\[1\] is inf"),
        (mean_interval, ([[0.0, 1.0]],), r"shape \(1, 2\)"),
        (mean_interval, ([1.0],), "at least 2"),
    ],
)
def test_bad_arrays_are_refused_by_value(function: object, arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        function(*arguments)  # type: ignore[operator]


def test_bad_clusters_and_confidence_are_refused() -> None:
    with pytest.raises(ValueError, match="clusters has 1 labels for 2 values"):
        wilson([0, 1], clusters=["a"])
    with pytest.raises(ValueError, match="confidence is 95"):
        wilson([0, 1], confidence=95)
