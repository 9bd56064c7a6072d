"""Per-sample scores and their aggregates."""

from harness.metrics.base import Metric

__all__ = ["Metric"]
