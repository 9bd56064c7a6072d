"""What a gate decided: its outcome, on what evidence, and what that means for the release."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from harness.errors import on_one_line, show

VERDICTS_SCHEMA = 2

Outcome = Literal["pass", "fail", "inconclusive", "error"]
Side = Literal["above", "below", "within"]
Severity = Literal["critical", "supporting", "advisory"]
"""What a gate that does not pass means for the release: it blocks, it blocks unless waived, or it is told and never blocks."""
Lapse = Literal["expired", "critical", "other_adapter", "error", "ambiguous"]
"""Why a waiver does not hold: past its date, its gate is critical, it is for another adapter, the gate could not be measured,
or its name means several gates of the run."""
Cause = Literal["interval", "too_few", "at_floor", "sparse", "unreadable", "obstacle"]
"""What keeps a gate from a decision: the limit lies within the interval, too few independent items, a base with nothing to
lose, too few items that differ from the rest, unreadable judgements, or whoever was to judge could not."""


@dataclass(frozen=True)
class Estimate:
    """A number with its two-sided interval; `low` and `high` are None where none exists."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high; the value itself where there is no interval."""
        return (self.value if self.low is None else self.low), (self.value if self.high is None else self.high)


@dataclass(frozen=True)
class Noise:
    """How far two measurements of one candidate lie apart by chance, as `assay noise` found it.

    Attributes:
        floor: 19 of 20 differences between two such measurements are no larger; in units of the metric.
        candidate: who was measured twice.
        measured: the day, ISO.
    """

    floor: float
    candidate: str = ""
    measured: str = ""


@dataclass(frozen=True)
class Limit:
    """Where an estimate has to lie: on one side of a value, or `within` it of 0; on the value itself too unless `strict`."""

    value: float
    side: Side = "above"
    strict: bool = False

    def of_metric(self, higher_is_better: bool) -> Limit:
        """A limit on a gain (above 0 is better) as one on the difference of a metric."""
        if higher_is_better or self.side == "within":
            return self
        return Limit(-self.value, "below" if self.side == "above" else "above", self.strict)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value that keep it, infinite on a side without one."""
        least = {"above": self.value, "below": -math.inf, "within": -self.value}[self.side]
        return least, math.inf if self.side == "above" else self.value


@dataclass(frozen=True)
class Waiver:
    """Somebody's word that a gate's failure does not block, on the verdict that it names.

    Attributes:
        gate: the gate as it was named, or the pattern.
        until: the last day on which it holds, ISO.
        lapse: why it does not hold; empty where it does, and the gate does not block.
    """

    gate: str
    who: str
    why: str
    until: str
    lapse: Lapse | Literal[""] = ""


@dataclass(frozen=True)
class Verdict:
    """What a gate decided and on what evidence. `reason`, `rule` and `remedy` are for people: no code reads them.

    Attributes:
        gate: unique name of the gate in the run ("task/tool_calls/exact_match/superior").
        name: the same without the test that tells it apart from others of the run, so that it means the same in every run;
            empty before the run is finished.
        test: pytest node id; set by the plugin.
        kind: of the rule ("superior", "at_least", "holds"; plugins add others).
        rule: the rule in words ("superior by 0.20", "at least 0.85", "holds").
        margin: the threshold or margin of the rule, as it was given.
        limit: where the rule wants the estimate; None where it is about no number.
        paired: whether the estimate is the paired difference of candidate and base, not the candidate's own value.
        estimate: the quantity the rule is about.
        slice: the tags the items were narrowed to.
        open_because: what keeps an inconclusive gate from a decision; `interval` stands alone.
        n: items measured; None for checks that do not sample.
        population: items there are, where measuring stopped before all of them.
        minimum_detectable_effect: smallest true effect this run would have seen with 80% power.
        reason: one sentence a release manager understands.
        details: further facts for the report (failing tensors, slices seen/unseen ...), JSON.
        against: what the baseline is called, where a gate was put a second time, to candidate and baseline adapter;
            empty for a gate of the suites.
        severity: what it means for the release where it does not pass.
        waiver: that names it, where it does not pass. The outcome stays what was measured.
        noise: of two measurements of one candidate, where it was measured and the rule compares.
    """

    gate: str
    outcome: Outcome
    reason: str
    suite: str = ""
    test: str = ""
    task: str | None = None
    metric: str | None = None
    kind: str = ""
    rule: str = ""
    margin: float | None = None
    limit: Limit | None = None
    paired: bool = False
    higher_is_better: bool = True
    estimate: Estimate | None = None
    base: Estimate | None = None
    candidate: Estimate | None = None
    open_because: tuple[Cause, ...] = ()
    n: int | None = None
    population: int | None = None
    method: str = ""
    confidence: float = 0.95
    minimum_detectable_effect: float | None = None
    remedy: str = ""
    slice: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    duration_s: float = 0.0
    against: str = ""
    name: str = ""
    severity: Severity = "supporting"
    waiver: Waiver | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        # names of tensors, slices, tasks and models are other people's words: a terminal or a CI log must not obey them
        for field_name in ("gate", "name", "rule", "reason", "remedy"):
            text = getattr(self, field_name)
            if isinstance(text, str):
                object.__setattr__(self, field_name, on_one_line(text))

    @property
    def waived(self) -> bool:
        """Whether a waiver holds for it."""
        return self.waiver is not None and not self.waiver.lapse

    @property
    def counts(self) -> bool:
        """Whether it bears on the release: an advisory gate never does, nor one that is waived."""
        return self.severity != "advisory" and not self.waived

    @property
    def bearing(self) -> Outcome:
        """Its outcome as it bears on the release: what does not count stands in nobody's way."""
        return self.outcome if self.counts else "pass"

    @property
    def at_floor(self) -> bool:
        """Whether the base has nothing to lose, so that forgetting could not show."""
        return "at_floor" in self.open_because

    @property
    def is_under_noise(self) -> bool:
        """Whether two measurements of one candidate differ by more than the margin."""
        return self.noise is not None and self.paired and 0 < (self.margin or 0.0) < self.noise.floor

    @property
    def required_gain(self) -> float | None:
        """The change to the better that a paired rule asks for, below 0 the loss it tolerates; None for other rules."""
        if not self.paired or self.limit is None:
            return None
        least, most = self.limit.ends
        required = least if self.higher_is_better else -most
        return required if math.isfinite(required) else None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: object) -> Verdict:
        """The inverse of `to_json`, also of what `dump_json` made of it; keys that are not known here are ignored.

        Raises:
            ValueError: the row is no verdict; the field and the value seen are named.
        """
        try:
            return _verdict_adapter().validate_python(row)
        except ValidationError as exc:
            error = exc.errors(include_url=False)[0]
            field_name = ".".join(map(str, error["loc"])) or "the verdict"
            seen = "missing" if error["type"] == "missing" else show(error["input"])
            raise ValueError(f"{field_name} is {seen}: {error['msg']}") from exc


@cache  # built on first use: what reads no verdict does not pay for it
def _verdict_adapter() -> TypeAdapter[Verdict]:
    return TypeAdapter(Verdict)
