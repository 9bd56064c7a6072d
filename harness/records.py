"""What is stored of a run: samples, verdicts, training points. Plain data, versioned, read without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from harness.errors import show

VERDICTS_SCHEMA = 2
MANIFEST_SCHEMA = 1

Role = Literal["base", "candidate", "shipped", "judge"]
Outcome = Literal["pass", "fail", "inconclusive", "error"]
RunStatus = Literal["running", "complete", "interrupted"]
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


_TOLERANT = {"tolerant": True}


class ManifestPart(BaseModel):
    """A part of a manifest; false where nothing of it is stored.

    `read` opens what any version stored, and what nobody should have: what is missing or of a wrong type has its default,
    and keys that are not known here are kept.
    """

    # built on first use: a pytest session that gates nothing does not pay for it
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Out of a JSON object."""
        return cls.model_validate(document, context=_TOLERANT)

    def to_json(self) -> dict[str, Any]:
        """The JSON object: what was given, and nothing that was not."""
        return self.model_dump(exclude_unset=True)

    def __bool__(self) -> bool:
        return bool(self.model_fields_set)

    @model_validator(mode="before")
    @classmethod
    def _object_or_nothing(cls, stored: Any, info: ValidationInfo) -> Any:
        return {} if info.context == _TOLERANT and not isinstance(stored, Mapping) else stored

    @field_validator("*", mode="wrap")
    @classmethod
    def _value_or_default(cls, stored: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return validate(stored)
        except ValidationError:
            if info.context != _TOLERANT:
                raise
            return cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)


class ModelFacts(ManifestPart):
    """A model or adapter that was measured.

    Attributes:
        digest: of its identity, and `parts` what that is made of: each a digest or a setting.
        recipe: that the adapter was trained by, where it is known.
    """

    name: str = ""
    recipe: str | None = None
    digest: str = ""
    parts: dict[str, Any] = {}


class JudgeFacts(ModelFacts):
    """The judge, how it was asked, and what was newly spent on it.

    Attributes:
        mode, reads, against: as `judge:` of assay.yaml says; `reads_because` where a server left no choice.
        gold: the pairs it was tried on, and `gold_digest` their digest.
        cost_usd: None without prices.
    """

    mode: str = ""
    reads: str = ""
    reads_because: str = ""
    against: str = ""
    gold: str = ""
    gold_digest: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


class Precision(ManifestPart):
    """How base and candidate were computed."""

    dtype: str = ""
    quantization: str = ""
    device: str = ""


class TrainingFacts(ManifestPart):
    """The training of the adapter, in this run or in the one that left it in the cache."""

    from_cache: bool = False
    duration_s: float | None = None
    steps: int | None = None


class RunOptions(ManifestPart):
    """What the run was asked to do, by options and configuration."""

    model: str | None = None
    adapter: str | None = None
    candidate: str | None = None
    limit: int | None = None
    limits: dict[str, int | None] = {}
    subjects: int | None = None
    tasks: tuple[str, ...] = ()
    chat_template: bool = False
    sequential: bool = False
    judge: str | None = None
    judge_budget: str | None = None
    train_rows: int | None = None
    inconclusive: Literal["fail", "warn"] | None = None
    trust_remote_code: bool = False


class TaskFacts(ManifestPart):
    """What was measured on; a task's own settings are kept beside these.

    Attributes:
        digest: of the data.
        task: digest of how answers are graded, and of the task's own settings.
        sensitive: prompts and answers are not to meet the eye unasked.
    """

    digest: str = ""
    task: str = ""
    sensitive: StrictBool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """The task's own."""
        return self.model_extra or {}


class AnswerCounts(ManifestPart):
    """Where answers came from."""

    cached: int = 0
    computed: int = 0


class TaskSavings(ManifestPart):
    """How far a task was measured under `--sequential`; `saved_s` is None where every answer came from the cache."""

    items: int = 0
    measured: int = 0
    left_out: int = 0
    saved_s: float | None = None


class SequentialSavings(ManifestPart):
    """What `--sequential` saved, by task; smaller tasks than `least_items` are measured whole."""

    least_items: int = 0
    tasks: dict[str, TaskSavings] = {}


class BaselineFacts(ManifestPart):
    """The run that the candidate was held against, and the gates that only this run (`new`) or only that one has."""

    name: str = ""
    run: str = ""
    adapter: str = ""
    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class WaiverFacts(ManifestPart):
    """A waiver of assay.yaml, and what it did in the run.

    Attributes:
        gate: name or pattern; `adapter` the digest it is for, empty for any.
        matched, lifted: how many gates it names, and how many of these it keeps from blocking.
        expired: whether the run began after its last day.
    """

    gate: str = ""
    who: str = ""
    why: str = ""
    until: str = ""
    adapter: str = ""
    matched: int = 0
    lifted: int = 0
    expired: bool = False


class SkippedTest(ManifestPart):
    """A test that gates and did not run.

    Attributes:
        spared_by: the gate of the integrity suite that failed before, where that is why: it was to be measured, and was not.
        suite: its marker, of such a test, and of one for which what runs a model has no means to answer.
    """

    test: str = ""
    reason: str = ""
    spared_by: str = ""
    suite: str = ""


class Machine(ManifestPart):
    """What the run was computed on."""

    platform: str = ""
    cpu: str = ""
    cores: int | None = None
    threads: int | None = None
    memory_gib: float | None = None
    cuda: str = ""


class ComparabilityKey(ManifestPart):
    """What must be equal in another run for their samples to be compared; see `harness.runs.comparability`.

    Attributes:
        shared: part -> value, of the run.
        tasks: task -> part -> value.
    """

    shared: dict[str, str] = {}
    tasks: dict[str, dict[str, str]] = {}


class Manifest(ManifestPart):
    """What was run, on what, with which options.

    Attributes:
        adapter: the candidate, which most often is one.
        shipped: what ships of it, where that was held against it.
        parents: what the candidate was merged from, as far as it was held against them.
        engine: revision of the engine that answered.
        data: the tasks measured, by name.
        unused_limits: limits in assay.yaml of tasks that no gate measured.
        unused_severities: names under `severities:` that no gate of the whole run has.
        waivers: those of assay.yaml; `required` the gates that it wants to be there.
        deselected: how many tests that gate were left out by -k, -m and the like.
        selected: arguments that narrowed the run to a part of the suites.
        comparability: None in a run of an older version.
    """

    run: str = ""
    status: str = ""
    started: str = ""
    finished: str = ""
    model: ModelFacts = Field(default_factory=ModelFacts)
    adapter: ModelFacts = Field(default_factory=ModelFacts)
    shipped: ModelFacts = Field(default_factory=ModelFacts)
    parents: tuple[ModelFacts, ...] = ()
    precision: Precision = Field(default_factory=Precision)
    engine: int | None = None
    training: TrainingFacts = Field(default_factory=TrainingFacts)
    judge: JudgeFacts = Field(default_factory=JudgeFacts)
    sequential: SequentialSavings = Field(default_factory=SequentialSavings)
    profile: str = ""
    command: str = ""
    options: RunOptions = Field(default_factory=RunOptions)
    data: dict[str, TaskFacts] = {}
    answers: AnswerCounts = Field(default_factory=AnswerCounts)
    deselected: int = 0
    selected: tuple[str, ...] = ()
    skipped: tuple[SkippedTest, ...] = ()
    versions: dict[str, str] = {}
    machine: Machine = Field(default_factory=Machine)
    peak_memory_gib: float | None = None
    duration_s: float | None = None
    baseline: BaselineFacts = Field(default_factory=BaselineFacts)
    unused_limits: tuple[str, ...] = ()
    unused_severities: tuple[str, ...] = ()
    waivers: tuple[WaiverFacts, ...] = ()
    required: tuple[str, ...] = ()
    comparability: ComparabilityKey | None = None


class ProcessFacts(Manifest):
    """What one process of a run found out: a part of its manifest, and what is merged before it is stored.

    Attributes:
        progress: of the tasks measured in parts, how far each went and what that took.
        training_document: what the run stores of the training log.
    """

    progress: dict[str, Any] = {}
    training_document: dict[str, Any] | None = None


RunOutcome = Literal["pass", "fail", "inconclusive", "error", "incomplete"]

WORST_FIRST: tuple[Outcome, ...] = ("error", "fail", "inconclusive", "pass")


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """How many verdicts have each outcome; all four keys are there, worst first."""
    counts: dict[Outcome, int] = dict.fromkeys(WORST_FIRST, 0)
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    return counts


def overall_outcome(verdicts: Iterable[Verdict], status: RunStatus) -> RunOutcome:
    """The outcome of the run: the worst verdict of those that bear on the release.

    A run that is not complete is `incomplete` whatever its verdicts say, and a run without verdicts, or with none but
    advisory ones, is `inconclusive`: nothing was shown.
    """
    if status != "complete":
        return "incomplete"
    found = {verdict.bearing for verdict in verdicts if verdict.severity != "advisory"}
    return next((outcome for outcome in WORST_FIRST if outcome in found), "inconclusive")
