"""How far does length alone tell the preferred answers? What is learnt from such data may be to write more, and nothing else.

Judges and people prefer the longer of two answers: it was the better one in 68% of 789 pairs that a model judged (AlpacaEval), in
45% of 2,306 that people did (HH-RLHF, harmless), in 27% of 419 made against that habit (LLMBar). Preferring the shorter answer
is a purpose that data may have, and is told but not held against them.

Singhal et al. 2023, "A Long Way to Go: Investigating Length Correlations in RLHF", arXiv 2310.03716.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from harness.checks.data.corpus import TRAIN, Corpus
from harness.gates import Check

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class _Share:
    """How often the preferred answer is the longer one."""

    value: float
    low: float
    high: float


def length_bias(corpus: Corpus, limit: float) -> Check | None:
    """The preferred answer is the longer one in at most a share `limit` of the pairs that differ in length; of answers marked
    as wanted or not, in that share of all comparisons of one with the other (the area under the ROC curve). It fails where
    the interval of that share lies above the limit.

    Returns:
        None where there are no preferences, or all answers are of one length.
    """
    pairs = [(len(row.taught), len(row.refused)) for row in corpus.pairs(TRAIN)]
    marked = [row for row in corpus.asked(TRAIN) if row.wanted is not None]
    if pairs:
        better, worse = [list(lengths) for lengths in zip(*pairs, strict=True)]
        share, among = _of_pairs(pairs), f"{sum(a != b for a, b in pairs)} pairs of unequal length"
    else:
        better, worse = ([len(row.taught) for row in marked if row.wanted is kind] for kind in (True, False))
        share, among = (
            _of_marked(better, worse),
            f"all comparisons of {len(better)} wanted with {len(worse)} unwanted answers",
        )
    if share is None:
        return None
    medians = median(better), median(worse)
    return Check(
        "length_bias",
        holds=share.low <= limit,
        reason=f"the preferred answer is the longer one in {share.value:.1%} of {among} (between {share.low:.1%} and "
        f"{share.high:.1%}), at most {limit:.1%} allowed; the median has {medians[0]:.0f} characters, of the others "
        f"{medians[1]:.0f}",
        remedy="add pairs whose shorter answer is the better one, or draw answers of like length; `method: simpo` divides by "
        "length; where longer answers are what you want, allow more by `longer_preferred` under `data:`",
        details={
            "allowed_share": limit,
            "longer_preferred": {"value": share.value, "low": share.low, "high": share.high},
            "length_alone_tells": max(share.value, 1 - share.value),
            "median_characters": {"preferred": medians[0], "others": medians[1]},
        },
    )


def _of_pairs(lengths: Sequence[tuple[int, int]]) -> _Share | None:
    from harness.stats import wilson

    longer = [better > worse for better, worse in lengths if better != worse]
    if not longer:
        return None
    found = wilson(longer, confidence=_CONFIDENCE)
    return _Share(found.value, found.low, found.high)


def _of_marked(better: Sequence[int], worse: Sequence[int]) -> _Share | None:
    """The area under the ROC curve, with the standard error of Hanley & McNeil 1982, Radiology 143, 29-36."""
    if not better or not worse or len({*better, *worse}) == 1:
        return None
    from scipy.stats import mannwhitneyu

    m, n = len(better), len(worse)
    area = float(mannwhitneyu(better, worse).statistic) / (m * n)
    of_better, of_worse = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (m - 1) * (of_better - area**2) + (n - 1) * (of_worse - area**2)) / (m * n)
    reach = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) * math.sqrt(max(variance, 0.0))
    return _Share(area, max(0.0, area - reach), min(1.0, area + reach))
