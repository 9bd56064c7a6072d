"""The two subjects that a session compares, base and candidate, and what ships of the latter or it was merged from: found, loaded
or trained, and the engines that answer as them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.config.spec import EMBEDDED, AdapterSpec, ModelSpec, SubjectSpec
from harness.engines import AnswerCache, Backend, Engine
from harness.engines.asking import NEVER, Asking, Reasoning, find_reasoning, has_marks
from harness.engines.backends import make_backend, served_identity
from harness.errors import AdapterError, ConfigError, ModelError
from harness.models import (
    Identity,
    ResolvedAdapter,
    ResolvedModel,
    ServedModel,
    parse_model_spec,
    resolve_adapter,
    resolve_model,
)
from harness.models.adapters.contents import is_adapter
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.identity import base_digest
from harness.models.memory import fits
from harness.models.resolve import find_directory
from harness.models.segment import named_as_the_base
from harness.models.stack import Stack, Trust, merged_model
from harness.models.subject import Member, Subject, chosen_template
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import read_training_record
from harness.paths import answers_file, answers_limit_bytes, cache_dir
from harness.records import ModelFacts, Precision, ProcessFacts, Role, TrainingFacts
from harness.session.parents import Parent, as_it_lies, parents_of
from harness.training import Recipe, TrainedAdapter, TrainingLog, train
from harness.training.cache import Training, is_cached
from harness.training.history import TrainingHistory, read_history
from harness.training.log import LOG_FILE
from harness.training.recipe import find_recipe

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
        trained: the adapter's training, where this session trained it or took it from the cache.
        engines: those that were asked for so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.trained: TrainedAdapter | None = None
        self.engines: dict[str, Engine] = {}
        self._models: dict[str, LoadedModel] = {}
        self._further: dict[str, Subject] = {}
        self._further_identities: dict[str, Identity] = {}

    @cached_property
    def base(self) -> ResolvedModel:
        """The base model, on disk or served."""
        return resolve_model(self.base_spec, trust_remote_code=self.settings.trust_remote_code)

    @property
    def base_spec(self) -> ModelSpec:
        """The base as it was named: by option or file, else by the recipe; else the embedded model.

        Raises:
            ConfigError: it is no model spec.
        """
        spec = self.settings.model_spec
        if spec is None and self.recipe is not None:
            spec = parse_model_spec(self.settings.config.path_or_name(self.recipe.base))
        return spec or EMBEDDED

    @property
    def quantization(self) -> str:
        """How the base is quantised while measuring.

        An adapter trained on a 4-bit base has learnt to make up for its rounding: on the dense base it is
        another, usually worse, model. So a recipe is measured on what it trains on, unless `--quantization` says otherwise.
        """
        if self.settings.quantization is not None:
            return self.settings.quantization
        return self.recipe.quantization if self.recipe is not None else "none"

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe to train, with the profile's number of rows; None where the candidate is there."""
        spec = self.settings.candidate_spec
        if spec is None or spec.recipe is None:
            return None
        recipe = find_recipe(spec.recipe, self.settings.config.root, self.settings.config.tasks)
        rows = self.settings.profile.train_rows
        return recipe if rows is None else recipe.with_training_rows(rows)

    @cached_property
    def reference(self) -> Subject:
        """The base as it is measured. Without a chat template of its own it is asked by that chosen for the candidate."""
        subject = Subject(
            self.base,
            self.dtype,
            self.quantization,
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
        return self.resolve(self.spec, template=self.chosen_template, recipe=self.recipe)

    @cached_property
    def spec(self) -> SubjectSpec | None:
        """The candidate as it was named; an adapter that was trained on another adapter, with that one."""
        named = self.settings.candidate_spec
        return None if named is None else self._as_it_lies(named)

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
        spec = self._as_it_lies(named)
        on_base = self._named(spec)[0] == self.base
        return self.resolve(
            replace(spec, dtype=spec.dtype or serving.dtype),
            template=self.chosen_template if on_base else None,
            quantization=serving.quantization or (self.quantization if on_base else "none"),
        )

    def _parent(self, parent: Parent) -> Subject:
        """Measured as the candidate is; on the base's weights, asked by its template too."""
        spec = self._as_it_lies(parent.spec)
        found = self.resolve(spec)
        parent.check(_identity(found))
        if self.chosen_template is None or found.is_served or self._named(spec)[0] != self.base:
            return found
        return replace(found, chat_template=self.candidate.chat_template)

    def _as_it_lies(self, named: SubjectSpec) -> SubjectSpec:
        spec = as_it_lies(named)
        if spec != named:
            log.info(
                "%s was trained on the adapter %s, which is merged first", *(one.value for one in spec.adapters[:-3:-1])
            )
        return spec

    def resolve(
        self,
        spec: SubjectSpec,
        *,
        template: str | None = None,
        quantization: str | None = None,
        recipe: Recipe | None = None,
    ) -> Subject:
        """What a subject's names stand for, found, fetched or made; what it does not name is the base's.

        Args:
            template, quantization: where it names none.
            recipe: trains its adapter, where it names that by a recipe.

        Raises:
            AssayError: a part is not there, or cannot be put on the others.
        """
        if spec.recipe is not None and recipe is None:
            raise ConfigError(
                f"recipe:{spec.recipe} is trained here, as a candidate alone",
                "train it first (assay train NAME --output DIRECTORY), and name the file or directory",
            )
        template = spec.template or template
        weights, adapters = self._named(spec)
        if weights.is_served and (adapters or spec.quantization or spec.dtype or spec.template or spec.template_args):
            what = "adapters on disk" if adapters else "quantization, dtype and template"
            raise ConfigError(
                f"{weights.location} is served: {what} cannot be put on it from here",
                "name what the server itself calls the candidate (openai:NAME@URL), or pass the model's directory",
            )
        merged = [self._put_on(weights, one) for one in adapters if one.merged]
        members = [Member(one.name, one.directory, weights) for one in merged]
        if merged:
            weights = merged_model(weights, merged, **self._trust)
        loose = [one for one in adapters if not one.merged]
        if recipe is None:
            found = [self._put_on(weights, one) for one in loose]
        elif recipe.trains_whole:
            weights, found = ResolvedModel(f"recipe:{recipe.name}", self._train(recipe), recipe.name), []
        else:
            found = [ResolvedAdapter(f"recipe:{recipe.name}", self._train(recipe), recipe.name)]
        members += [Member(one.name, one.directory, weights) for one in found]
        adapter, stack = self._combined(weights, found, [one.weight for one in loose], spec)
        if weights.is_served and (template not in (None, "base") or spec.template_args):
            raise ConfigError(
                f"{weights.name} is served, and its server renders the chat template",
                "start the server with that template and these arguments, and take `template:` and `template_args:` out",
            )
        return Subject(
            weights,
            members=members if merged or stack is not None else (),
            dtype=spec.dtype or self.dtype,
            quantization=spec.quantization or quantization or self.quantization,
            adapter=adapter,
            stack=stack,
            chat_template=chosen_template(template, adapter),
            template_args={**self.settings.config.template_args, **spec.template_args},
            system_prompt=self.settings.config.system_prompt,
            trust_remote_code=self.settings.trust_remote_code,
        )

    def check_candidate(self) -> None:
        """Refuse what is named and lies on this machine, but is neither a model nor an adapter; nothing is fetched or trained.

        Raises:
            AssayError: the candidate, or what it was merged from, cannot be measured.
        """
        if self.spec is None:
            raise no_candidate()
        self._check(self.spec, *(parent.spec for parent in self.parents.values()))

    def check_shipped(self) -> None:
        """The same of what ships.

        Raises:
            AssayError: it cannot be measured.
        """
        if self.settings.shipped_spec is not None:
            self._check(self.settings.shipped_spec)

    def _check(self, *specs: SubjectSpec) -> None:
        for spec in specs:
            adapters = spec.adapters
            if spec.model is not None and spec.model.kind == "local":
                _, adapters = self._named(spec)
            for adapter in adapters:
                if adapter.kind == "local":
                    resolve_adapter(adapter)

    def _named(self, spec: SubjectSpec) -> tuple[ResolvedModel, Sequence[AdapterSpec]]:
        """A subject's weights and adapters: what is named alone may turn out to be an adapter on the base."""
        model = spec.model
        if model is None:
            return self.base, spec.adapters
        if not spec.adapters and model.kind in ("local", "hub"):
            directory = find_directory(model, ModelError, "--candidate", code=self.settings.trust_remote_code)
            if is_adapter(directory):
                return self.base, [AdapterSpec(model.kind, model.value, model.revision, model.subfolder)]
        return resolve_model(model, trust_remote_code=self.settings.trust_remote_code), spec.adapters

    def _put_on(self, weights: ResolvedModel, named: AdapterSpec) -> ResolvedAdapter:
        """An adapter, under the names of the weights that it is put on."""
        found = resolve_adapter(named)
        if weights.is_served:
            return found
        return named_as_the_base(found, weights.directory, trust_remote_code=self.settings.trust_remote_code)

    def _combined(
        self, weights: ResolvedModel, found: Sequence[ResolvedAdapter], weighting: Sequence[float], spec: SubjectSpec
    ) -> tuple[ResolvedAdapter | None, Stack | None]:
        """The one adapter on the weights, and what it was made of."""
        if not found or spec.recipe is not None or (len(found) == 1 and weighting == [1.0]):
            return next(iter(found), None), None
        stack = Stack([one.directory for one in found], weighting, spec.combination, spec.density)
        directory = stack.combined(weights.directory, **self._trust)
        name = " + ".join(
            one.name if weight == 1 else f"{weight:g} {one.name}" for one, weight in zip(found, weighting, strict=True)
        )
        return ResolvedAdapter(name, directory), stack

    @property
    def _trust(self) -> Trust:
        """What may lie beside adapters, and whether a model's own code runs."""
        return {
            "allowed": self.settings.config.integrity.allow_files,
            "trust_remote_code": self.settings.trust_remote_code,
        }

    @property
    def is_trained(self) -> bool:
        """Whether the recipe's adapter is in the cache, so that asking for it trains nothing."""
        return self.recipe is not None and is_cached(**self._training(self.recipe))

    @property
    def where(self) -> str:
        """What computes the answers: a device, or a server."""
        return str(self.base.location) if self.base.is_served else self.device

    @cached_property
    def training_log(self) -> TrainingLog | None:
        """The log stored with the candidate; None for one trained elsewhere.

        Raises:
            AdapterError: the log cannot be read.
        """
        if self.candidate.is_served or not (self.candidate.directory / LOG_FILE).is_file():
            return None
        try:
            return TrainingLog.read(self.candidate.directory)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            file = self.candidate.directory / LOG_FILE
            raise AdapterError(f"{file} cannot be read: {exc!r}", "restore it, or remove it to do without") from exc

    @cached_property
    def training_history(self) -> TrainingHistory | None:
        """How the candidate was trained, by whatever trainer left a log with it; None where none did.

        Raises:
            AdapterError: a log cannot be read.
        """
        log = self.settings.config.training.log
        named = None if log is None else self.settings.config.root / log
        left = self._as_left
        if left is None and named is None:
            return None
        method = None if self.training_record is None else self.training_record.method
        return read_history(left or Path(), self.training_log, named=named, method=method)

    @cached_property
    def training_record(self) -> TrainingRecord | None:
        """What the candidate's trainer left of its training; None where it left nothing that is known.

        What `training: log:` in assay.yaml names is read too: for a served candidate there is nothing else.
        """
        log = self.settings.config.training.log
        named = None if log is None else read_training_record(self.settings.config.root / log)
        found = None if self._as_left is None else read_training_record(self._as_left)
        return found.joined(named) if found is not None and named is not None else named or found

    @property
    def _as_left(self) -> Path | None:
        """The candidate's directory as its trainer left it; None where it is served."""
        if self.candidate.is_served:
            return None
        return self.candidate.directory if self.candidate.adapter is None else self.candidate.adapter.as_left

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate.

        Raises:
            ConfigError: they are one model, by its name or place.
        """
        if self.candidate == self.reference:
            raise ConfigError(
                f"the candidate is the base ({self.base.name}): there is nothing to compare",
                "pass what is to be released as --adapter or --candidate, and with --model what it is held against",
            )
        return {role: self.identity(role) for role in ROLES}

    def _identified(self, role: str) -> Identity:
        """The identity that was taken first."""
        if role in ROLES:
            return self.identities[role]
        if role not in self._further_identities:
            self._further_identities[role] = self.identity(role)
        return self._further_identities[role]

    @cached_property
    def shares_weights(self) -> bool:
        """Whether base and candidate are one model in memory, with the adapter off and on."""
        return self.candidate.shares_weights_with(self.reference)

    @property
    def load_options(self) -> LoadOptions:
        """How the candidate is loaded to be measured."""
        return self.load_options_of(self.candidate)

    def load_options_of(self, subject: Subject) -> LoadOptions:
        """How a subject is loaded to be measured."""
        from harness.models.loading import LoadOptions

        return LoadOptions(
            dtype=subject.dtype,
            device=self.device,
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
        """The model that answers as one of the two. Where they share weights, both are one in memory; else each is by
        itself, and where memory does not hold both, the one that was asked for before is loaded again when it is used."""
        if role not in self._models:
            if role == "base" and self.shares_weights:
                self._models[role] = self._as_base(self.loaded)
            else:
                self._models[role] = self._load(role)
                self._models[role].reload = partial(self._load, role)
        return self._models[role]

    def _load(self, role: str) -> LoadedModel:
        from harness.models.loading import load_model

        subject, before = self.subject(role), self._identified(role).digest
        others = [loaded for other, loaded in self._models.items() if other != role]
        if others and not fits(subject, self.device):
            log.info("%s and its base do not fit in memory together: they are loaded in turn", self.candidate.name)
            for loaded in others:
                loaded.release()
        adapter = None if subject.adapter is None else subject.adapter.directory
        loaded = load_model(subject.weights.directory, self.load_options_of(subject), adapter=adapter)
        if self.identity(role).digest != before:
            raise AdapterError(f"{subject.name} or its base changed while it was being measured", "start again")
        return loaded

    def _as_base(self, loaded: LoadedModel) -> LoadedModel:
        """The candidate's model in memory, read as the base reads: by its own tokenizer and template."""
        from harness.models.loading import load_tokenizer

        parts = (self.identities[role].parts for role in ROLES)
        own, theirs = ([one.get(part) for part in ("tokenizer", "chat_template", "template_args")] for one in parts)
        if own == theirs:
            return loaded
        return replace(loaded, tokenizer=load_tokenizer(self.base.directory, self.load_options_of(self.reference)))

    @cached_property
    def observed(self) -> Observed:
        """What base and candidate say to the probe texts."""
        from harness.checks.integrity import Observed

        return Observed(self.loaded, None if self.shares_base else self.loaded_as("base"))

    @property
    def shares_base(self) -> bool:
        """Whether the candidate is an adapter that is switched on and off on the base."""
        return self.candidate.adapter is not None and self.shares_weights

    def _is_on_base(self, subject: Subject) -> bool:
        return subject.adapter is not None and subject.shares_weights_with(self.reference)

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
        """The engine that answers as base or candidate; in process, both share one base in memory where they can."""
        if role not in self.engines:
            digest = self._identified(role).digest
            asking, other = self._asked(role), self.other_base(role)
            self.engines[role] = Engine(digest, self.backend(role), self.answers, asking=asking, base_digest=other)
        return self.engines[role]

    @cached_property
    def _asking(self) -> dict[Role, Asking | None]:
        """How each of the two is asked; where one thinks, the other's answers are looked through for thoughts too."""
        found = {role: self._reasoning(self.subject(role)) for role in ROLES}
        thinks = any(reasoning for reasoning, _ in found.values())
        system = self.settings.config.system_prompt
        return {
            role: Asking(system, reasoning or (NEVER if thinks else None), count) if system or thinks else None
            for role, (reasoning, count) in found.items()
        }

    def _asked(self, role: str) -> Asking | None:
        """How one of them is asked: what is no base, as the candidate is."""
        if role in ROLES or (alike := self._asking["candidate"]) is None:
            return self._asking["base" if role == "base" else "candidate"]
        reasoning, count = self._reasoning(self.subject(role))
        return replace(alike, reasoning=reasoning or (NEVER if alike.reasoning else None), count=count)

    def _reasoning(self, subject: Subject) -> tuple[Reasoning | None, Callable[[str], int] | None]:
        """How a subject thinks, and how many tokens a text of its has; no tokenizer is loaded for one that does not."""
        how, budget = self.settings.reasoning, self.settings.config.reasoning_tokens
        named = None if isinstance(how, str) else Reasoning(*how, budget=budget)
        if how == "none" or subject.is_served:
            return named, None
        if named is None and not any(map(has_marks, subject.own_templates.values())):
            return None, None
        from harness.models.loading import load_tokenizer

        tokenizer = load_tokenizer(subject.weights.directory, self.load_options_of(subject))
        found = find_reasoning(tokenizer, budget, named)
        return found, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])

    def other_base(self, role: str) -> str | None:
        """Digest of the base, where the role's own identity does not hold it: what is kept may be as far from another."""
        return None if role == "base" or self._is_on_base(self.subject(role)) else self.identities["base"].digest

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
        base = self._models.get("base")
        return ROLES[::-1] if base is not None and base.is_released else ROLES

    @cached_property
    def device(self) -> str:
        """Where base and candidate are computed."""
        return str(choose_device(self.settings.device))

    @cached_property
    def dtype(self) -> str:
        """The precision they are computed in."""
        return dtype_name(choose_dtype(choose_device(self.settings.device), self.settings.dtype))

    @cached_property
    def answers(self) -> AnswerCache:
        """The cache of everything that was ever answered on this machine."""
        return AnswerCache(answers_file(), limit_bytes=answers_limit_bytes())

    def identity(self, role: str) -> Identity:
        """Identity of one of them; that of the base needs no adapter."""
        return _identity(self.subject(role))

    def facts(self) -> ProcessFacts:
        """Who was compared and how computed: of what was needed so far, and nothing else is asked for."""
        facts: dict[str, Any] = {}
        found = self.__dict__  # cached properties appear here once computed
        own: dict[Role, dict[str, Any]] = {}
        if "identities" in found:
            own = {role: {"digest": one.digest, "parts": one.parts} for role, one in self.identities.items()}
        if "base" in found:
            facts["model"] = ModelFacts(name=self.base.name, **own.get("base", {}))
        if "candidate" in found:
            subject = self.candidate
            facts["adapter"] = ModelFacts(name=subject.name, recipe=subject.recipe, **own.get("candidate", {}))
        if self._further_identities:
            further = {
                name: ModelFacts(
                    name=self.subject(name).name if name == SHIPPED else name, digest=who.digest, parts=who.parts
                )
                for name, who in self._further_identities.items()
            }
            facts["shipped"] = further.pop(SHIPPED, ModelFacts())
            facts["parents"] = tuple(further.values())
        if own and not self.base.is_served:
            facts["precision"] = Precision(dtype=self.dtype, quantization=self.quantization, device=self.device)
        if self.trained is not None:
            facts["training"] = TrainingFacts(
                from_cache=self.trained.from_cache,
                duration_s=round(self.trained.duration_s, 1),
                steps=self.trained.log.summary.steps,
            )
        if (document := self.training_document()) is not None:
            facts["training_document"] = document
        return ProcessFacts(**facts)

    def training_document(self) -> dict[str, Any] | None:
        """Recipe, points and summary of the training, for the run; None without a log, or where nobody read it."""
        if "training_history" not in self.__dict__ or self.training_history is None:
            return None
        history = self.training_history
        counts = {} if history.summary is None else dataclasses.asdict(history.summary)
        read = {"read_from": history.source, "steps": history.steps, "kept_step": history.kept_step}
        return {
            "recipe": self.recipe.to_json() if self.recipe else {"name": self.candidate.recipe},
            "points": list(history.points),
            "summary": counts or read,
        }

    def _training(self, recipe: Recipe) -> Training:
        return {
            "recipe": recipe.model_copy(update={"base": self.base.name}),
            "base_digest": base_digest(self.base.directory),
            "cache_dir": cache_dir() / "adapters",
        }

    def _train(self, recipe: Recipe) -> Path:
        self.trained = train(base_path=str(self.base.directory), **self._training(recipe))
        return self.trained.path


def _identity(subject: Subject) -> Identity:
    return served_identity(subject.location) if isinstance(subject.location, ServedModel) else subject.identity()
