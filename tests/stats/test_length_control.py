"""Length control on judges whose bias is known: pure length, pure quality, both."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from harness.stats.length_control import LengthsConfounded, length_controlled_win_rate
from harness.stats.win_rate import win_rate

FloatArray = NDArray[np.float64]


def lengths(rng: np.random.Generator, prompts: int, longer_by: float) -> tuple[FloatArray, FloatArray]:
    """Characters of the candidate's answers, `longer_by` in logarithms, and of the base's."""
    return np.exp(rng.normal(5.5 + longer_by, 0.6, prompts)).round(), np.exp(rng.normal(5.5, 0.6, prompts)).round()


def judged(
    rng: np.random.Generator, candidate: FloatArray, base: FloatArray, quality: float, bias: float
) -> FloatArray:
    """Verdicts of a judge who knows quality (log-odds at equal lengths) and adds `bias` for length."""
    difference = candidate - base
    return (rng.random(candidate.size) < expit(quality + bias * np.tanh(difference / difference.std()))).astype(float)


@pytest.mark.parametrize("prompts", [100, 250, 805])
@pytest.mark.parametrize("longer_by", [0.4, 0.8, -0.6])
def test_a_judge_who_goes_by_length_alone_is_pulled_to_a_draw(prompts: int, longer_by: float) -> None:
    raw = []
    for seed in range(8):
        candidate, base = lengths(np.random.default_rng(seed), prompts, longer_by)
        verdicts = (np.sign(candidate - base) + 1) / 2
        found = length_controlled_win_rate(verdicts, candidate, base, resamples=10)
        raw.append(found.raw)
        assert abs(found.interval.value - 0.5) < 0.05
        assert found.length_weight > 10
        assert found.parts_from_raw
    assert abs(np.mean(raw) - 0.5) > 0.1


def test_where_length_decides_everything_the_interval_admits_that_quality_is_unknown() -> None:
    candidate, base = lengths(np.random.default_rng(2), 150, 0.5)
    found = length_controlled_win_rate((candidate > base).astype(float), candidate, base, resamples=300)
    assert found.interval.high - found.interval.low > 0.2


def test_a_noisy_taste_for_length_is_taken_out_on_average() -> None:
    raw, controlled = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        candidate, base = lengths(rng, 400, 0.6)
        found = length_controlled_win_rate(judged(rng, candidate, base, 0.0, 3.0), candidate, base, resamples=5)
        raw.append(found.raw), controlled.append(found.interval.value)
    assert np.mean(raw) > 0.65
    assert np.mean(controlled) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("prompts", [100, 400])
def test_true_quality_at_equal_lengths_is_left_alone(prompts: int) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        candidate, base = lengths(rng, prompts, 0.0)
        verdicts = (rng.random(prompts) < 0.7).astype(float)
        found = length_controlled_win_rate(verdicts, candidate, base, resamples=100)
        assert found.interval.value == pytest.approx(found.raw, abs=0.02)
        assert not found.parts_from_raw


def test_equal_lengths_leave_the_raw_rate() -> None:
    verdicts = np.array([1.0] * 70 + [0.0] * 20 + [0.5] * 10)
    found = length_controlled_win_rate(verdicts, np.full(100, 300), np.full(100, 300))
    raw = win_rate(verdicts)
    assert found.length_weight == 0.0
    assert found.interval.value == pytest.approx(0.75, abs=1e-4)
    assert (found.interval.low, found.interval.high) == pytest.approx((raw.low, raw.high), abs=1e-3)


def test_quality_and_length_together_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    candidate, base = lengths(rng, 2000, 0.5)
    found = length_controlled_win_rate(judged(rng, candidate, base, 1.0, 2.0), candidate, base, resamples=200)
    assert found.raw > 0.78
    assert found.interval.low < expit(1.0) < found.interval.high
    assert found.parts_from_raw


def test_the_interval_covers_the_rate_at_equal_lengths() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        candidate, base = lengths(rng, 120, 0.5)
        verdicts = judged(rng, candidate, base, 0.6, 1.5)
        interval = length_controlled_win_rate(verdicts, candidate, base, resamples=200, seed=seed).interval
        covered += interval.low <= expit(0.6) <= interval.high
    assert covered >= 88


def test_swapping_the_sides_mirrors_the_rate() -> None:
    rng = np.random.default_rng(6)
    candidate, base = lengths(rng, 150, 0.5)
    verdicts = judged(rng, candidate, base, 0.5, 1.0)
    there = length_controlled_win_rate(verdicts, candidate, base, resamples=10)
    back = length_controlled_win_rate(1 - verdicts, base, candidate, resamples=10)
    assert there.interval.value == pytest.approx(1 - back.interval.value)
    assert there.length_weight == pytest.approx(back.length_weight)


def test_difficulty_sharpens_the_prediction_and_its_scale_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    candidate, base = lengths(rng, 500, 0.4)
    difficulty = rng.normal(size=500)
    verdicts = judged(rng, candidate, base, 0.5 + 2.0 * difficulty, 1.0)
    plain, other = (
        length_controlled_win_rate(verdicts, candidate, base, difficulty=scaled, resamples=10)
        for scaled in (difficulty, 100 * difficulty + 7)
    )
    assert other.interval.value == pytest.approx(plain.interval.value)
    assert plain.interval.value == pytest.approx(expit(0.5 + 2.0 * difficulty).mean(), abs=0.04)


def test_all_wins_stay_finite_and_uncertain() -> None:
    candidate, base = lengths(np.random.default_rng(8), 100, 0.0)
    found = length_controlled_win_rate(np.ones(100), candidate, base, resamples=20)
    assert found.interval.value > 0.98
    assert found.interval.low < 0.97


def test_always_longer_and_always_preferred_leaves_every_quality_open() -> None:
    base = np.random.default_rng(9).integers(100, 900, 100)
    found = length_controlled_win_rate(np.ones(100), 3 * base, base, resamples=20)
    assert found.interval.low <= 0.5
    assert found.interval.high > 0.98
    assert found.parts_from_raw


def test_one_length_difference_at_every_prompt_cannot_be_controlled_for() -> None:
    with pytest.raises(LengthsConfounded, match="by 80 at all 50 prompts"):
        length_controlled_win_rate([1.0, 0.0] * 25, [180] * 50, [100] * 50)


def test_lengths_of_other_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="base_lengths has 3 values for 2 preferences"):
        length_controlled_win_rate([1.0, 0.0], [1, 2], [1, 2, 3])
