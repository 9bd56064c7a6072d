"""The enumerated cells: that their sums are those of a simulation, and that the exact tests beside them are exact."""

from __future__ import annotations

import importlib
import itertools

import numpy as np
import pytest
from scipy import stats

from harness.stats import paired_binary_difference, wilson

counts = importlib.import_module("benchmarks.stats_counts")
exact = importlib.import_module("benchmarks.stats_exact")


def test_an_enumerated_share_errs_as_often_as_its_interval_over_all_counts():
    cell = counts._share(30, 0.5)
    intervals = [wilson(np.arange(30) < count) for count in range(31)]
    chance = stats.binom.pmf(np.arange(31), 30, 0.5)
    assert cell.above == pytest.approx(chance[[seen.low > 0.5 for seen in intervals]].sum())
    assert cell.below == pytest.approx(chance[[seen.high < 0.5 for seen in intervals]].sum())


@pytest.mark.parametrize("margin", [0.0, 0.4, 0.8])
def test_an_enumerated_difference_errs_as_often_as_its_interval_over_all_counts(margin):
    cell = counts._pairs(20, 0.8, margin)
    above = below = 0.0
    for gained, lost in itertools.product(range(21), repeat=2):
        chance = stats.multinomial.pmf(
            [gained, lost, 20 - gained - lost], 20, [(0.8 - margin) / 2, (0.8 + margin) / 2, 0.2]
        )
        if chance > 0:
            changes = np.repeat([1.0, -1.0, 0.0], [gained, lost, 20 - gained - lost])
            seen = paired_binary_difference(changes < 0, changes > 0)
            above += chance * (seen.low > -margin)
            below += chance * (seen.high < -margin)
    assert (cell.above, cell.below) == (pytest.approx(above), pytest.approx(below))
    assert above + below > 0.005


def test_no_count_is_left_out():
    for n, share in ((30, 0.02), (5000, 0.2)):
        assert stats.binom.pmf(counts._likely(n, share), n, share).sum() == pytest.approx(1, abs=1e-12)


def test_clopper_pearson_is_scipys():
    for count in range(31):
        interval = stats.binomtest(count, 30, 0.1).proportion_ci(0.95, "exact")
        assert exact.clopper_pearson(np.array(count), 30, 0.1) == (interval.low >= 0.1, interval.high <= 0.1)


def test_mcnemar_is_scipys_binomial_test():
    for gained in range(13):
        above, below = exact.mcnemar(np.array(gained), np.array(12 - gained))
        assert above == (stats.binomtest(gained, 12, 0.5, "greater").pvalue <= 0.025)
        assert below == (stats.binomtest(gained, 12, 0.5, "less").pvalue <= 0.025)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
def test_the_unconditional_test_never_errs_more_than_nominal_and_one_step_further_it_would(margin):
    n = 40
    gained, lost = (axis.ravel() for axis in np.indices((n + 1, n + 1)))
    gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
    chances = np.array(
        [
            stats.multinomial.pmf(
                np.stack([gained, lost, n - gained - lost], axis=-1), n, [gain, gain + margin, 1 - 2 * gain - margin]
            )
            for gain in np.linspace(0, (1 - margin) / 2, 333)[:-1]
        ]
    )
    statistic = exact._tango(gained, lost, n, margin)
    for rejected, extreme in zip(exact.unconditional(gained, lost, n, margin), (statistic, -statistic), strict=True):
        further = extreme >= extreme[~rejected].max()
        assert chances[:, rejected].sum(axis=1).max() <= 0.025 + 1e-4 < chances[:, further].sum(axis=1).max()
