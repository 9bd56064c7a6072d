"""The rows and documents a run is made of. Plain data, versioned, read by `report` without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

VERDICTS_SCHEMA = 1
MANIFEST_SCHEMA = 1

Role = Literal["base", "candidate", "judge"]
Outcome = Literal["pass", "fail", "inconclusive", "error"]
RunStatus = Literal["running", "complete", "interrupted"]


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


@dataclass(frozen=True)
class Verdict:
    """What a gate decided and on what evidence.

    Attributes:
        gate: unique name of the gate in the run ("task/tool_calls/exact_match/superior").
        test: pytest node id; set by the plugin.
        rule: the rule in words ("superior by 0.20", "at least 0.85", "holds").
        margin: the threshold or margin of the rule.
        estimate: the quantity the rule is about (the paired difference for `superior` and
            `non_inferior`, the candidate's value for `at_least` and `at_most`).
        slice: the tags the items were narrowed to.
        n: items measured; None for checks that do not sample.
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
    rule: str = ""
    margin: float | None = None
    higher_is_better: bool = True
    estimate: Estimate | None = None
    base: Estimate | None = None
    candidate: Estimate | None = None
    n: int | None = None
    method: str = ""
    confidence: float = 0.95
    minimum_detectable_effect: float | None = None
    remedy: str = ""
    slice: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    duration_s: float = 0.0
    against: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        estimates = {k: Estimate(**row[k]) if row.get(k) else None for k in ("estimate", "base", "candidate")}
        return cls(**{**row, **estimates})


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
