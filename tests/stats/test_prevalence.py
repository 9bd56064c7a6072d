"""Corrected proportions: the published formula by hand, and coverage where the detector itself was estimated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import (
    Detector,
    corrected_paired_difference,
    corrected_proportion,
    paired_binary_difference,
    pooled,
    wilson,
)

GOOD = Detector(0.9, 0.95, 200, 200)
FLAWLESS = Detector(1.0, 1.0, 10**9, 10**9)


def test_the_estimate_is_rogan_and_gladens() -> None:
    ours = corrected_proportion([1] * 30 + [0] * 70, GOOD)
    assert ours.value == pytest.approx((0.30 + 0.95 - 1) / 0.85)
    assert ours.low < ours.value < ours.high


def test_the_interval_is_lang_and_reiczigels() -> None:
    # Worked by hand from the paper's formulas: 20 of 100 positive, 90 of 100 and 190 of 200 right.
    ours = corrected_proportion([1] * 20 + [0] * 80, Detector(0.9, 0.95, 100, 200))
    assert (ours.low, ours.high) == pytest.approx((0.08735, 0.28616), abs=2e-5)


def test_with_a_flawless_detector_nothing_is_corrected() -> None:
    values = [1] * 7 + [0] * 43
    ours, plain = corrected_proportion(values, FLAWLESS), wilson(values)
    assert ours.value == pytest.approx(plain.value)
    assert (ours.low, ours.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    base, candidate = [0] * 40 + [1] * 10, [0] * 30 + [1] * 20
    bounds, raw = corrected_paired_difference(base, candidate, FLAWLESS), paired_binary_difference(base, candidate)
    assert (bounds.low, bounds.high) == pytest.approx((raw.low, raw.high), abs=1e-4)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=50), st.floats(0.6, 1.0), st.floats(0.6, 1.0))
def test_proportions_stay_proportions(values: list[int], sensitivity: float, specificity: float) -> None:
    ours = corrected_proportion(values, Detector(sensitivity, specificity, 100, 100))
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=50), st.floats(0.75, 1.0))
def test_differences_stay_differences_and_mirror(pairs: list[tuple[int, int]], sensitivity: float) -> None:
    base, candidate = zip(*pairs, strict=True)
    detector = Detector(sensitivity, 0.9, 100, 100)
    there = corrected_paired_difference(base, candidate, detector)
    back = corrected_paired_difference(candidate, base, detector)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_a_worse_measured_detector_gives_a_wider_interval() -> None:
    values = [1] * 60 + [0] * 140
    base, candidate = [0] * 100 + [1] * 100, [0] * 60 + [1] * 140
    few, many = Detector(0.9, 0.95, 30, 30), Detector(0.9, 0.95, 3000, 3000)
    for wide, narrow in (
        (corrected_proportion(values, few), corrected_proportion(values, many)),
        (corrected_paired_difference(base, candidate, few), corrected_paired_difference(base, candidate, many)),
    ):
        assert wide.value == pytest.approx(narrow.value)
        assert wide.high - wide.low > 1.1 * (narrow.high - narrow.low)


def estimated(rng: np.random.Generator, positives: int, negatives: int) -> Detector:
    return Detector(
        rng.binomial(positives, 0.85) / positives, rng.binomial(negatives, 0.9) / negatives, positives, negatives
    )


def seen(rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    return np.where(rng.random(truth.size) < 0.85, truth, 0) + np.where(rng.random(truth.size) < 0.1, 1 - truth, 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_proportion_is_covered_although_the_detector_was_estimated(share: float) -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(600):
        truth = (rng.random(150) < share).astype(float)
        ours = corrected_proportion(seen(rng, truth), estimated(rng, 80, 80))
        covered += ours.low <= share <= ours.high
    assert covered / 600 >= 0.93


@pytest.mark.parametrize(("base_share", "gain"), [(0.1, 0.0), (0.1, 0.3), (0.05, 0.9)])
def test_the_difference_is_covered_although_the_detector_was_estimated(base_share: float, gain: float) -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        draw = rng.random(150)
        base, candidate = (draw < base_share).astype(float), (draw < base_share + gain).astype(float)
        ours = corrected_paired_difference(seen(rng, base), seen(rng, candidate), estimated(rng, 80, 80))
        covered += ours.low <= gain <= ours.high
    assert covered / 400 >= 0.93


def test_nothing_seen_to_change_is_not_certain_to_have_stayed() -> None:
    ours = corrected_paired_difference([0] * 50, [0] * 50, GOOD)
    assert ours.low < -0.05 < 0.05 < ours.high
    assert ours.p_value == 1.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((0.4, 0.6, 50, 50), "no better than chance"),
        ((1.2, 0.6, 50, 50), "sensitivity is 1.2"),
        ((0.9, 0.9, 0, 50), "positives is 0"),
    ],
)
def test_a_detector_that_cannot_correct_is_refused(fields: tuple[float, float, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Detector(*fields)


def test_a_detector_measured_on_too_few_items_is_refused() -> None:
    with pytest.raises(ValueError, match="measured on 4 positives and 4 negatives"):
        corrected_paired_difference([0, 1], [1, 1], Detector(0.75, 0.5, 4, 4))


ALIKE = [Detector(0.9, 0.95, 300, 300)] * 3
UNLIKE = [Detector(0.99, 0.99, 300, 300), Detector(0.9, 0.95, 300, 300), Detector(0.8, 0.9, 300, 300)]


def test_models_that_differ_leave_a_wider_interval_than_models_that_do_not() -> None:
    seen = [1] * 60 + [0] * 140
    alike, unlike = (corrected_proportion(seen, pooled(measured)) for measured in (ALIKE, UNLIKE))
    assert unlike.high - unlike.low > 1.3 * (alike.high - alike.low)
    assert pooled(ALIKE).sensitivity == pytest.approx(0.9)


def test_on_a_model_never_measured_the_detector_may_be_flawless() -> None:
    seen = [1] * 96 + [0] * 4
    corrected = corrected_proportion(seen, pooled([Detector(0.6, 0.99, 300, 300), Detector(0.7, 0.99, 300, 300)]))
    raw = wilson(seen)
    assert corrected.value == 1.0
    assert corrected.low <= raw.low and corrected.high >= raw.high
    base = [0] * 60 + [1] * 40
    difference = corrected_paired_difference(base, seen, pooled(UNLIKE))
    plain = paired_binary_difference(base, seen)
    assert difference.low <= plain.low and difference.high >= plain.high


@pytest.mark.parametrize("spread", [0.02, 0.08])
def test_the_share_of_one_more_model_is_covered(spread: float) -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        sensitivities, specificities = np.clip(0.9 + spread * random.standard_normal((2, 4)), 0.5, 1.0)
        measured = [
            Detector(random.binomial(200, one) / 200, random.binomial(200, other) / 200, 200, 200)
            for one, other in zip(sensitivities[:3], specificities[:3], strict=True)
        ]
        truth = random.random(250) < 0.3
        seen = np.where(truth, random.random(250) < sensitivities[3], random.random(250) >= specificities[3])
        interval = corrected_proportion(seen.astype(int), pooled(measured))
        covered += interval.low <= truth.mean() <= interval.high
    assert covered / 300 >= 0.93


def test_how_models_differ_takes_two() -> None:
    with pytest.raises(ValueError, match="at least two"):
        pooled([GOOD])
