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
from harness.engines import AnswerCache, Engine
from harness.errors import ConfigError, TaskError
from harness.models import (
    Identity,
    ResolvedAdapter,
    ResolvedModel,
    model_identity,
    parse_adapter_spec,
    parse_model_spec,
    resolve_adapter,
    resolve_model,
)
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.paths import cache_dir
from harness.recipes import find_recipe
from harness.runs.schema import Role, Sample
from harness.settings import Settings
from harness.tasks.base import Task
from harness.tasks.evaluate import Progress, evaluate

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
        self._tasks: dict[str, Task] = {}
        self._samples: dict[tuple[str, Role], list[Sample]] = {}
        self._engines: dict[Role, Engine] = {}

    @cached_property
    def base(self) -> ResolvedModel:
        """The base model on disk."""
        recipe = self.recipe
        text = self.settings.model or (recipe.base if recipe else self.settings.fallback_model)
        return resolve_model(parse_model_spec(text))

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
        """The log stored with the adapter; None for one trained elsewhere."""
        from harness.training import LOG_FILE, TrainingLog

        if not (self.adapter.directory / LOG_FILE).is_file():
            return None
        return TrainingLog.read(self.adapter.directory)

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate."""
        return {role: self._identity(role) for role in ROLES}

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in memory, with the adapter on it. Not needed where every answer is cached."""
        from harness.models.loading import LoadOptions, load_model

        options = LoadOptions(
            dtype=self._dtype,
            device=self._device,
            quantization=self.settings.quantization,
            trust_remote_code=self.settings.trust_remote_code,
        )
        return load_model(self.base.directory, options, adapter=self.adapter.directory)

    def engine(self, role: Role) -> Engine:
        """The engine that answers as base or candidate; both share one base in memory."""
        if role not in self._engines:
            from harness.engines.local import LocalBackend

            backend = LocalBackend(lambda: self.loaded, adapter=role == "candidate")
            self._engines[role] = Engine(self.identities[role].digest, backend, self._cache)
        return self._engines[role]

    def task(self, name: str) -> Task:
        """A task of the configuration file, cut to the profile's limit.

        Raises:
            TaskError: there is no such task, or its specification is wrong.
            DataError: its data cannot be read.
        """
        if name not in self._tasks:
            from harness.tasks import build_task

            known = self.settings.config.tasks
            if name not in known:
                there = ", ".join(sorted(known)) or f"none: add a `tasks:` section to {FILE_NAME}"
                raise TaskError(f"task {name!r} is unknown", f"the tasks are: {there}")
            limit = self.settings.profile.limit
            self._tasks[name] = build_task(name, known[name], root=self.settings.config.root, limit=limit)
        return self._tasks[name]

    def evaluate(self, name: str, role: Role) -> Evaluation:
        """One model's samples of a task, measured once a session."""
        from harness.gates import Evaluation

        return Evaluation(self.task(name), self._measure(name, role))

    def compare(self, name: str) -> Comparison:
        """Base and candidate samples of a task, paired by item."""
        from harness.gates import Comparison

        return Comparison(self.task(name), self._measure(name, "base"), self._measure(name, "candidate"))

    def facts(self) -> dict[str, Any]:
        """What this session found out, for the manifest. Asks for nothing that was not needed before."""
        facts: dict[str, Any] = {"answers": {"cached": 0, "computed": 0}, "data": {}}
        for engine in self._engines.values():
            facts["answers"]["cached"] += engine.cached
            facts["answers"]["computed"] += engine.computed
        for name, task in self._tasks.items():
            facts["data"][name] = task.data_digest
        found = self.__dict__  # cached properties appear here once computed
        if "base" in found:
            facts["model"] = {"name": self.base.name}
        if "adapter" in found:
            facts["adapter"] = {"name": self.adapter.name, "recipe": self.adapter.recipe}
        if "identities" in found:
            for key, role in (("model", "base"), ("adapter", "candidate")):
                identity = self.identities[role]
                facts[key] |= {"digest": identity.digest, "parts": identity.parts}
            facts["precision"] = {
                "dtype": self._dtype, "quantization": self.settings.quantization, "device": self._device,
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
        return AnswerCache(cache_dir() / "answers.sqlite")

    def _identity(self, role: Role) -> Identity:
        return model_identity(
            self.base.directory,
            dtype=self._dtype,
            quantization=self.settings.quantization,
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

    def _measure(self, name: str, role: Role) -> list[Sample]:
        key = (name, role)
        if key not in self._samples:
            task, engine = self.task(name), self.engine(role)
            # Parallel workers that want the same answers: one computes, the others find them in the cache.
            with self._one_at_a_time(task, engine), self._progress(f"{name}: {role}") as progress:
                samples = evaluate(task, engine, role, progress=progress)
            self._keep_samples(samples)
            self._samples[key] = samples
        return self._samples[key]

    def _one_at_a_time(self, task: Task, engine: Engine) -> FileLock:
        locks = cache_dir() / "locks"
        locks.mkdir(exist_ok=True)
        return FileLock(locks / f"{digest_json([engine.identity_digest, task.data_digest, task.grader.digest])}.lock")


@contextlib.contextmanager
def _silent(label: str) -> Iterator[Progress]:
    yield lambda done, total: None
