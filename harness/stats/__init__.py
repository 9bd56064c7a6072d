"""Intervals, paired tests and power: pure functions over arrays, which know nothing of models."""

from __future__ import annotations

from harness.stats.bootstrap import Replicates, paired_statistic_difference, replicate, statistic_interval
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval
from harness.stats.mean import mean_interval, paired_mean_difference
from harness.stats.multiplicity import benjamini_hochberg, holm
from harness.stats.paired_binary import paired_binary_difference
from harness.stats.power import minimum_detectable_effect, required_n
from harness.stats.proportion import wilson

__all__ = [
    "Interval",
    "Replicates",
    "benjamini_hochberg",
    "effective_sample_size",
    "holm",
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
