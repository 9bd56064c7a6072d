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
from harness.models.identity import ENGINE_REVISION
from harness.paths import answers_file, answers_limit_bytes, cache_dir
from harness.recipes import find_recipe
from harness.runs.schema import Role, Sample
from harness.settings import Settings
from harness.tasks.base import Progress, TaskLike

if TYPE_CHECKING:
    from harness.gates import Comparison, Evaluation
    from harness.gates.unfolding import Unfolding
    from harness.judging.bench import Bench
    from harness.judging.contest import Contest
    from harness.judging.engine import JudgeEngine
    from harness.judging.opening import OpenedJudge
    from harness.models.loading import LoadedModel, LoadOptions
    from harness.training import Recipe, TrainedAdapter, TrainingLog
    from harness.training.history import TrainingHistory

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = ("base", "candidate")


class Session:
    """Everything costly, made when first asked for and kept.

    Args:
        settings: what to measure and how.
        keep_samples: called once with the samples of each evaluation, to store them.
        progress: makes a progress callback for a labelled piece of work.
        processes: sessions of one run that measure at once, and share what may be spent on the judge.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keep_samples: Callable[[Sequence[Sample]], None] = lambda samples: None,
        progress: Callable[[str], contextlib.AbstractContextManager[Progress]] | None = None,
        processes: int = 1,
    ) -> None:
        self.settings = settings
        self.trained: TrainedAdapter | None = None
        self._keep_samples = keep_samples
        self._progress = progress or _silent
        self._processes = processes
        self._tasks: dict[str, TaskLike] = {}
        self._names: dict[tuple[str, int | None], str] = {}
        self._samples: dict[tuple[str, Role], list[Sample]] = {}
        self._engines: dict[Role, Engine] = {}
        self._unfoldings: dict[str, Unfolding] = {}

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
    def training_history(self) -> TrainingHistory | None:
        """How the adapter was trained, by whatever trainer left a log with it; None where none did.

        Raises:
            AdapterError: a log cannot be read.
        """
        from harness.training.history import read_history

        return None if self.adapter.is_served else read_history(self.adapter.directory, self.training_log)

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

    @property
    def load_options(self) -> LoadOptions:
        """How base and adapter are loaded to be measured."""
        from harness.models.loading import LoadOptions

        return LoadOptions(
            dtype=self._dtype,
            device=self._device,
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

    def engine(self, role: Role) -> Engine:
        """The engine that answers as base or candidate; in process, both share one base in memory."""
        if role == "judge":
            return self.judge_engine
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

    @cached_property
    def opened_judge(self) -> OpenedJudge:
        """The judge; where it is the base, both are one model in memory.

        Raises:
            ConfigError: none is configured.
        """
        from harness.judging.opening import BaseModel, open_judge
        from harness.models.loading import LoadOptions

        base = BaseModel(self.base, lambda: self.identity("base"), lambda: self._backend("base"))
        options = LoadOptions(self._dtype, self._device, trust_remote_code=self.settings.trust_remote_code)
        return open_judge(self.settings, base, self._cache, options, processes=self._processes)

    @property
    def judge_engine(self) -> JudgeEngine:
        """The engine that answers as the judge, within its budget."""
        return self.opened_judge.engine

    @cached_property
    def judge_bench(self) -> Bench:
        """Trials and contests of the judge."""
        from harness.judging.bench import Bench

        return Bench(self, keep=self._keep_samples, working=self._working)

    def judge(self, name: str | None = None) -> Contest:
        """Candidate against base as the judge sees it, on what `judge:` names or on another task; once a session."""
        return self.judge_bench.contest(name)

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

            task = find_task(name, self.settings, fewshot=fewshot, judge=lambda: self.judge_bench.proven)
            self._names[name, fewshot] = task.name
            self._tasks.setdefault(task.name, task)
        return self._tasks[self._names[name, fewshot]]

    def evaluate(self, name: str, role: Role, fewshot: int | None = None) -> Evaluation:
        """One model's samples of a task, measured once a session."""
        from harness.gates import Evaluation

        task = self.task(name, fewshot)
        return Evaluation(task, self._measure(task, role))

    def compare(self, name: str, fewshot: int | None = None) -> Comparison | Unfolding:
        """Base and candidate samples of a task, paired by item; as many as its gates need, under `--sequential`."""
        from harness.gates import Comparison

        task = self.task(name, fewshot)
        if self.settings.sequential:
            unfolding = self._unfolding(task)
            if unfolding is not None:
                return unfolding
        return Comparison(task, self._measure(task, "base"), self._measure(task, "candidate"))

    def compare_on(self, task: TaskLike) -> Comparison:
        """Base and candidate samples of a task that was made for this session, paired by item.

        Raises:
            ConfigError: another task of this session has its name.
        """
        from harness.gates import Comparison

        if self._tasks.setdefault(task.name, task) is not task:
            raise ConfigError(f"there are two tasks named {task.name!r}", f"rename the one in {FILE_NAME}")
        return Comparison(task, self._measure(task, "base"), self._measure(task, "candidate"))

    def _unfolding(self, task: TaskLike) -> Unfolding | None:
        """The task to be measured in parts; None where it cannot be, or is too small for that."""
        from harness.gates import Comparison
        from harness.gates.unfolding import LEAST_ITEMS, Unfolding
        from harness.tasks.base import Divisible

        if task.name not in self._unfoldings and isinstance(task, Divisible):
            order = task.random_order()

            def measure(start: int, stop: int) -> Comparison:
                part = task.only(set(order[start:stop]))
                return Comparison(task, self._ask(part, "base"), self._ask(part, "candidate"))

            if len(order) >= LEAST_ITEMS:
                self._unfoldings[task.name] = Unfolding(task, len(order), measure)
        return self._unfoldings.get(task.name)

    def measured(self, name: str) -> Evaluation | None:
        """The candidate's samples of a task by the task's own name, if they were measured in this session."""
        from harness.gates import Evaluation

        if (name, "candidate") in self._samples:
            return Evaluation(self._tasks[name], self._samples[name, "candidate"])
        if name in self._unfoldings:
            return Evaluation(self._tasks[name], self._unfoldings[name].so_far.candidate)
        return None

    def facts(self) -> dict[str, Any]:
        """What this session found out, for the manifest. Asks for nothing that was not needed before."""
        facts: dict[str, Any] = {"answers": {"cached": 0, "computed": 0}, "data": {}}
        found = self.__dict__  # cached properties appear here once computed
        for engine in [*self._engines.values(), *([self.judge_engine] if "opened_judge" in found else [])]:
            facts["answers"]["cached"] += engine.cached
            facts["answers"]["computed"] += engine.computed
        # of a task that could not be measured the data may not even be there
        for name in dict.fromkeys([*(name for name, _ in self._samples), *self._unfoldings]):
            task = self._tasks[name]
            facts["data"][name] = {"digest": task.data_digest, "task": task.digest, **task.settings}
        if "opened_judge" in found:
            tried = self.judge_bench.facts() if "judge_bench" in found else {}
            facts["judge"] = {**self.opened_judge.facts(self.settings), **tried}
        if facts["data"]:
            facts["engine"] = ENGINE_REVISION
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
        """Recipe, points and summary of the training, for the run; None without a log."""
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
            self._samples[key] = self._ask(task, role)
        return self._samples[key]

    def _ask(self, task: TaskLike, role: Role) -> list[Sample]:
        engine = self.engine(role)
        # Parallel workers that want the same answers: one computes, the others find them in the cache.
        asked = engine.identity_digest, task.data_digest, task.digest
        with self._working(f"{task.name}: {role}", *asked) as progress:
            samples = task.evaluate(engine, role, progress=progress)
        self._keep_samples(samples)
        return samples

    @contextlib.contextmanager
    def _working(self, label: str, *asked: str) -> Iterator[Progress]:
        """A piece of work that no two processes do at once, with its progress."""
        locks = cache_dir() / "locks"
        locks.mkdir(exist_ok=True)
        with FileLock(locks / f"{digest_json(list(asked))}.lock"), self._progress(label) as progress:
            yield progress


@contextlib.contextmanager
def _silent(label: str) -> Iterator[Progress]:
    yield lambda done, total: None
