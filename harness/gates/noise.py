"""How far two measurements of one candidate lie apart by chance: a change that is smaller is none, whatever its interval says."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from harness.gates.evidence import Evidence, FloatArray, IntArray
from harness.metrics.base import CorpusFunction
from harness.stats.arrays import cluster_codes

_EXCHANGES = 200


def noise_floor(measured: Evidence, *, confidence: float = 0.95) -> float:
    """The difference that two measurements of one candidate exceed by chance in a share of 1 - confidence of cases.

    Normal quantile times the standard error of the difference when it is known to be 0 in truth: of a mean the root of the
    clusters' squared sums of differences, over n, which is what exchanging the two measurements cluster by cluster gives
    (Fisher's randomisation distribution); of a corpus metric the same by 200 exchanges. 0 where no answer differed.

    Args:
        measured: `base` and `candidate` are the two measurements.

    Raises:
        ConfigError: there is one.
    """
    if measured.base is None:
        raise measured.no_base()
    codes = cluster_codes(measured.clusters, measured.n)
    corpus = measured.metric.corpus
    error = (
        _error_of_mean(measured.candidate - measured.base, codes) if corpus is None else _error(measured, corpus, codes)
    )
    return NormalDist().inv_cdf(0.5 + confidence / 2) * error


def _error_of_mean(differences: FloatArray, codes: IntArray) -> float:
    sums = np.bincount(codes, weights=differences)
    return math.sqrt(float(np.sum(sums**2))) / differences.size


def _error(measured: Evidence, corpus: CorpusFunction, codes: IntArray) -> float:
    rng = np.random.default_rng(0)
    pairs = list(zip(measured.base_parsed or (), measured.candidate_parsed, strict=True))

    def difference() -> float:
        swapped = rng.integers(0, 2, int(codes.max()) + 1)[codes]
        sides = ([pair[side ^ other] for pair, other in zip(pairs, swapped, strict=True)] for side in (0, 1))
        first, second = (corpus(measured.targets, side) for side in sides)
        return second - first

    return math.sqrt(sum(difference() ** 2 for _ in range(_EXCHANGES)) / _EXCHANGES)
