"""What a measurement could have seen."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from harness.stats import mean_interval, minimum_detectable_effect, paired_binary_difference


def test_minimum_detectable_effect_is_statsmodels_for_a_large_sample() -> None:
    values = np.random.default_rng(8).normal(size=4000)
    effect = minimum_detectable_effect(mean_interval(values))
    oracle = NormalIndPower(ddof=0).solve_power(nobs1=4000, alpha=0.05, power=0.8, ratio=0) * values.std(ddof=1)
    # a t of 3999 degrees of freedom, and ends that reach a little further: never below the textbook's
    assert effect is not None and oracle <= effect <= 1.005 * oracle


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_power_of_a_mean_is_the_promised_power_though_its_interval_reaches_beyond_its_standard_error(
    share: float,
) -> None:
    """Share: of items that differ at all. Two errors of the textbook's effect would be seen in 68% and 51% of repeats."""
    rng = np.random.default_rng(9)

    def draw() -> np.ndarray:
        return rng.normal(size=40) * (rng.random(40) < share)

    effects = [minimum_detectable_effect(mean_interval(draw())) or 0.0 for _ in range(60)]
    seen = np.mean([mean_interval(draw() - np.mean(effects)).high < 0 for _ in range(400)])
    assert 0.72 < seen < 0.88


def test_zero_discordance_still_hides_an_effect() -> None:
    interval = paired_binary_difference(np.ones(100), np.ones(100))
    effect = minimum_detectable_effect(interval)
    assert interval.standard_error == 0
    assert effect is not None and effect > interval.high


def test_measured_power_is_the_promised_power() -> None:
    """A true loss of the detectable size is seen (interval below 0) in about 80% of repeats."""
    rng = np.random.default_rng(9)

    def draw(loss: float) -> tuple[np.ndarray, np.ndarray]:
        lost, gained = rng.random(400) < loss + 0.05, rng.random(400) < 0.05
        return np.where(lost, 1, 0), np.where(lost, 0, gained * 1)

    effect = minimum_detectable_effect(paired_binary_difference(*draw(0.0)))
    assert effect is not None
    seen = np.mean([paired_binary_difference(*draw(effect)).high < 0 for _ in range(400)])
    assert 0.6 < seen < 0.92


def test_no_width_means_no_claim() -> None:
    interval = mean_interval([0.5, 0.5, 0.5])
    assert minimum_detectable_effect(interval) is None


def test_senseless_power_is_refused() -> None:
    interval = mean_interval([0.0, 1.0, 0.5])
    with pytest.raises(ValueError, match="power is 80"):
        minimum_detectable_effect(interval, power=80)
