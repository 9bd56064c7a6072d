"""Intervals, paired tests and power: pure functions over arrays, which know nothing of models."""

from __future__ import annotations

from harness.stats.agreement import cohens_kappa
from harness.stats.bootstrap import Replicates, paired_statistic_difference, replicate, statistic_interval
from harness.stats.clusters import effective_sample_size
from harness.stats.flips import FlipRates, flip_rates
from harness.stats.interval import Interval
from harness.stats.mean import mean_interval, paired_mean_difference
from harness.stats.multiplicity import benjamini_hochberg, holm
from harness.stats.paired_binary import mcnemar_exact, paired_binary_difference
from harness.stats.power import minimum_detectable_effect, required_n
from harness.stats.prevalence import Detector, corrected_paired_difference, corrected_proportion
from harness.stats.proportion import wilson
from harness.stats.ratings import Battle, elo_ratings
from harness.stats.sequential import Decision, SequentialTest

__all__ = [
    "Battle",
    "Decision",
    "Detector",
    "FlipRates",
    "Interval",
    "Replicates",
    "SequentialTest",
    "benjamini_hochberg",
    "cohens_kappa",
    "corrected_paired_difference",
    "corrected_proportion",
    "effective_sample_size",
    "elo_ratings",
    "flip_rates",
    "holm",
    "mcnemar_exact",
    "mean_interval",
    "minimum_detectable_effect",
    "paired_binary_difference",
    "paired_mean_difference",
    "paired_statistic_difference",
    "replicate",
    "required_n",
    "statistic_interval",
    "wilson",
]
