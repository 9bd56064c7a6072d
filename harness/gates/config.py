"""The `gates:` list of a task in assay.yaml. Imported at pytest collection: no numpy, no scipy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from harness.errors import ConfigError
from harness.gates.kinds import KINDS

if TYPE_CHECKING:
    from harness.gates.comparison import Comparison, Evaluation
    from harness.gates.rules import Rule

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_EXAMPLE = "write a gate like {metric: exact_match, superior: 0.2} or {metric: acc, at_least: 0.8, where: {lang: de}}"


@dataclass(frozen=True)
class GateSpec:
    """One gate of a task, as configured.

    Attributes:
        threshold: margin or bound, in units of the metric; of a relative margin the share of the base's value.
        relative: the margin was written as a share, like "5%".
        where: tags the items must carry.
    """

    task: str
    metric: str
    kind: str
    threshold: float
    where: Mapping[str, str] = field(default_factory=dict)
    relative: bool = False

    @property
    def id(self) -> str:
        """Unique among the gates of a run, as in `tool_calls-exact_match-superior-values=unseen`."""
        tags = (f"{tag}={self.where[tag]}" for tag in sorted(self.where))
        return "-".join([self.task, self.metric, self.kind, *tags])

    def apply(self, comparison: Comparison | Evaluation) -> Rule:
        """The rule of this gate over these samples.

        Raises:
            TaskError: the task has no such metric.
            PairingError: no item carries the tags.
            ConfigError: a paired rule over one model's samples.
        """
        narrowed = comparison.where(**self.where) if self.where else comparison
        measurement = narrowed.metric(self.metric)
        threshold = self.threshold
        if self.relative:
            base, _ = measurement.values()
            threshold *= abs(base or 0.0)
            if not KINDS.get(self.kind).allows(threshold):
                raise ConfigError(
                    f"{self.id}: a margin of {self.threshold:.3g} of the base's value, which is {base}, is none",
                    "give the margin in units of the metric, as in non_inferior: 0.02",
                )
        return measurement.rule(self.kind, threshold)


def gates_from_config(task_name: str, entries: object) -> list[GateSpec]:
    """Parse `gates:`; None, as an empty YAML key gives, is no gates.

    Raises:
        ConfigError: not a list, an unknown key, a wrong type, no rule or more than one, or a gate twice.
    """
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise ConfigError(f"task {task_name!r}: gates is {entries!r}, not a list", _EXAMPLE)
    specs: list[GateSpec] = []
    for number, entry in enumerate(entries, start=1):
        location = f"task {task_name!r}, gate {number}"
        spec = _spec(task_name, entry, location)
        if spec.id in {s.id for s in specs}:
            raise ConfigError(f"{location}: {spec.id} is configured twice", "keep one of the two")
        specs.append(spec)
    return specs


def _spec(task: str, entry: object, location: str) -> GateSpec:
    if not isinstance(entry, dict):
        raise ConfigError(f"{location}: {entry!r} is not a mapping", _EXAMPLE)
    keys = ("metric", *KINDS.names(), "where")
    unknown = [key for key in entry if key not in keys]
    if unknown:
        raise ConfigError(f"{location}: unknown key {unknown[0]!r} in {entry!r}", f"the keys are {', '.join(keys)}")
    metric = entry.get("metric")
    if not isinstance(metric, str) or not metric:
        raise ConfigError(f"{location}: metric is {metric!r} in {entry!r}, not the name of a metric", _EXAMPLE)
    kinds = [kind for kind in KINDS.names() if kind in entry]
    if len(kinds) != 1:
        seen = " and ".join(kinds) or "no rule"
        raise ConfigError(
            f"{location}: {seen} in {entry!r}", f"give exactly one of {', '.join(KINDS.names())}; {_EXAMPLE}"
        )
    value = entry[kinds[0]]
    share = _SHARE.fullmatch(value) if isinstance(value, str) and KINDS.get(kinds[0]).paired else None
    return GateSpec(
        task=task,
        metric=metric,
        kind=kinds[0],
        threshold=_threshold(kinds[0], float(share[1]) / 100 if share else value, location),
        where=_where(entry.get("where"), location),
        relative=share is not None,
    )


def _threshold(kind: str, value: object, location: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{location}: {kind} is {value!r}, not a number", _EXAMPLE)
    if not KINDS.get(kind).allows(value):
        raise ConfigError(f"{location}: {kind} is {value!r}", KINDS.get(kind).wants)
    return float(value)


def _where(value: object, location: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not value:
        raise ConfigError(f"{location}: where is {value!r}, not a mapping of tags", "write where: {values: unseen}")
    for tag, wanted in value.items():
        if not isinstance(tag, str) or not isinstance(wanted, str):
            raise ConfigError(
                f"{location}: where has {tag!r}: {wanted!r}, and tags are text",
                "put the value in quotes, as in where: {level: '3'}",
            )
    return cast(dict[str, str], dict(value))
