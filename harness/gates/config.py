"""The `gates:` list of a task in assay.yaml. Imported at pytest collection: no numpy, no scipy."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, create_model, model_validator

from harness.config.base import Section, Text, objection
from harness.config.checking import check
from harness.errors import Complaints, ConfigError, UndecidedError
from harness.gates.kinds import KINDS, RuleKind
from harness.gates.preconditions import carries, check_gateable, check_threshold, no_item_with
from harness.gates.scalar import Undecided
from harness.records import Severity
from harness.runs.gate_names import gate_name

if TYPE_CHECKING:
    from harness.gates.comparison import Comparison, Evaluation
    from harness.gates.rules import Measurement, Rule
    from harness.tasks.base import TaskLike

_CONFIDENCE = 0.95
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_ON_GAIN = "on the gain over the base, in units of the metric or as in 5%"
_ON_LEVEL = "on the candidate's own level, in units of the metric"
_EXAMPLE = "write a gate like {metric: exact_match, superior: 0.2} or {metric: acc, at_least: 0.8, where: {lang: de}}"


@dataclass(frozen=True)
class GateSpec:
    """One gate of a task, as configured.

    Attributes:
        threshold: margin or bound, in units of the metric; of a relative margin the share of the base's value.
        relative: the margin was written as a share, like "5%".
        where: tags the items must carry.
        number: its place in the list, from 1.
        severity: what it means where it does not pass; None says nothing.
    """

    task: str
    metric: str
    kind: str
    threshold: float
    where: Mapping[str, str] = field(default_factory=dict)
    relative: bool = False
    number: int = field(default=0, compare=False)
    severity: Severity | None = None

    @property
    def id(self) -> str:
        """Unique among the gates of a run, as in `tool_calls-exact_match-superior-values=unseen`."""
        tags = (f"{tag}={self.where[tag]}" for tag in sorted(self.where))
        return "-".join([self.task, self.metric, self.kind, *tags])

    @property
    def name(self) -> str:
        """What it is called within its suite, in a run."""
        return gate_name(self.metric, self.kind, task=self.task, tags=self.where)

    def apply(self, comparison: Comparison | Evaluation) -> Rule | Undecided:
        """The rule of this gate over these samples; an undecided one where a judge was to give its metric and cannot.

        Raises:
            TaskError: the task has no such metric.
            PairingError: no item carries the tags.
            ConfigError: a paired rule over one model's samples.
        """
        narrowed = comparison.where(**self.where) if self.where else comparison
        try:
            measurement = narrowed.metric(self.metric)
        except UndecidedError as error:
            return Undecided(self.metric, self.kind, self.threshold, error, self.task, self.where)
        return measurement.rule(self.kind, self._of_base(measurement) if self.relative else self.threshold)

    def against(self, comparison: Comparison, margin: float, *, remedy: str = "") -> Rule | Undecided | None:
        """The question of this gate put to candidate and an opponent that is no base: no worse, within its own tolerable loss.

        None for a level of a metric without bounds: a loss that is tolerable everywhere is points of a share, and says nothing
        of tokens or nats. None too for one whose differences are biased.

        Args:
            margin: the tolerable loss, where the gate asks for a gain or a level and names none.
            remedy: what to do where it is worse.
        """
        rule = self.apply(comparison)
        if isinstance(rule, Undecided):
            return rule
        metric = rule.measurement.metric
        if not KINDS.get(self.kind).paired and (metric.range is None or metric.gate_instead is not None):
            return None
        own = self.kind == "non_inferior"
        return replace(rule, kind="non_inferior", threshold=rule.threshold if own else margin, remedy=remedy)

    def check(self, task: TaskLike) -> None:
        """What can be said of the gate before anything is measured; of a task that knows its items by then, of all.

        Raises:
            TaskError: the task has no such metric.
            ConfigError: the threshold is none of that metric.
            PairingError: no item carries the tags.
        """
        complaints, asked = Complaints(), KINDS.get(self.kind)
        with complaints.noting():
            metric, label = task.metric(self.metric), f"{self.task}/{self.metric}"
            if not self.relative:
                check_threshold(asked, self.threshold, metric, label)
            check_gateable(asked, metric, label)
        tags = [item.tags for item in getattr(task, "items", ())]
        if tags and not any(carries(one, self.where) for one in tags):
            complaints.noted.append(no_item_with(self.where, tags, self.task))
        complaints.tell(ConfigError)

    def _of_base(self, measurement: Measurement) -> float:
        """The margin in units of the metric, where it is written as a share of the base's value."""
        base = measurement.base_interval(_CONFIDENCE)
        if base is None:
            raise measurement.no_base()
        if base.high - base.low >= 2 * abs(base.value):  # of 1 right answer in 40 a fifth would be half a point
            raise ConfigError(
                f"{self.id}: {self.threshold:.0%} of the base's value, which is about 0 ({base.value:.3g}), is no margin",
                f"give it in units of the metric: {self.kind}: {self.threshold:g}",
            )
        return self.threshold * abs(base.value)


class Threshold(NamedTuple):
    """What a rule is given: a number, and whether it is a share of the base's value."""

    value: float
    relative: bool


def _tags(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise objection("not a mapping of tags to values", "write where: {values: unseen}")
    return value


class GateKeys(Section):
    """The keys of one gate: a metric, one rule with its threshold, and which items; `gate_keys` adds the rules."""

    metric: Text
    """a metric of the task"""
    where: Annotated[Mapping[str, str], Field(min_length=1), BeforeValidator(_tags)] | None = None
    """tags that items must carry: tag -> value"""
    severity: Severity | None = None
    """what it means where it does not pass: `critical` blocks, `supporting` blocks unless waived, `advisory` is told and
    never blocks. What `severities:` says of the gate comes before"""

    @property
    def rules(self) -> dict[str, Threshold]:
        """The rules given, by the names of their kinds."""
        return {name: threshold for name in KINDS.names() if (threshold := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _has_one_rule(self) -> GateKeys:
        if len(self.rules) != 1:
            seen = " and ".join(self.rules) or "no rule"
            raise objection(
                f"{seen}, where one is wanted", f"give exactly one of {', '.join(KINDS.names())}; {_EXAMPLE}"
            )
        return self


def gate_keys() -> type[GateKeys]:
    """The model of one gate, with every kind of rule that is registered."""
    return _gate_keys(tuple(KINDS))


@cache
def _gate_keys(kinds: tuple[RuleKind, ...]) -> type[GateKeys]:
    rules: dict[str, Any] = {}
    for kind in kinds:
        asked = _ON_GAIN if kind.paired else _ON_LEVEL
        threshold = Annotated[Threshold, PlainValidator(_reader(kind)), WithJsonSchema(_shape(kind))]
        rules[kind.name] = (threshold | None, Field(None, description=asked))
    return create_model("GateKeys", __base__=GateKeys, **rules)


def _shape(kind: RuleKind) -> dict[str, Any]:
    bounds = {"minimum": kind.minimum, "exclusiveMinimum": kind.exclusive_minimum}
    number = {"type": "number", **{key: bound for key, bound in bounds.items() if bound is not None}}
    return {"anyOf": [number, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}]} if kind.paired else number


def _reader(kind: RuleKind) -> Callable[[Any], Threshold]:
    def read(value: Any) -> Threshold:
        share = _SHARE.fullmatch(value) if kind.paired and isinstance(value, str) else None
        number = float(share[1]) / 100 if share else value
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            wanted = "a number, or '5%' of the base's value" if kind.paired else "a number"
            example = f"{{metric: exact_match, {kind.name}: {0.02 if kind.paired else 0.8}}}"
            raise objection("not a number", f"give {wanted}, as in {example}")
        if not kind.allows(number):
            raise objection("", kind.wants)
        return Threshold(float(number), share is not None)

    return read


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
    complaints = Complaints()
    for number, entry in enumerate(entries, start=1):
        with complaints.noting():
            spec = _spec(task_name, entry, f"task {task_name!r}, gate {number}")
            if spec.id in {s.id for s in specs}:
                raise ConfigError(
                    f"task {task_name!r}, gate {number}: {spec.id} is configured twice", "keep one of the two"
                )
            specs.append(replace(spec, number=number))
    complaints.tell(ConfigError)
    return specs


def _spec(task: str, entry: object, name: str) -> GateSpec:
    keys = check(gate_keys(), entry, lambda at: f"{name}: {'.'.join(at)}" if at else name, ConfigError)
    [(kind, threshold)] = keys.rules.items()
    where = keys.where or {}
    return GateSpec(task, keys.metric, kind, threshold.value, where, threshold.relative, severity=keys.severity)
