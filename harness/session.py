"""One session of measuring: models found, an adapter trained or loaded, tasks put to both, answers kept."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from harness.config import FILE_NAME
from harness.digests import digest_json
from harness.engines import AnswerCache, Backend, Engine
from harness.errors import AdapterError, ConfigError
from harness.models import (
    Identity,
    ResolvedAdapter,
    ResolvedModel,
    ServedModel,
    model_identity,
    parse_adapter_spec,
    parse_model_spec,
    resolve_adapter,
    resolve_model,
)
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.paths import answers_file, answers_limit_bytes, cache_dir
from harness.recipes import find_recipe
from harness.runs.schema import Role, Sample
from harness.settings import Settings
from harness.tasks.base import Progress, TaskLike

if TYPE_CHECKING:
    from harness.gates import Comparison, Evaluation
    from harness.models.loading import LoadedModel
    from harness.training import Recipe, TrainedAdapter, TrainingLog

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = ("base", "candidate")


class Session:
    """Everything costly, made when first asked for and kept.

    Args:
        settings: what to measure and how.
        keep_samples: called once with the samples of each evaluation, to store them.
        progress: makes a progress callback for a labelled piece of work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keep_samples: Callable[[Sequence[Sample]], None] = lambda samples: None,
        progress: Callable[[str], contextlib.AbstractContextManager[Progress]] | None = None,
    ) -> None:
        self.settings = settings
        self.trained: TrainedAdapter | None = None
        self._keep_samples = keep_samples
        self._progress = progress or _silent
        self._tasks: dict[str, TaskLike] = {}
        self._names: dict[tuple[str, int | None], str] = {}
        self._samples: dict[tuple[str, Role], list[Sample]] = {}
        self._engines: dict[Role, Engine] = {}

    @cached_property
    def base(self) -> ResolvedModel:
        """The base model, on disk or served."""
        return resolve_model(parse_model_spec(self._model_text), trust_remote_code=self.settings.trust_remote_code)

    @property
    def quantization(self) -> str:
        """How the base is quantised while measuring.

        An adapter trained on a 4-bit base has learnt to make up for its rounding: on the dense base it is
        another, usually worse, model. So a recipe is measured on what it trains on, unless told otherwise.
        """
        if self.settings.quantization is not None:
            return self.settings.quantization
        return self.recipe.quantization if self.recipe is not None else "none"

    @property
    def _model_text(self) -> str:
        if self.settings.model is not None:
            return self.settings.model
        if self.recipe is not None:
            return self.settings.config.model_spec(self.recipe.base)
        return self.settings.fallback_model

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe to train, with the profile's number of rows; None where an adapter was given."""
        if self.settings.adapter is None:
            return None
        spec = parse_adapter_spec(self.settings.adapter)
        if spec.kind != "recipe":
            return None
        recipe = find_recipe(spec.value, self.settings.config.root)
        rows = self.settings.profile.train_rows
        if rows is None:
            return recipe
        data = dataclasses.replace(recipe.data, train=dataclasses.replace(recipe.data.train, limit=rows))
        return dataclasses.replace(recipe, data=data)

    @cached_property
    def adapter(self) -> ResolvedAdapter:
        """The adapter on disk; trained now if it was named by its recipe.

        Raises:
            ConfigError: neither an adapter nor a recipe was named.
        """
        if self.recipe is not None:
            return self._train(self.recipe)
        if self.settings.adapter is None:
            raise ConfigError(
                "there is no adapter to judge", f"pass --adapter=DIRECTORY, or name a `recipe:` in {FILE_NAME}"
            )
        return resolve_adapter(parse_adapter_spec(self.settings.adapter))

    @cached_property
    def training_log(self) -> TrainingLog | None:
        """The log stored with the adapter; None for one trained elsewhere.

        Raises:
            AdapterError: the log cannot be read.
        """
        from harness.training.log import LOG_FILE, TrainingLog

        if self.adapter.is_served:
            return None
        file = self.adapter.directory / LOG_FILE
        if not file.is_file():
            return None
        try:
            return TrainingLog.read(self.adapter.directory)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise AdapterError(f"{file} cannot be read: {exc!r}", "restore it, or remove it to do without") from exc

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate.

        Raises:
            ConfigError: one is served and the other is not, or both are the same served name.
        """
        base, adapter = self.base.place, self.adapter.place
        if isinstance(base, ServedModel) != isinstance(adapter, ServedModel) or base == adapter:
            raise ConfigError(
                f"--model={self.base.name} and --adapter={self.adapter.name} cannot be compared: "
                + ("both are the same served model" if base == adapter else "one is served, the other is not"),
                "pass two names of one server (openai:NAME@URL), or two that are on disk",
            )
        return {role: self.identity(role) for role in ROLES}

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in memory, with the adapter on it. Not needed where every answer is cached.

        Raises:
            AdapterError: the adapter was replaced since its identity was taken; its answers would be kept as the old one's.
        """
        from harness.models.loading import LoadOptions, load_model

        options = LoadOptions(
            dtype=self._dtype,
            device=self._device,
            quantization=self.quantization,
            trust_remote_code=self.settings.trust_remote_code,
        )
        before = self.identities["candidate"].digest
        loaded = load_model(self.base.directory, options, adapter=self.adapter.directory)
        if self.identity("candidate").digest != before:
            raise AdapterError(f"{self.adapter.name} or its base changed while it was being measured", "start again")
        return loaded

    def engine(self, role: Role) -> Engine:
        """The engine that answers as base or candidate; in process, both share one base in memory."""
        if role not in self._engines:
            self._engines[role] = Engine(self.identities[role].digest, self._backend(role), self._cache)
        return self._engines[role]

    def _backend(self, role: Role) -> Backend:
        place = self.base.place if role == "base" else self.adapter.place
        if isinstance(place, ServedModel):
            from harness.engines.server import ServerBackend

            return ServerBackend(place)
        from harness.engines.local import LocalBackend

        return LocalBackend(lambda: self.loaded, adapter=role == "candidate")

    def task(self, name: str, fewshot: int | None = None) -> TaskLike:
        """A task of the configuration file, of the package, or of lm-eval, cut to the profile's limits.

        Args:
            fewshot: examples in the prompt; None takes the task's own number.

        Raises:
            TaskError: there is no such task, its specification is wrong, or it takes no few-shot examples.
            DataError: its data cannot be read.
        """
        if (name, fewshot) not in self._names:
            from harness.tasks.lookup import find_task

            task = find_task(name, self.settings, fewshot=fewshot)
            self._names[name, fewshot] = task.name
            self._tasks.setdefault(task.name, task)
        return self._tasks[self._names[name, fewshot]]

    def evaluate(self, name: str, role: Role, fewshot: int | None = None) -> Evaluation:
        """One model's samples of a task, measured once a session."""
        from harness.gates import Evaluation

        task = self.task(name, fewshot)
        return Evaluation(task, self._measure(task, role))

    def compare(self, name: str, fewshot: int | None = None) -> Comparison:
        """Base and candidate samples of a task, paired by item."""
        from harness.gates import Comparison

        task = self.task(name, fewshot)
        return Comparison(task, self._measure(task, "base"), self._measure(task, "candidate"))

    def facts(self) -> dict[str, Any]:
        """What this session found out, for the manifest. Asks for nothing that was not needed before."""
        facts: dict[str, Any] = {"answers": {"cached": 0, "computed": 0}, "data": {}}
        for engine in self._engines.values():
            facts["answers"]["cached"] += engine.cached
            facts["answers"]["computed"] += engine.computed
        # of a task that could not be measured the data may not even be there
        for name in dict.fromkeys(name for name, _ in self._samples):
            task = self._tasks[name]
            facts["data"][name] = {"digest": task.data_digest, "task": task.digest, **task.settings}
        found = self.__dict__  # cached properties appear here once computed
        if "base" in found:
            facts["model"] = {"name": self.base.name}
        if "adapter" in found:
            facts["adapter"] = {"name": self.adapter.name, "recipe": self.adapter.recipe}
        if "identities" in found:
            for key, identity in zip(("model", "adapter"), self.identities.values(), strict=True):
                facts[key] |= {"digest": identity.digest, "parts": identity.parts}
        if "identities" in found and not self.adapter.is_served:
            facts["precision"] = {
                "dtype": self._dtype, "quantization": self.quantization, "device": self._device,
            }  # fmt: skip
        if self.trained is not None:
            summary = self.trained.log.summary
            facts["training"] = {
                "from_cache": self.trained.from_cache,
                "duration_s": round(self.trained.duration_s, 1),
                "steps": summary.steps,
            }
        return facts

    def training_document(self) -> dict[str, Any] | None:
        """Recipe, points and summary of the training log, for the run; None without one."""
        if "training_log" not in self.__dict__ or self.training_log is None:
            return None
        return {
            "recipe": self.recipe.to_json() if self.recipe else {"name": self.adapter.recipe},
            "points": list(self.training_log.points),
            "summary": dataclasses.asdict(self.training_log.summary),
        }

    @cached_property
    def _device(self) -> str:
        return str(choose_device(self.settings.device))

    @cached_property
    def _dtype(self) -> str:
        return dtype_name(choose_dtype(choose_device(self.settings.device), self.settings.dtype))

    @cached_property
    def _cache(self) -> AnswerCache:
        return AnswerCache(answers_file(), limit_bytes=answers_limit_bytes())

    def identity(self, role: Role) -> Identity:
        """Identity of one of the two; that of the base needs no adapter."""
        spec = parse_model_spec(self._model_text) if role == "base" else parse_adapter_spec(self.settings.adapter or "")
        if spec.served is not None:
            from harness.engines.server_identity import server_identity

            return server_identity(spec)
        return model_identity(
            self.base.directory,
            dtype=self._dtype,
            quantization=self.quantization,
            trust_remote_code=self.settings.trust_remote_code,
            adapter=self.adapter.directory if role == "candidate" else None,
        )

    def _train(self, recipe: Recipe) -> ResolvedAdapter:
        from harness.models.identity import base_digest
        from harness.training import train

        self.trained = train(
            dataclasses.replace(recipe, base=self.base.name),
            base_path=str(self.base.directory),
            base_digest=base_digest(self.base.directory),
            cache_dir=cache_dir() / "adapters",
        )
        return ResolvedAdapter(f"recipe:{recipe.name}", self.trained.path, recipe.name)

    def _measure(self, task: TaskLike, role: Role) -> list[Sample]:
        key = (task.name, role)
        if key not in self._samples:
            engine = self.engine(role)
            # Parallel workers that want the same answers: one computes, the others find them in the cache.
            with self._one_at_a_time(task, engine), self._progress(f"{task.name}: {role}") as progress:
                samples = task.evaluate(engine, role, progress=progress)
            self._keep_samples(samples)
            self._samples[key] = samples
        return self._samples[key]

    def _one_at_a_time(self, task: TaskLike, engine: Engine) -> FileLock:
        locks = cache_dir() / "locks"
        locks.mkdir(exist_ok=True)
        return FileLock(locks / f"{digest_json([engine.identity_digest, task.data_digest, task.digest])}.lock")


@contextlib.contextmanager
def _silent(label: str) -> Iterator[Progress]:
    yield lambda done, total: None
