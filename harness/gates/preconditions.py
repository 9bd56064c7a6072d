"""What a gate needs of its metric and items, known before anything is measured. Imported at pytest collection: no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import AssayError, ConfigError
from harness.gates.kinds import RuleKind
from harness.metrics.base import Metric

_AS_A_SHARE = ": a share of 5% is 0.05"


class PairingError(AssayError):
    """Base and candidate samples do not belong together item by item."""


def check_threshold(kind: RuleKind, threshold: float, metric: Metric, label: str) -> None:
    """Refuse a threshold that makes no sense, for the rule or in the metric's range.

    Raises:
        ConfigError: it does not.
    """
    if not kind.allows(threshold):
        raise ConfigError(f"{label}: {kind.name}({kind.argument}={threshold})", kind.wants)
    if (span := metric.range) is not None:
        low, high = (0.0, span[1] - span[0]) if kind.paired else span
        if not low <= threshold <= high:
            raise ConfigError(
                f"{label}: {kind.name}({kind.argument}={threshold:g}), and it can only be {low:g} to {high:g}",
                f"give the threshold in units of the metric{_AS_A_SHARE if span == (0, 1) else ''}",
            )


def check_gateable(kind: RuleKind, metric: Metric, label: str) -> None:
    """Refuse to compare by a metric whose difference is biased.

    Raises:
        ConfigError: it is.
    """
    if kind.paired and metric.gate_instead is not None:
        raise ConfigError(
            f"{label}: chance moves it more for one model than for the other, and a gate would err too often",
            f"gate {metric.gate_instead}; {metric.name} is there to be read",
        )


def carries(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether an item's tags are among others those wanted."""
    return all(tags.get(tag) == value for tag, value in wanted.items())


def no_item_with(wanted: Mapping[str, str], tags: Sequence[Mapping[str, str]], task: str) -> PairingError:
    """What to raise where no item carries the tags wanted.

    Args:
        tags: of each item.
    """
    words = ", ".join(f"{tag}={value}" for tag, value in wanted.items())
    values = {tag: sorted({one[tag] for one in tags if tag in one}) for tag in wanted}
    known = "; ".join(f"{tag}: {', '.join(seen) or 'none'}" for tag, seen in values.items())
    unknown = [tag for tag, seen in values.items() if not seen]
    remedy = f"; name {', '.join(unknown)} in the task's tag_fields" if unknown else ""
    return PairingError(f"task {task!r} has no item with {words}", f"its values are {known}{remedy}")
