"""The base and the candidate that a session compares: found, loaded or trained, and the engines that answer as them."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.config.spec import EMBEDDED, ModelSpec
from harness.engines import AnswerCache, Backend, Engine
from harness.engines.backends import make_backend, served_identity
from harness.errors import AdapterError, ConfigError
from harness.models import (
    Identity,
    ResolvedAdapter,
    ResolvedModel,
    ServedModel,
    model_identity,
    parse_model_spec,
    resolve_adapter,
    resolve_model,
)
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.identity import base_digest
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import read_training_record
from harness.paths import answers_file, answers_limit_bytes, cache_dir
from harness.records import ModelFacts, Precision, ProcessFacts, Role, TrainingFacts
from harness.training import Recipe, TrainedAdapter, TrainingLog, train
from harness.training.cache import Training, is_cached
from harness.training.history import TrainingHistory, read_history
from harness.training.log import LOG_FILE
from harness.training.recipe import find_recipe

if TYPE_CHECKING:
    from harness.checks.integrity import Observed
    from harness.models.loading import LoadedModel, LoadOptions

ROLES: tuple[Role, ...] = ("base", "candidate")


def no_adapter() -> ConfigError:
    """What to raise where neither an adapter nor a recipe was named."""
    return ConfigError("there is no adapter to judge", f"pass --adapter=DIRECTORY, or name a `recipe:` in {FILE_NAME}")


class ModelPair:
    """Base and candidate: all that is costly is made when first asked for, and kept.

    Attributes:
        trained: the adapter's training, where this session trained it or took it from the cache.
        engines: those that were asked for so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.trained: TrainedAdapter | None = None
        self.engines: dict[Role, Engine] = {}

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
        """The recipe to train, with the profile's number of rows; None where an adapter was given."""
        spec = self.settings.adapter_spec
        if spec is None or spec.kind != "recipe":
            return None
        recipe = find_recipe(spec.value, self.settings.config.root, self.settings.config.tasks)
        rows = self.settings.profile.train_rows
        return recipe if rows is None else recipe.with_training_rows(rows)

    @cached_property
    def adapter(self) -> ResolvedAdapter:
        """The adapter on disk; trained now if it was named by its recipe.

        Raises:
            ConfigError: neither an adapter nor a recipe was named.
        """
        if self.recipe is not None:
            return self._train(self.recipe)
        if self.settings.adapter_spec is None:
            raise no_adapter()
        return resolve_adapter(self.settings.adapter_spec)

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
        """The log stored with the adapter; None for one trained elsewhere.

        Raises:
            AdapterError: the log cannot be read.
        """
        if self.adapter.is_served or not (self.adapter.directory / LOG_FILE).is_file():
            return None
        try:
            return TrainingLog.read(self.adapter.directory)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            file = self.adapter.directory / LOG_FILE
            raise AdapterError(f"{file} cannot be read: {exc!r}", "restore it, or remove it to do without") from exc

    @cached_property
    def training_history(self) -> TrainingHistory | None:
        """How the adapter was trained, by whatever trainer left a log with it; None where none did.

        Raises:
            AdapterError: a log cannot be read.
        """
        log = self.settings.config.training.log
        named = None if log is None else self.settings.config.root / log
        if self.adapter.is_served and named is None:
            return None
        method = None if self.training_record is None else self.training_record.method
        left = Path() if self.adapter.is_served else self.adapter.as_left
        return read_history(left, self.training_log, named=named, method=method)

    @cached_property
    def training_record(self) -> TrainingRecord | None:
        """What the adapter's trainer left of its training; None where it left nothing that is known.

        What `training: log:` in assay.yaml names is read too: for a served adapter there is nothing else.
        """
        log = self.settings.config.training.log
        named = None if log is None else read_training_record(self.settings.config.root / log)
        found = None if self.adapter.is_served else read_training_record(self.adapter.as_left)
        return found.joined(named) if found is not None and named is not None else named or found

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate.

        Raises:
            ConfigError: one is served and the other is not, or both are the same served name.
        """
        same = self.base.location == self.adapter.location
        if self.base.is_served != self.adapter.is_served or same:
            raise ConfigError(
                f"--model={self.base.name} and --adapter={self.adapter.name} cannot be compared: "
                + ("both are the same served model" if same else "one is served, the other is not"),
                "pass two names of one server (openai:NAME@URL), or two that are on disk",
            )
        return {role: self.identity(role) for role in ROLES}

    @property
    def load_options(self) -> LoadOptions:
        """How base and adapter are loaded to be measured."""
        from harness.models.loading import LoadOptions

        return LoadOptions(
            dtype=self.dtype,
            device=self.device,
            quantization=self.quantization,
            trust_remote_code=self.settings.trust_remote_code,
            allowed_files=self.settings.config.integrity.allow_files,
        )

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in memory, with the adapter on it. Not needed where every answer is cached.

        Raises:
            AdapterError: the adapter was replaced since its identity was taken; its answers would be kept as the old one's.
        """
        from harness.models.loading import load_model

        before = self.identities["candidate"].digest
        loaded = load_model(self.base.directory, self.load_options, adapter=self.adapter.directory)
        if self.identity("candidate").digest != before:
            raise AdapterError(f"{self.adapter.name} or its base changed while it was being measured", "start again")
        return loaded

    @cached_property
    def observed(self) -> Observed:
        """What base and candidate say to the probe texts."""
        from harness.checks.integrity import Observed

        return Observed(self.loaded)

    @cached_property
    def intact(self) -> LoadedModel:
        """The model in memory, once it is known to be the base with the adapter off: its answers are kept as the base's.

        Raises:
            AdapterError: it is not.
        """
        from harness.checks.integrity import base_is_intact

        check = base_is_intact(self.loaded, observed=self.observed)
        if not check.holds:
            raise AdapterError(f"{self.adapter.name} cannot be compared with its base: {check.reason}", check.remedy)
        return self.loaded

    def engine(self, role: Role) -> Engine:
        """The engine that answers as base or candidate; in process, both share one base in memory."""
        if role not in self.engines:
            self.engines[role] = Engine(self.identities[role].digest, self.backend(role), self.answers)
        return self.engines[role]

    def backend(self, role: Role) -> Backend:
        """What computes the answers of one of the two."""
        return make_backend(self._found(role).location, lambda: self.intact, adapter=role == "candidate")

    def _found(self, role: Role) -> ResolvedModel | ResolvedAdapter:
        return self.base if role == "base" else self.adapter

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

    def identity(self, role: Role) -> Identity:
        """Identity of one of the two; that of the base needs no adapter."""
        location = self._found(role).location
        if isinstance(location, ServedModel):
            return served_identity(location)
        return model_identity(
            self.base.directory,
            dtype=self.dtype,
            quantization=self.quantization,
            trust_remote_code=self.settings.trust_remote_code,
            adapter=self.adapter.directory if role == "candidate" else None,
        )

    def facts(self) -> ProcessFacts:
        """Who was compared and how computed: of what was needed so far, and nothing else is asked for."""
        facts: dict[str, Any] = {}
        found = self.__dict__  # cached properties appear here once computed
        own: dict[Role, dict[str, Any]] = {}
        if "identities" in found:
            own = {role: {"digest": one.digest, "parts": one.parts} for role, one in self.identities.items()}
        if "base" in found:
            facts["model"] = ModelFacts(name=self.base.name, **own.get("base", {}))
        if "adapter" in found:
            adapter = self.adapter
            facts["adapter"] = ModelFacts(name=adapter.name, recipe=adapter.recipe, **own.get("candidate", {}))
        if own and not self.adapter.is_served:
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
            "recipe": self.recipe.to_json() if self.recipe else {"name": self.adapter.recipe},
            "points": list(history.points),
            "summary": counts or read,
        }

    def _training(self, recipe: Recipe) -> Training:
        return {
            "recipe": recipe.model_copy(update={"base": self.base.name}),
            "base_digest": base_digest(self.base.directory),
            "cache_dir": cache_dir() / "adapters",
        }

    def _train(self, recipe: Recipe) -> ResolvedAdapter:
        self.trained = train(base_path=str(self.base.directory), **self._training(recipe))
        return ResolvedAdapter(f"recipe:{recipe.name}", self.trained.path, recipe.name)
