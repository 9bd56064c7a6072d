"""Each interval against scipy, statsmodels or a brute-force oracle."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from harness.stats import mean_interval, paired_binary_difference, paired_mean_difference, wilson

binary_lists = st.lists(st.integers(0, 1), min_size=1, max_size=60)


def paired_arrays(gained: int, lost: int, same: int) -> tuple[np.ndarray, np.ndarray]:
    base = np.array([0] * gained + [1] * lost + [1] * same, dtype=float)
    candidate = np.array([1] * gained + [0] * lost + [1] * same, dtype=float)
    return base, candidate


@given(binary_lists, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys_wilson_without_clusters(values: list[int], confidence: float) -> None:
    ours = wilson(values, confidence=confidence)
    oracle = stats.binomtest(sum(values), len(values)).proportion_ci(confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    assert ours.low <= ours.value <= ours.high


def score_statistic(delta: float, gained: int, lost: int, same: int) -> float:
    """Tango's score by numeric maximisation of the constrained likelihood."""
    n = gained + lost + same

    def minus_log_likelihood(q: float) -> float:
        cells = ((gained, q + delta), (lost, q), (same, 1 - 2 * q - delta))
        return -sum(count * np.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    fine = {"xatol": 1e-12}
    best = optimize.minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options=fine)
    q = min((best.x, low, high), key=minus_log_likelihood)
    return float((gained - lost - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta))))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 40))
def test_tango_bounds_invert_the_score_test(gained: int, lost: int, same: int) -> None:
    if gained + lost + same == 0:
        return
    interval = paired_binary_difference(*paired_arrays(gained, lost, same))
    z = stats.norm.ppf(0.975)
    assert -1 <= interval.low <= interval.value <= interval.high <= 1
    if interval.high < 1:
        assert score_statistic(interval.high, gained, lost, same) == pytest.approx(-z, abs=2e-3)
    if interval.low > -1:
        assert score_statistic(interval.low, gained, lost, same) == pytest.approx(z, abs=2e-3)


def test_tango_keeps_its_width_when_nothing_changed() -> None:
    interval = paired_binary_difference(*paired_arrays(0, 0, 100))
    z_squared = stats.norm.ppf(0.975) ** 2
    half = z_squared / (100 + z_squared)
    assert (interval.low, interval.high) == pytest.approx((-half, half))
    assert interval.p_value == 1.0


@given(st.integers(0, 25), st.integers(0, 25))
def test_p_value_is_statsmodels_exact_mcnemar(gained: int, lost: int) -> None:
    interval = paired_binary_difference(*paired_arrays(gained, lost, 5))
    oracle = mcnemar([[5, lost], [gained, 0]], exact=True).pvalue if gained + lost else 1.0
    assert interval.p_value == pytest.approx(oracle, abs=1e-9)


def test_swapping_base_and_candidate_mirrors_the_interval() -> None:
    base, candidate = paired_arrays(9, 3, 30)
    there, back = paired_binary_difference(base, candidate), paired_binary_difference(candidate, base)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_mean_without_clusters_is_scipys_t() -> None:
    base, candidate = np.random.default_rng(1).normal(size=(2, 25))
    ours = paired_mean_difference(base, candidate)
    oracle = stats.ttest_rel(candidate, base)
    bounds = oracle.confidence_interval(0.95)
    assert (ours.low, ours.high, ours.p_value) == pytest.approx((bounds.low, bounds.high, oracle.pvalue))
    assert mean_interval(base).standard_error == pytest.approx(stats.sem(base))


def test_clustered_mean_is_statsmodels_cluster_robust_ols() -> None:
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 9, 80)
    values = rng.normal(size=9)[clusters] + rng.normal(size=80)
    fit = sm.OLS(values, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    ours = mean_interval(values, clusters=[f"c{c}" for c in clusters])
    assert ours.standard_error == pytest.approx(fit.bse[0])
    assert (ours.low, ours.high) == pytest.approx(tuple(fit.conf_int()[0]))
    assert ours.effective_n < 80


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
