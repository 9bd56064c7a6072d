"""The two subjects that a session compares, base and candidate, and what ships of the latter or it was merged from: who they are,
and the models and engines that answer as them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.config.spec import SubjectSpec
from harness.engines import AnswerCache, Backend, Engine
from harness.engines.asking import Asking
from harness.engines.backends import make_backend
from harness.errors import AdapterError, ConfigError
from harness.models import Identity, ResolvedModel
from harness.models.subject import Subject
from harness.models.trainers.record import TrainingRecord
from harness.paths import answers_file, answers_limit_bytes
from harness.records import ModelFacts, Precision, ProcessFacts, Role, TrainingFacts
from harness.session.asking import Askings
from harness.session.finding import Finder
from harness.session.loading import LoadedModels, identity_of
from harness.session.parents import Parent, as_it_lies, parents_of
from harness.session.training import find_history, find_log, find_record, training_document
from harness.training import Recipe, TrainingLog
from harness.training.history import TrainingHistory

if TYPE_CHECKING:
    from harness.checks.integrity import Observed
    from harness.models.loading import LoadedModel, LoadOptions

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = ("base", "candidate")
SHIPPED: Role = "shipped"


def no_shipped() -> ConfigError:
    """What to raise where what ships is not named."""
    return ConfigError("nothing is named that ships", f"pass --shipped=SPEC, or name it as `shipped:` in {FILE_NAME}")


def no_candidate() -> ConfigError:
    """What to raise where neither a candidate nor a recipe was named."""
    return ConfigError(
        "there is no adapter to judge, and no other candidate",
        f"pass --adapter=DIRECTORY or --candidate=MODEL, or name a `recipe:` in {FILE_NAME}",
    )


class ModelPair:
    """Base and candidate, and further subjects by name: all that is costly is made when first asked for, and kept.

    Attributes:
        finder: finds what was named, and trains a recipe.
        engines: those that were asked for so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.finder = Finder(settings)
        self.engines: dict[str, Engine] = {}
        self._askings = Askings(settings, self.subject, self.load_options_of)
        self._models = LoadedModels(self.subject, self.identity, self.load_options_of, lambda: self.finder.device)
        self._further: dict[str, Subject] = {}
        self._identities: dict[str, Identity] = {}

    @property
    def base(self) -> ResolvedModel:
        """The base model, on disk or served."""
        return self.finder.base

    @property
    def recipe(self) -> Recipe | None:
        """The recipe that the candidate is trained by; None where the candidate is there."""
        return self.finder.recipe

    @cached_property
    def reference(self) -> Subject:
        """The base as it is measured. Without a chat template of its own it is asked by that chosen for the candidate."""
        subject = Subject(
            self.base,
            self.finder.dtype,
            self.finder.quantization,
            template_args=self.settings.config.template_args,
            system_prompt=self.settings.config.system_prompt,
            trust_remote_code=self.settings.trust_remote_code,
        )
        if self.chosen_template in (None, "base") or subject.is_served or subject.own_templates:
            return subject
        return replace(subject, chat_template=self.candidate.chat_template)

    @property
    def chosen_template(self) -> str | None:
        """The candidate's chat template, as it was chosen; None where nobody chose."""
        spec = self.settings.candidate_spec
        return (spec.template if spec is not None else None) or self.settings.template

    @cached_property
    def candidate(self) -> Subject:
        """What is on trial, on disk or served; its adapter is trained now if it was named by its recipe.

        Raises:
            ConfigError: neither a candidate nor a recipe was named.
        """
        if self.spec is None:
            raise no_candidate()
        return self.finder.resolve(self.spec, template=self.chosen_template, recipe=self.recipe)

    @cached_property
    def spec(self) -> SubjectSpec | None:
        """The candidate as it was named; an adapter that was trained on another adapter, with that one."""
        named = self.settings.candidate_spec
        return None if named is None else _as_it_lies(named)

    @cached_property
    def parents(self) -> Mapping[str, Parent]:
        """What the candidate was merged from, by the names of their gates."""
        return {parent.name: parent for parent in parents_of(self.spec)}

    def subject(self, role: str) -> Subject:
        """Base, candidate, what ships of it (`shipped`), or one of its parents by its name.

        Raises:
            AssayError: it is not named, or not what it was.
        """
        if role in ROLES:
            return self.reference if role == "base" else self.candidate
        if role not in self._further:
            self._further[role] = self._shipped() if role == SHIPPED else self._parent(self.parents[role])
        return self._further[role]

    def _shipped(self) -> Subject:
        """A whole model is taken as its files are, or as `serving:` says that they are loaded; on the base's weights, and where
        neither says otherwise, precision and template are those of the candidate.
        """
        named, serving = self.settings.shipped_spec, self.settings.config.serving
        if named is None:
            raise no_shipped()
        spec = _as_it_lies(named)
        found = self.finder.find(spec)
        on_base = found.weights == self.base
        return self.finder.resolve(
            replace(spec, dtype=spec.dtype or serving.dtype),
            found=found,
            template=self.chosen_template if on_base else None,
            quantization=serving.quantization or (self.finder.quantization if on_base else "none"),
        )

    def _parent(self, parent: Parent) -> Subject:
        """Measured as the candidate is; on the base's weights, asked by its template too."""
        spec = _as_it_lies(parent.spec)
        found = self.finder.find(spec)
        subject = self.finder.resolve(spec, found=found)
        parent.check(identity_of(subject))
        if self.chosen_template is None or subject.is_served or found.weights != self.base:
            return subject
        return replace(subject, chat_template=self.candidate.chat_template)

    def check_candidate(self) -> None:
        """Refuse what is named and lies on this machine, but is neither a model nor an adapter; nothing is fetched or trained.

        Raises:
            AssayError: the candidate, or what it was merged from, cannot be measured.
        """
        if self.spec is None:
            raise no_candidate()
        self.finder.check(self.spec, *(parent.spec for parent in self.parents.values()))

    def check_shipped(self) -> None:
        """The same of what ships.

        Raises:
            AssayError: it cannot be measured.
        """
        if self.settings.shipped_spec is not None:
            self.finder.check(self.settings.shipped_spec)

    def identity(self, role: str) -> Identity:
        """Who one of them was when it was first asked; that of the base needs no adapter."""
        if role not in self._identities:
            self._identities[role] = identity_of(self.subject(role))
        return self._identities[role]

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate.

        Raises:
            ConfigError: they are one model, by its name or place.
        """
        self._refuse_the_base()
        return {role: self.identity(role) for role in ROLES}

    def _refuse_the_base(self) -> None:
        if self.candidate == self.reference:
            raise ConfigError(
                f"the candidate is the base ({self.base.name}): there is nothing to compare",
                "pass what is to be released as --adapter or --candidate, and with --model what it is held against",
            )

    @property
    def shares_weights(self) -> bool:
        """Whether base and candidate are one model in memory, with the adapter off and on."""
        return self._shares_weights("candidate")

    @property
    def shares_base(self) -> bool:
        """Whether the candidate is an adapter that is switched on and off on the base."""
        return self._is_on_base("candidate")

    def _shares_weights(self, role: str) -> bool:
        if self.subject(role).is_served or self.base.is_served:
            return False
        return self.identity(role).shares_weights_with(self.identity("base"))

    def _is_on_base(self, role: str) -> bool:
        return self.subject(role).adapter is not None and self._shares_weights(role)

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
        self._refuse_the_base()
        if role == "base" and self.shares_weights:
            return self._models.base_within(self.loaded)
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
            self._refuse_the_base()
            digest = self.identity(role).digest
            asking, other = self.asking(role), self.other_base(role)
            self.engines[role] = Engine(digest, self.backend(role), self.answers, asking=asking, base_digest=other)
        return self.engines[role]

    def asking(self, role: str) -> Asking | None:
        """How one of them is asked."""
        return self._askings.of(role)

    def other_base(self, role: str) -> str | None:
        """Digest of the base, where the role's own identity does not hold it: what is kept may be as far from another."""
        return None if role == "base" or self._is_on_base(role) else self.identities["base"].digest

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
                dtype=self.finder.dtype, quantization=self.finder.quantization, device=self.finder.device
            )
        if (trained := self.finder.trained) is not None:
            facts["training"] = TrainingFacts(
                from_cache=trained.from_cache,
                duration_s=round(trained.duration_s, 1),
                steps=trained.log.summary.steps,
            )
        if (document := self.training_document()) is not None:
            facts["training_document"] = document
        return ProcessFacts(**facts)


def _as_it_lies(named: SubjectSpec) -> SubjectSpec:
    spec = as_it_lies(named)
    if spec != named:
        log.info(
            "%s was trained on the adapter %s, which is merged first", *(one.value for one in spec.adapters[:-3:-1])
        )
    return spec


def _model_facts(name: str, identity: Identity) -> ModelFacts:
    return ModelFacts(name=name, digest=identity.digest, parts=identity.parts)
