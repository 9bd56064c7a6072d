"""Proportions seen through an imperfect detector, corrected for its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.stats.arrays import Clusters
from harness.stats.interval import Interval
from harness.stats.paired_binary import paired_binary_difference
from harness.stats.score import wilson


@dataclass(frozen=True)
class Detector:
    """How often a detector is right, and on how many items with gold labels that was measured.

    Attributes:
        sensitivity: share of `positives` it calls positive.
        specificity: share of `negatives` it calls negative.
        positives, negatives: gold items of each kind, or as many as would leave the same uncertainty (see `pooled`);
            independent of the items it is used on.
        models: how many models' answers those were, where none of them gave the answers it is used on. On one more model it may
            also be flawless, so that intervals then hold the uncorrected one.
    """

    sensitivity: float
    specificity: float
    positives: float
    negatives: float
    models: int = 1

    def of_the_rest(self) -> Detector:
        """The same, where what it calls negative is what is looked for."""
        return Detector(self.specificity, self.sensitivity, self.negatives, self.positives, self.models)

    def __post_init__(self) -> None:
        for name in ("sensitivity", "specificity"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}: it must lie between 0 and 1")
        for name in ("positives", "negatives"):
            count = getattr(self, name)
            if count < 1:
                raise ValueError(f"{name} is {count}: the detector must have been measured on at least one")
        if self.youden <= 0:
            raise ValueError(
                f"sensitivity {self.sensitivity:.3g} and specificity {self.specificity:.3g} add up to no more than 1:"
                " the detector is no better than chance, and nothing can be corrected by it"
            )

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1: how much of a true difference the detector lets through."""
        return self.sensitivity + self.specificity - 1


def pooled(detectors: Sequence[Detector]) -> Detector:
    """One detector for the answers of a model on which it was never measured, from what it did on those of several.

    Error rates differ between models by more than chance. By a random-effects model, a rate on one more model varies about the
    mean of k by (1 + 1/k) times the variance between them (Higgins, Thompson and Spiegelhalter 2009, JRSS A 172(1),
    137-159), and as that is estimated from k, by (k + 1) / (k - 1) times as much: the variance of t with k + 1 degrees. The
    items of a binomial of that variance stand for it, so that every interval from here on carries it.

    Raises:
        ValueError: fewer than two, from which no difference between models can be learnt.
    """
    if len(detectors) < 2:
        raise ValueError(f"{len(detectors)} detectors given: how models differ takes at least two")
    sensitivity, positives = _random_effects([(one.sensitivity, one.positives) for one in detectors])
    specificity, negatives = _random_effects([(one.specificity, one.negatives) for one in detectors])
    return Detector(sensitivity, specificity, positives, negatives, len(detectors))


def _random_effects(rates: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean rate, and of how many items a rate would vary as much as that on one more model does."""
    k = len(rates)
    padded = [_padded(share, n, 2) for share, n in rates]
    mean = sum(share for share, _ in rates) / k
    centre = sum(share for share, _ in padded) / k
    between = sum((share - centre) ** 2 for share, _ in padded) / (k - 1)
    within = sum(variance for _, variance in padded) / k
    variance = max(between, within) * (1 + 1 / k) * (k + 1) / (k - 1)
    return mean, max(1.0, centre * (1 - centre) / variance)


def corrected_proportion(
    values: ArrayLike, detector: Detector, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> Interval:
    """True proportion of positives from what a detector called positive, clipped to [0, 1].

    (seen + specificity - 1) / (sensitivity + specificity - 1): Rogan & Gladen 1978, American J. Epidemiology
    107(1), 71-76. The interval carries the uncertainty of all three: Lang & Reiczigel 2014, Preventive
    Veterinary Medicine 113, 13-22. With clusters, the effective sample size takes the place of n.

    Args:
        values: shape (n,), 1 where the detector said positive.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, not 0/1, a length mismatch, or a detector measured on so few items that it may be
            no better than chance.
    """
    seen = wilson(values, clusters=clusters, confidence=confidence)
    value = _clip((seen.value + detector.specificity - 1) / detector.youden)
    z_squared = float(stats.norm.ppf(0.5 + confidence / 2)) ** 2
    share, share_variance = _padded(seen.value, seen.effective_n, z_squared)
    sensitivity, sensitivity_variance = _padded(detector.sensitivity, detector.positives, 2)
    specificity, specificity_variance = _padded(detector.specificity, detector.negatives, 2)
    youden = sensitivity + specificity - 1
    if youden <= 0:
        raise ValueError(f"{_describe(detector)}: too few to tell it from chance")
    centre = (share + specificity - 1) / youden
    shift = 2 * z_squared * (centre * sensitivity_variance - (1 - centre) * specificity_variance)
    variance = share_variance + centre**2 * sensitivity_variance + (1 - centre) ** 2 * specificity_variance
    error = math.sqrt(variance) / youden
    half = math.sqrt(z_squared) * error
    low, high = _hull(_clip(centre + shift - half), _clip(centre + shift + half), seen, detector)
    return replace(
        seen,
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Rogan-Gladen, Lang-Reiczigel" + ("" if clusters is None else ", clustered"),
        standard_error=error,
    )


def corrected_paired_difference(
    base: ArrayLike,
    candidate: ArrayLike,
    detector: Detector,
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> Interval:
    """True difference candidate - base of proportions that one detector judged, clipped to [-1, 1].

    The false positives of both sides cancel, so the difference seen is the true one times Youden's index
    (Rogan & Gladen 1978, as `corrected_proportion`); this takes the detector to err alike on both sides. The
    interval is that of a ratio by MOVER (Donner & Zou 2012, Statistical Methods in Medical Research 21(4),
    347-359) from Tango's interval of the difference seen and Newcombe's of the index. The p-value is that of
    the difference seen: both are zero together.

    Args:
        base, candidate: shape (n,), 1 where the detector said positive, paired by position.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: as `corrected_proportion`, or sides of unequal length.
    """
    seen = paired_binary_difference(base, candidate, clusters=clusters, confidence=confidence)
    youden, low, high = detector.youden, *_youden_bounds(detector, confidence)
    if low <= 0 or high >= 2 * youden:
        raise ValueError(f"{_describe(detector)}: too few to tell it from chance")
    value = seen.value / youden
    youden_error = (high - low) / 2 / float(stats.norm.ppf(0.5 + confidence / 2))

    def bound(of_seen: float, of_youden: float, sign: int) -> float:
        product = seen.value * youden
        scale = of_youden * (2 * youden - of_youden)
        root = product**2 - of_seen * (2 * seen.value - of_seen) * scale
        return (product + sign * math.sqrt(max(0.0, root))) / scale

    low, high = _hull(
        _clip(bound(seen.low, high if seen.low > 0 else low, -1), -1.0),
        _clip(bound(seen.high, low if seen.high > 0 else high, 1), -1.0),
        seen,
        detector,
    )
    return replace(
        seen,
        value=_clip(value, -1.0),
        low=low,
        high=high,
        method=f"Rogan-Gladen, MOVER of {seen.method}",
        standard_error=math.hypot(seen.standard_error, value * youden_error) / youden,
    )


def _hull(low: float, high: float, seen: Interval, detector: Detector) -> tuple[float, float]:
    return (min(low, seen.low), max(high, seen.high)) if detector.models > 1 else (low, high)


def _padded(share: float, n: float, pseudo: float) -> tuple[float, float]:
    """A share and its variance after `pseudo` more items, half of them positive (Agresti & Coull 1998)."""
    total = n + pseudo
    padded = (share * n + pseudo / 2) / total
    return padded, padded * (1 - padded) / total


def _youden_bounds(detector: Detector, confidence: float) -> tuple[float, float]:
    """Newcombe's interval of sensitivity + specificity - 1 (1998, Statistics in Medicine 17, 873-890)."""
    below = above = 0.0
    for share, n in ((detector.sensitivity, detector.positives), (detector.specificity, detector.negatives)):
        low, high = proportion_confint(share * n, n, alpha=1 - confidence, method="wilson")
        below, above = below + (share - float(low)) ** 2, above + (float(high) - share) ** 2
    return detector.youden - math.sqrt(below), detector.youden + math.sqrt(above)


def _describe(detector: Detector) -> str:
    return (
        f"the detector's sensitivity {detector.sensitivity:.3g} and specificity {detector.specificity:.3g} were"
        f" measured on {detector.positives:.0f} positives and {detector.negatives:.0f} negatives"
    )


def _clip(value: float, least: float = 0.0) -> float:
    return min(1.0, max(least, value))
