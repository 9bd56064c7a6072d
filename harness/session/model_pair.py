"""The subjects of a session in memory, and the engines that answer as them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.config.settings import Settings
from harness.engines import AnswerCache, Backend, Engine
from harness.engines.asking import Asking
from harness.engines.backends import make_backend
from harness.errors import AdapterError
from harness.models import Identity
from harness.models.stored_quantization import as_computed
from harness.models.subject import Subject
from harness.models.trainers.record import TrainingRecord
from harness.paths import answers_file, answers_limit_bytes
from harness.records import ModelFacts, Precision, ProcessFacts, Role, TrainingFacts
from harness.session.asking import Askings
from harness.session.loading import LoadedModels
from harness.session.subjects import ROLES, SHIPPED, Subjects
from harness.session.training import find_history, find_log, find_record, training_document
from harness.training import TrainingLog
from harness.training.history import TrainingHistory, read_stage

if TYPE_CHECKING:
    from harness.checks.integrity import Observed
    from harness.models.loading import LoadedModel, LoadOptions


class ModelPair(Subjects):
    """The subjects of a session, to be asked: all that is costly is made when first asked for, and kept.

    Attributes:
        engines: those that were asked for so far.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.engines: dict[str, Engine] = {}
        self._askings = Askings(settings, self.subject, self.load_options_of)
        self._models = LoadedModels(self.subject, self.identity, self.load_options_of, lambda: self.finder.device)

    @property
    def load_options(self) -> LoadOptions:
        """How the candidate is loaded to be measured."""
        return self.load_options_of(self.candidate)

    def load_options_of(self, subject: Subject) -> LoadOptions:
        """How a subject is loaded to be measured."""
        from harness.models.loading import LoadOptions

        return LoadOptions(
            dtype=subject.dtype,
            device=self.finder.device,
            quantization=subject.quantization,
            trust_remote_code=subject.trust_remote_code,
            allowed_files=self.settings.config.integrity.allow_files,
            chat_template=subject.chat_template,
            template_args=subject.template_args,
            decoding=subject.decoding,
        )

    @property
    def loaded(self) -> LoadedModel:
        """The candidate in memory, its adapter on it where it has one. Not needed where every answer is cached.

        Raises:
            AdapterError: the candidate was replaced since its identity was taken; its answers would be kept as the old one's.
        """
        return self.loaded_as("candidate")

    def loaded_as(self, role: str) -> LoadedModel:
        """The model that answers as one of them. Base and candidate are one in memory where they share weights."""
        _ = self.identities  # refuses a candidate that is the base
        if role == "base" and self.shares_weights:
            return self._models.base_within_candidate
        return self._models[role]

    @cached_property
    def observed(self) -> Observed:
        """What base and candidate say to the probe texts."""
        from harness.checks.integrity import Observed

        return Observed(self.loaded, None if self.shares_base else self.loaded_as("base"))

    def measured(self, role: str) -> LoadedModel:
        """The model that answers as one of the two, once an adapter that is switched off is known to leave the base as it
        was: its answers are kept as the base's.

        Raises:
            AdapterError: it does not.
        """
        from harness.checks.integrity import base_is_intact

        if role not in ROLES or not self.shares_base:
            return self.loaded_as(role)
        check = base_is_intact(self.loaded, observed=self.observed)
        if not check.holds:
            raise AdapterError(f"{self.candidate.name} cannot be compared with its base: {check.reason}", check.remedy)
        return self.loaded_as(role)

    def engine(self, role: str) -> Engine:
        """The engine that answers as one of them; in process, all that share the base's weights share one base in memory."""
        if role not in self.engines:
            _ = self.identities  # refuses a candidate that is the base
            digest = self.identity(role).digest
            asking, other = self.asking(role), self.other_base(role)
            self.engines[role] = Engine(digest, self.backend(role), self.answers, asking=asking, base_digest=other)
        return self.engines[role]

    def asking(self, role: str) -> Asking | None:
        """How one of them is asked."""
        return self._askings.of(role)

    def other_base(self, role: str) -> str | None:
        """Digest of the base, where the role's own identity does not hold it: what is kept may be as far from another."""
        return None if role == "base" or self.is_on_base(role) else self.identities["base"].digest

    def backend(self, role: str) -> Backend:
        """What computes the answers of one of the two."""
        subject = self.subject(role)
        return make_backend(
            subject.location,
            lambda: self.measured(role),
            adapter=subject.adapter is not None,
            reference=lambda: self.measured("base"),
        )

    @property
    def in_turn(self) -> tuple[Role, ...]:
        """Both roles, in the order that loads least: first the one that is in memory, where there is but one."""
        return ROLES[::-1] if self._models.is_released("base") else ROLES

    @property
    def where(self) -> str:
        """What computes the answers: a device, or a server."""
        return str(self.base.location) if self.base.is_served else self.finder.device

    @cached_property
    def answers(self) -> AnswerCache:
        """The cache of everything that was ever answered on this machine."""
        return AnswerCache(answers_file(), limit_bytes=answers_limit_bytes())

    @cached_property
    def training_log(self) -> TrainingLog | None:
        """The log stored with the candidate; None for one trained elsewhere.

        Raises:
            AdapterError: the log cannot be read.
        """
        return find_log(self.candidate)

    @cached_property
    def training_record(self) -> TrainingRecord | None:
        """What the candidate's trainer left of its training; None where it left nothing that is known."""
        return find_record(self.candidate, self.settings)

    @cached_property
    def training_history(self) -> TrainingHistory | None:
        """How the candidate was trained, by whatever trainer left a log with it; None where none did.

        Raises:
            AdapterError: a log cannot be read.
        """
        return find_history(self.candidate, self.settings, self.training_log, self.training_record)

    def stage_history(self, stage: str) -> TrainingHistory:
        """How one of the stages went that the candidate was trained in.

        Raises:
            AdapterError: its log cannot be read.
        """
        _ = self.training_history  # which the run stores
        return read_stage(self.candidate.directory, stage)

    def training_document(self) -> dict[str, Any] | None:
        """Recipe, points and summary of the training, for the run; None without a log, or where nobody read it."""
        history = self.__dict__.get("training_history")
        return None if history is None else training_document(history, self.recipe, self.candidate)

    def facts(self) -> ProcessFacts:
        """Who was compared and how computed: of what was needed so far, and nothing else is asked for."""
        facts: dict[str, Any] = {}
        found = self.__dict__ | self.finder.__dict__  # cached properties appear here once computed
        own: dict[Role, dict[str, Any]] = {}
        if "identities" in found:
            own = {role: {"digest": one.digest, "parts": one.parts} for role, one in self.identities.items()}
        if "base" in found:
            facts["model"] = ModelFacts(name=self.base.name, **own.get("base", {}))
        if "candidate" in found:
            subject = self.candidate
            facts["adapter"] = ModelFacts(name=subject.name, recipe=subject.recipe, **own.get("candidate", {}))
        further = {name: who for name, who in self._identities.items() if name not in ROLES}
        if SHIPPED in further:
            facts["shipped"] = _model_facts(self.subject(SHIPPED).name, further.pop(SHIPPED))
        if further:
            facts["parents"] = tuple(_model_facts(name, who) for name, who in further.items())
        if own and not self.base.is_served:
            facts["precision"] = Precision(
                dtype=self.finder.dtype,
                quantization=as_computed(self.finder.quantization, self.finder.device),
                device=self.finder.device,
                ways=tuple(sorted({way for engine in self.engines.values() if (way := engine.way)})),
            )
        if (trained := self.finder.trained) is not None:
            facts["training"] = TrainingFacts(
                from_cache=trained.from_cache,
                duration_s=round(trained.duration_s, 1),
                steps=trained.steps,
            )
        if (document := self.training_document()) is not None:
            facts["training_document"] = document
        return ProcessFacts(**facts)


def _model_facts(name: str, identity: Identity) -> ModelFacts:
    return ModelFacts(name=name, digest=identity.digest, parts=identity.parts)
