"""Sparse evidence: a pass that rests on so few items that differ from the rest that its interval cannot be believed.

A mean or a bootstrap knows the changes that were drawn. Where nearly all items are alike, it says nothing of how often, and
how far, those not drawn differ: 30 items that all score 1 have an interval of no width, and in simulation such gates passed
a value just short of the bound in up to half the cases. Scores of 0 and 1 need none of this: their
intervals count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.gates.decision import decide
from harness.gates.evidence import Evidence
from harness.gates.slices import item_gains
from harness.records import Estimate, Limit
from harness.stats import clopper_pearson
from harness.stats.arrays import cluster_codes

_ENOUGH = 10  # that differ: simulated error rates are nominal from there on


def rests_on_too_few(measured: Evidence, limit: Limit, confidence: float, *, paired: bool) -> bool:
    """Whether items that chance left out could overturn a pass.

    They could where fewer than ten items (clusters, where there are any) differ from the commonest value, and as many as
    may be in truth (Clopper-Pearson), each as bad as can be, would break the rule. Of a corpus metric an item differs where
    answer and target do (candidate's and base's answer, in a paired rule), and each is taken to move the whole by its
    share. Without bounds nothing can be said of how bad: any few that differ are too few then, and where none does,
    the items are taken at their word.

    Args:
        limit: of the gain in a paired rule, else of the candidate's level.
    """
    counted = measured.metric.kind == "binary" and measured.metric.corpus is None
    if counted or measured.known_difference is not None:  # which comes with its own guarantee
        return False
    differs, usual = _differing(measured, paired)
    groups = measured.n_clusters
    count = np.unique(cluster_codes(measured.clusters, measured.n)[differs]).size
    if count >= _ENOUGH:
        return False
    bounds = measured.metric.range
    if bounds is None:
        return bool(count > 0)
    share = clopper_pearson(int(count), groups, confidence=confidence).high
    extremes = (bounds[0] - bounds[1], bounds[1] - bounds[0]) if paired else bounds
    worst = (Estimate(usual + share * (extreme - usual)) for extreme in extremes)
    # exactly on the limit nothing is broken yet
    return any(decide(one, replace(limit, strict=False)).outcome == "fail" for one in worst)


def _differing(measured: Evidence, paired: bool) -> tuple[NDArray[np.bool_], float]:
    """Shape (n,): which items differ from the rest; and what the rest has: a gain in paired rules, else a score."""
    if measured.metric.corpus is not None:
        others = measured.base_parsed if paired else measured.targets
        unlike = [mine != other for mine, other in zip(measured.candidate_parsed, others or (), strict=True)]
        lowest, highest = measured.metric.range or (0.0, 0.0)
        right = highest if measured.metric.higher_is_better else lowest
        return np.array(unlike, dtype=np.bool_), 0.0 if paired else right
    values = item_gains(measured) if paired else measured.candidate
    assert values is not None  # a paired rule has a base
    found, counts = np.unique(values, return_counts=True)
    usual = float(found[np.argmax(counts)])
    return values != usual, usual
