"""Intervals, paired tests and power: pure functions over arrays, which know nothing of models."""

from __future__ import annotations

from harness.stats.agreement import cohens_kappa
from harness.stats.bootstrap import Replicates, replicate, statistic_interval
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval
from harness.stats.mean import mean_interval, paired_mean_difference
from harness.stats.multiplicity import benjamini_hochberg
from harness.stats.paired_binary import mcnemar_exact, paired_binary_difference
from harness.stats.power import minimum_detectable_effect
from harness.stats.prevalence import Detector, corrected_paired_difference, corrected_proportion
from harness.stats.proportion import wilson
from harness.stats.ratings import Battle, elo_ratings
from harness.stats.sequential import Decision, SequentialTest

__all__ = [
    "Battle",
    "Decision",
    "Detector",
    "Interval",
    "Replicates",
    "SequentialTest",
    "benjamini_hochberg",
    "cohens_kappa",
    "corrected_paired_difference",
    "corrected_proportion",
    "effective_sample_size",
    "elo_ratings",
    "mcnemar_exact",
    "mean_interval",
    "minimum_detectable_effect",
    "paired_binary_difference",
    "paired_mean_difference",
    "replicate",
    "statistic_interval",
    "wilson",
]
