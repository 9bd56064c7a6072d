"""What is stored of a run: samples, verdicts, training points. Plain data, versioned, read without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

VERDICTS_SCHEMA = 2
MANIFEST_SCHEMA = 1

Role = Literal["base", "candidate", "judge"]
Outcome = Literal["pass", "fail", "inconclusive", "error"]
RunStatus = Literal["running", "complete", "interrupted"]
Side = Literal["above", "below", "within"]
Cause = Literal["interval", "too_few", "at_floor", "sparse", "unreadable", "obstacle"]
"""What keeps a gate from a decision: the limit lies within the interval, too few independent items, a base with nothing to
lose, too few items that differ from the rest, unreadable judgements, or whoever was to judge could not."""


@dataclass(frozen=True)
class Sample:
    """One model's graded answer to one item. `target` and `parsed` are JSON values."""

    task: str
    item_id: str
    cluster: str | None
    role: Role
    prompt_digest: str
    prompt: str
    target: Any
    answer: str
    parsed: Any
    scores: Mapping[str, float | None]
    tags: Mapping[str, str]
    stop_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cached: bool


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
        against: what the released run is called, where a gate was put a second time, to candidate and released adapter;
            empty for a gate of the suites.
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

    @property
    def at_floor(self) -> bool:
        """Whether the base has nothing to lose, so that forgetting could not show."""
        return "at_floor" in self.open_because

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
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        parts: dict[str, Any] = {
            key: Estimate(**row[key]) if row.get(key) else None for key in ("estimate", "base", "candidate")
        }
        limit = Limit(**row["limit"]) if row.get("limit") else None
        return cls(**{**row, **parts, "limit": limit, "open_because": tuple(row.get("open_because", ()))})


@dataclass(frozen=True)
class TrainingPoint:
    """One line of a training log. Losses in nats per token; a field is None where it was not logged.

    `train_eval_loss` is that of a sample of the training rows, taken as `eval_loss` is: where other rows are mixed in,
    the running `loss` says little about what was learnt of these.
    """

    step: int
    epoch: float | None = None
    loss: float | None = None
    eval_loss: float | None = None
    train_eval_loss: float | None = None
    grad_norm: float | None = None
    learning_rate: float | None = None
    tokens: int | None = None


RunOutcome = Literal["pass", "fail", "inconclusive", "error", "incomplete"]

SEVERITY: tuple[Outcome, ...] = ("error", "fail", "inconclusive", "pass")
"""Worst first."""


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """How many verdicts have each outcome; all four keys are there, worst first."""
    counts: dict[Outcome, int] = dict.fromkeys(SEVERITY, 0)
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    return counts


def overall_outcome(verdicts: Iterable[Verdict], status: RunStatus) -> RunOutcome:
    """The outcome of the run: its worst verdict.

    A run that is not complete is `incomplete` whatever its verdicts say, and a run without verdicts is
    `inconclusive`: nothing was shown.
    """
    if status != "complete":
        return "incomplete"
    counts = count_outcomes(verdicts)
    return next((outcome for outcome in SEVERITY if counts[outcome]), "inconclusive")
