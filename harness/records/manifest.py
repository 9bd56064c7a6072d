"""What was run, on what, with which options: a run's manifest, its parts, and the parts that its processes find out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

MANIFEST_SCHEMA = 1

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
    """How base and candidate were computed; `ways` of the engine, where answers were, and not from the cache."""

    dtype: str = ""
    quantization: str = ""
    device: str = ""
    ways: tuple[str, ...] = ()


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
