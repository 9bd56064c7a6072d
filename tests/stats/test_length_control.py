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


@pytest.mark.parametrize("longer_by", [0.25, -0.25])
def test_a_judge_who_goes_by_length_alone_is_pulled_to_a_draw(longer_by: float) -> None:
    raw, controlled = [], []
    for seed in range(12):
        candidate, base = lengths(np.random.default_rng(seed), 250, longer_by)
        verdicts = (np.sign(candidate - base) + 1) / 2
        found = length_controlled_win_rate(verdicts, candidate, base, resamples=2)
        assert found.length_weight > 4
        raw.append(found.raw), controlled.append(found.interval.value)
    assert abs(np.mean(raw) - 0.5) > 0.1
    assert np.mean(controlled) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("share", "length", "wins"),
    [(1.0, 0.2, 0.03), (0.9, 3.0, 0.9)],
    ids=["far shorter and poor", "far longer and good"],
)
def test_far_from_equal_lengths_little_is_claimed_and_that_is_told(share: float, length: float, wins: float) -> None:
    rng = np.random.default_rng(11)
    base = np.exp(rng.normal(7, 0.5, 400)).round()
    candidate = (base * np.where(rng.random(400) < share, length, 1 / length)).round()
    verdicts = (rng.random(400) < wins).astype(float)
    found = length_controlled_win_rate(verdicts, candidate, base, resamples=50)
    assert found.extrapolates
    assert found.interval.value == pytest.approx(found.raw, abs=0.06)


@pytest.mark.parametrize(
    ("ratio", "extrapolates"), [(0.69, True), (0.71, False), (1.0, False), (1.39, False), (1.41, True)]
)
def test_the_ratio_of_mean_lengths_bounds_the_correction(ratio: float, extrapolates: bool) -> None:
    base = np.random.default_rng(12).integers(100, 900, 100)
    candidate = ratio * base.sum() / base[::-1].sum() * base[::-1]
    found = length_controlled_win_rate([1.0, 0.0] * 50, candidate, base, resamples=2)
    assert found.length_ratio == pytest.approx(ratio)
    assert found.extrapolates == extrapolates


def test_answers_that_are_all_a_little_longer_hold_none_of_equal_length() -> None:
    base = np.random.default_rng(13).integers(100, 900, 60)
    found = length_controlled_win_rate([1.0, 0.0] * 30, base + 1 + base // 10, base, resamples=2)
    assert found.length_ratio < 1.2
    assert found.one_sided and found.extrapolates


@pytest.mark.parametrize(("candidate", "ratio"), [(0, 1.0), (80, np.inf)])
def test_a_base_of_empty_answers_has_a_ratio_too(candidate: int, ratio: float) -> None:
    lengths_of_candidate = candidate * np.arange(40)
    found = length_controlled_win_rate([1.0, 0.0] * 20, lengths_of_candidate, np.zeros(40), resamples=2)
    assert found.length_ratio == ratio
    assert found.extrapolates == (candidate > 0)


def test_a_noisy_taste_for_length_is_taken_out_on_average() -> None:
    raw, controlled = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        candidate, base = lengths(rng, 250, 0.3)
        found = length_controlled_win_rate(judged(rng, candidate, base, 0.0, 3.0), candidate, base, resamples=2)
        raw.append(found.raw), controlled.append(found.interval.value)
    assert np.mean(raw) > 0.58
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


@pytest.mark.parametrize("bias", [0.0, 1.5])
@pytest.mark.parametrize("longer_by", [0.3, -0.3])
def test_the_interval_covers_the_rate_at_equal_lengths_whether_length_counts_or_not(
    bias: float, longer_by: float
) -> None:
    covered, errors = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        candidate, base = lengths(rng, 120, longer_by)
        verdicts = judged(rng, candidate, base, 0.6, bias)
        interval = length_controlled_win_rate(verdicts, candidate, base, resamples=80, seed=seed).interval
        covered += interval.low <= expit(0.6) <= interval.high
        errors.append(interval.value - expit(0.6))
    assert covered >= 35
    assert np.mean(errors) == pytest.approx(0.0, abs=0.025)


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


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_verdicts_of_one_kind_stay_finite_and_uncertain(value: float) -> None:
    candidate, base = lengths(np.random.default_rng(9), 60, 0.3)
    found = length_controlled_win_rate(np.full(60, value), candidate, base, resamples=20)
    assert found.interval.value == pytest.approx(value, abs=0.01)
    assert 0 <= found.interval.low < found.interval.high <= 1
    assert abs(found.length_weight) < 1


def test_two_prompts_are_enough_for_a_rate_and_one_is_not() -> None:
    found = length_controlled_win_rate([1.0, 0.0], [10, 30], [20, 20], resamples=20)
    assert 0 <= found.interval.low <= found.interval.value <= found.interval.high <= 1
    with pytest.raises(ValueError, match="needs at least 2"):
        length_controlled_win_rate([1.0], [20], [20])


@pytest.mark.parametrize(
    ("verdict", "length", "told"), [(np.nan, 1.0, r"preferences\[1\] is nan"), (1.0, np.nan, r"_lengths\[1\] is nan")]
)
def test_numbers_that_are_none_are_refused(verdict: float, length: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        length_controlled_win_rate([0.0, verdict], [1.0, length], [2.0, 2.0])


def test_one_length_difference_at_every_prompt_cannot_be_controlled_for() -> None:
    with pytest.raises(LengthsConfounded, match="by 80 at all 50 prompts"):
        length_controlled_win_rate([1.0, 0.0] * 25, [180] * 50, [100] * 50)


def test_lengths_of_other_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="base_lengths has 3 values for 2 preferences"):
        length_controlled_win_rate([1.0, 0.0], [1, 2], [1, 2, 3])
