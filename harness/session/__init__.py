"""One session of measuring: models found, an adapter trained or loaded, tasks put to both, answers kept."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness import gates
from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.digests import digest_json
from harness.engines import Engine
from harness.errors import ConfigError
from harness.gates.sequential_savings import LEAST_ITEMS, Cost, progress
from harness.judges.loading import BaseModel, LoadedJudge, load_judge
from harness.locks import held
from harness.models.identity import ENGINE_REVISION
from harness.paths import cache_dir
from harness.records import AnswerCounts, ProcessFacts, Role, Sample, TaskFacts
from harness.session.display import Display, silent
from harness.session.model_pair import ModelPair
from harness.session.needs import refusal_tasks, written_tasks
from harness.session.noise import known_noise
from harness.session.speeds import keep_speed, speed_key
from harness.session.subjects import ROLES, SHIPPED
from harness.tasks.base import Divisible, Foreseeable, Progress, TaskLike
from harness.tasks.lookup import find_task

if TYPE_CHECKING:
    from harness.checks.judge.comparison import JudgeComparison
    from harness.checks.judge.runner import JudgeRunner
    from harness.checks.release import Passages, Shipping
    from harness.gates.sequential_comparison import SequentialComparison
    from harness.models.loading import LoadOptions

__all__ = ["Display", "Session"]


class Session:
    """What base and candidate are asked, and what they answered.

    Attributes:
        models: base and candidate.

    Args:
        settings: what to measure and how.
        keep_samples: called once with the samples of each evaluation, to store them.
        progress: shows a labelled piece of work.
        processes: sessions of one run that measure at once, and share what may be spent on the judge.
        built: tasks that were built before, by name and few-shot count.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keep_samples: Callable[[Sequence[Sample]], None] = lambda samples: None,
        progress: Callable[[str], contextlib.AbstractContextManager[Display]] | None = None,
        processes: int = 1,
        built: Mapping[tuple[str, int | None], TaskLike] = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        self.models = ModelPair(settings)
        self._keep_samples = keep_samples
        self._progress = progress or silent
        self._processes = processes
        self._built = built
        self._tasks: dict[str, TaskLike] = {}
        self._names: dict[tuple[str, int | None], str] = {}
        self._samples: dict[tuple[str, str], list[Sample]] = {}
        self._sequential: dict[str, SequentialComparison] = {}
        self._costs: dict[str, Cost] = {}

    def engine(self, role: str) -> Engine:
        """The engine that answers as base, candidate or judge; in process, base and candidate share one base in memory."""
        return self.loaded_judge.engine if role == "judge" else self.models.engine(role)

    @property
    def load_options(self) -> LoadOptions:
        """Those of `models`, where suites copied by an earlier `assay init` look for them."""
        warnings.warn("assay.load_options is assay.models.load_options now", FutureWarning, stacklevel=2)
        return self.models.load_options

    @cached_property
    def loaded_judge(self) -> LoadedJudge:
        """The judge; where it is the base, both are one model in memory.

        Raises:
            ConfigError: none is configured.
        """
        from harness.models.loading import LoadOptions

        models = self.models
        base = BaseModel(models.base, lambda: models.identity("base"), lambda: models.backend("base"))
        options = LoadOptions(
            models.finder.dtype, models.finder.device, trust_remote_code=self.settings.trust_remote_code
        )
        return load_judge(self.settings, base, models.answers, options, processes=self._processes)

    @cached_property
    def judge_runner(self) -> JudgeRunner:
        """Runs the judge: its health check and its comparisons."""
        from harness.checks.judge.runner import JudgeRunner

        working = partial(self._working, engine=self.loaded_judge.engine)
        return JudgeRunner(self, self.settings, self.loaded_judge, keep=self._keep_samples, working=working)

    def judge(self, name: str | None = None) -> JudgeComparison:
        """Candidate against base as the judge sees it, on what `judge:` names or on another task; once a session."""
        return self.judge_runner.comparison(name)

    def task(self, name: str, fewshot: int | None = None) -> TaskLike:
        """A task of the configuration file, of the package, or of lm-eval, cut to the profile's limits.

        Args:
            fewshot: examples in the prompt; None takes the task's own number.

        Raises:
            TaskError: there is no such task, its specification is wrong, or it takes no few-shot examples.
            DataError: its data cannot be read.
        """
        if (name, fewshot) not in self._names:
            task = self._built.get((name, fewshot))
            if task is None:
                task = find_task(name, self.settings, fewshot=fewshot, judge=lambda: self.judge_runner)
            self._names[name, fewshot] = task.name
            self._tasks.setdefault(task.name, task)
        return self._tasks[self._names[name, fewshot]]

    def evaluate(self, name: str, role: Role, fewshot: int | None = None) -> gates.Evaluation:
        """One model's samples of a task, measured once a session."""
        task = self.task(name, fewshot)
        return gates.Evaluation(task, self._measure(task, role))

    def evaluate_again(self, task: TaskLike, role: Role) -> gates.Evaluation:
        """The same, asked all over with other draws; none of its samples is stored with the run."""
        engine = self.engine(role).again()
        asked = engine.identity_digest, task.data_digest, task.digest
        with self._working(f"{task.name}, {role} again", *asked, engine=engine) as progress:
            return gates.Evaluation(task, task.evaluate(engine, role, progress=progress))

    def compare(
        self, name: str, fewshot: int | None = None, *, against: str = ""
    ) -> gates.Comparison | SequentialComparison:
        """Base and candidate samples of a task, paired by item; as many as its gates need, under `--sequential`.

        Args:
            against: one of the candidate's parents, in the base's place; all items are measured then.
        """
        task = self.task(name, fewshot)
        if against:
            return self._held_against(task, against, "candidate", called=f"parent {against}", opponent=against)
        sequential = self._in_parts(task) if self.settings.sequential else None
        return self._compare(task) if sequential is None else sequential

    def compare_shipped(self, name: str, fewshot: int | None = None) -> gates.Comparison:
        """Samples of the candidate and of what ships, in the places of base and candidate, paired by item."""
        task = self.task(name, fewshot)
        return self._held_against(task, "candidate", SHIPPED, called="approved candidate", opponent="candidate")

    def _held_against(self, task: TaskLike, first: str, second: str, *, called: str, opponent: str) -> gates.Comparison:
        """Samples of two, the first in the base's place; the candidate is asked before the other."""
        samples = {role: self._measure(task, role) for role in dict.fromkeys(("candidate", first, second))}
        return gates.Comparison(task, samples[first], samples[second], base_name=called, opponent=opponent)

    @cached_property
    def shipping(self) -> Shipping:
        """What ships, to be read beside the candidate.

        Raises:
            ConfigError: none is named.
        """
        from harness.checks.release import Shipping

        return Shipping(self.models.subject(SHIPPED), self.models, self.texts)

    @cached_property
    def texts(self) -> Passages:
        """What base and candidate are read along, and whatever is held against them: texts, and answers to the tasks."""
        from harness.checks.release import Passages

        written, prompts = (
            [task for use in uses if isinstance(task := self.task(use.name), Foreseeable)]
            for uses in (written_tasks(self.settings), refusal_tasks(self.settings))
        )
        return Passages(self.models, written, prompts)

    def compare_on(self, task: TaskLike) -> gates.Comparison:
        """Base and candidate samples of a task that was made for this session, paired by item.

        Raises:
            ConfigError: another task of this session has its name.
        """
        if self._tasks.setdefault(task.name, task) is not task:
            raise ConfigError(f"there are two tasks named {task.name!r}", f"rename the one in {FILE_NAME}")
        return self._compare(task)

    def _compare(self, task: TaskLike) -> gates.Comparison:
        measured = {role: self._measure(task, role) for role in self.models.in_turn}
        noise = known_noise(self.models, task)
        return gates.Comparison(task, measured["base"], measured["candidate"], noise=noise)

    def _in_parts(self, task: TaskLike) -> SequentialComparison | None:
        """The task to be measured in parts; None where it cannot be, or is too small for that."""
        from harness.gates.sequential_comparison import SequentialComparison

        if task.name not in self._sequential and isinstance(task, Divisible):
            order = task.random_order()
            rank = {name: i for i, name in enumerate(order)}
            cost = Cost()

            def measure(start: int, stop: int) -> gates.Comparison:
                part = task.only(set(order[start:stop]))
                with cost.of(stop - start, [self.engine(role) for role in ROLES]):
                    asked = {role: self._ask(part, role) for role in self.models.in_turn}
                # a task answers in its own order
                base = sorted(asked["base"], key=lambda sample: rank[task.name_of(sample)])
                return gates.Comparison(task, base, asked["candidate"])

            if len(order) >= LEAST_ITEMS:
                noise = known_noise(self.models, task)
                self._sequential[task.name] = SequentialComparison(task, len(order), measure, noise)
                self._costs[task.name] = cost
        return self._sequential.get(task.name)

    def measured(self, name: str) -> gates.Evaluation | None:
        """The candidate's samples of a task by the task's own name, if they were measured in this session."""
        if (name, "candidate") in self._samples:
            return gates.Evaluation(self._tasks[name], self._samples[name, "candidate"])
        if name in self._sequential:
            return gates.Evaluation(self._tasks[name], self._sequential[name].so_far.candidate)
        return None

    def facts(self) -> ProcessFacts:
        """What this session found out. Asks for nothing that was not needed before."""
        found = self.__dict__  # cached properties appear here once computed
        judge = self.loaded_judge if "loaded_judge" in found else None
        engines = [*self.models.engines.values(), *([judge.engine] if judge is not None else [])]
        # of a task that could not be measured the data may not even be there
        tasks = [self._tasks[name] for name in dict.fromkeys([*(name for name, _ in self._samples), *self._sequential])]
        facts: dict[str, Any] = {
            "answers": AnswerCounts(
                cached=sum(engine.cached for engine in engines), computed=sum(engine.computed for engine in engines)
            ),
            "data": {
                task.name: TaskFacts(digest=task.data_digest, task=task.digest, **task.settings) for task in tasks
            },
            "progress": self._progress_in_parts(),
        }
        if judge is not None:
            tried = self.judge_runner.facts() if "judge_runner" in found else {}
            facts["judge"] = judge.facts(self.settings).model_copy(update=tried)
        if tasks:
            facts["engine"] = ENGINE_REVISION
        return self.models.facts().model_copy(update=facts)

    def _progress_in_parts(self) -> dict[str, Any]:
        """How far each task went that is measured in parts; all the way, if one model was asked outside of a comparison."""
        found = {}
        for name, comparison in self._sequential.items():
            alone = any((name, role) in self._samples for role in ROLES)
            measured = comparison.size if alone else comparison.measured
            found[name] = progress(comparison.size, measured, self._costs[name])
        return found

    def _measure(self, task: TaskLike, role: str) -> list[Sample]:
        key = (task.name, role)
        if key not in self._samples:
            self._samples[key] = self._ask(task, role)
        return self._samples[key]

    def _ask(self, task: TaskLike, role: str) -> list[Sample]:
        """What one of them answers; a parent in the base's place: of that no sample is stored with the run."""
        engine = self.engine(role)
        # Parallel workers that want the same answers: one computes, the others find them in the cache.
        asked = engine.identity_digest, task.data_digest, task.digest
        before = engine.computed, engine.seconds
        stored = next((one for one in (*ROLES, SHIPPED) if one == role), None)
        with self._working(f"{task.name}, {role}", *asked, engine=engine) as progress:
            samples = task.evaluate(engine, stored or "base", progress=progress)
        if role in ROLES:
            key = speed_key(self.models.identities["base"].digest, self.models.where, task.digest)
            keep_speed(key, engine.computed - before[0], engine.seconds - before[1])
        if stored:
            self._keep_samples(samples)
        return samples

    @contextlib.contextmanager
    def _working(self, label: str, *asked: str, engine: Engine) -> Iterator[Progress]:
        """A piece of work that no two processes do at once, with its progress."""
        locks = cache_dir() / "locks"
        locks.mkdir(exist_ok=True)
        with (
            held(locks / f"{digest_json(list(asked))}.lock", f"measuring {label}"),
            self._progress(label) as display,
        ):
            before, engine.watch = engine.watch, display.computed
            try:
                yield display.answered
            finally:
                engine.watch = before
