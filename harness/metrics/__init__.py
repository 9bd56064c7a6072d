"""Per-sample scores and their aggregates."""

from harness.metrics.base import Metric
from harness.metrics.classification import Confusion, confusion

__all__ = ["Confusion", "Metric", "confusion"]
