"""What the plugin keeps for one pytest session, in the controller and in each xdist worker."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import AssayError, Complaints, ConfigError, printable
from harness.json_files import kept_json
from harness.paths import CACHE_VARIABLE, cache_dir, refuse_unusable, write_atomic
from harness.plugin.notices import Notices
from harness.plugin.options import read_settings
from harness.runs.ids import new_run_id

if TYPE_CHECKING:
    from harness.config.settings import Settings
    from harness.gates.policy import Collected, ReleasePolicy
    from harness.plugin.baseline import BaselineRun
    from harness.plugin.progress import AnswerBar
    from harness.records import Manifest, ProcessFacts, Sample, SkippedTest, Verdict
    from harness.runs import RunWriter
    from harness.session import Session
    from harness.tasks.base import TaskLike

STATE: pytest.StashKey[State] = pytest.StashKey()


class State:
    """Settings and session of this process, and in the controller the verdicts of all.

    Attributes:
        run_id: of this run; the same in controller and workers.
        verdicts: collected from test reports, in the order they came.
        skipped: tests that gate and did not run.
        deselected: how many tests that gate were left out by -k, -m and the like.
        worker_facts: what the sessions in xdist workers found out, one entry a worker that measured.
        run_directory: where the finished run was written.
        manifest: what was written of it there; None before.
        write_error: why it could not be.
        complaints: what is wrong with the configuration and what it names, noted during the collection.
        measured: tasks that the tests that are left will measure, by name and few-shot count; None where none gates.
        suites: those of which tests were collected; `running` those of the tests that are left.
        workers_gate: whether the first xdist worker found tests that gate.
        clashes: names that mean something else in this project than to the suites, in words.
        faults: test function -> what is wrong with the tasks and metrics that its source names.
        notices: shows what is logged.
        usage_error: the same and what is wrong with the options, until it is raised; no test runs then.
        stopped: whether it was.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self.started: float = worker["assay_started"] if worker else time.time()
        self.verdicts: list[Verdict] = []
        self.skipped: list[SkippedTest] = []
        self.deselected = 0
        self.worker_facts: list[ProcessFacts] = []
        self.run_directory: Path | None = None
        self.manifest: Manifest | None = None
        self.write_error = ""
        self.complaints = Complaints()
        self.measured: Sequence[tuple[str, int | None]] | None = None
        self.suites: dict[str, Collected] = {}
        self.running: set[str] = set()
        self.workers_gate = False
        self.clashes: Sequence[str] = ()
        self.faults: dict[Any, AssayError] = {}
        self.notices = Notices(self.on_terminal)
        self.usage_error = ""
        self.stopped = False
        self._built: dict[tuple[str, int | None], TaskLike] = {}
        self._failed_integrity = ""
        self._processes = worker["workercount"] if worker else 1
        self.is_worker = worker is not None
        self.is_first_worker = worker is not None and worker["workerid"] == "gw0"
        self.run_id = worker["assay_run_id"] if worker else new_run_id()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first needed: a broken assay.yaml must not stop foreign tests."""
        return read_settings(self.config)

    @cached_property
    def session(self) -> Session:
        """The measuring session, made when first needed."""
        from harness.session import Session

        def keep(samples: Sequence[Sample]) -> None:
            self.writer().add_samples(samples)

        return Session(
            self.settings, keep_samples=keep, progress=self._progress, processes=self._processes, built=self._built
        )

    def find_task(self, name: str, fewshot: int | None) -> TaskLike:
        """A task as the session will measure it, without a session: one at the collection has measured nothing."""
        from harness.tasks.lookup import find_task

        if (name, fewshot) not in self._built:
            self._built[name, fewshot] = find_task(
                name, self.settings, fewshot=fewshot, judge=lambda: self.session.judge_runner
            )
        return self._built[name, fewshot]

    @cached_property
    def baseline(self) -> BaselineRun | None:
        """The baseline's run; None without `--baseline`.

        Raises:
            RunError: there is no such run, or it is not whole.
        """
        from harness.plugin.baseline import BaselineRun

        named = self.settings.baseline
        return BaselineRun(self.settings, named, lambda: self.session) if named else None

    @cached_property
    def policy(self) -> ReleasePolicy:
        """What verdicts of this run mean for the release."""
        from harness.gates.policy import ReleasePolicy

        today = datetime.fromtimestamp(self.started, UTC).date()
        return ReleasePolicy(self.settings.config, today, self._candidate_digest)

    def _candidate_digest(self) -> str:
        """Of the candidate; empty where it is not known yet: nothing is trained to learn it."""
        models = self.session.models
        if self.settings.adapter is None or (models.recipe is not None and not models.finder.is_trained):
            return ""
        with contextlib.suppress(AssayError):
            return models.identities["candidate"].digest
        return ""

    @property
    def gates_something(self) -> bool:
        """Whether anything in this session has to do with gates, here or in a worker."""
        return bool(self.measured is not None or self.workers_gate or self.verdicts or self.deselected)

    def forecast(self) -> Iterator[str]:
        """What the run will do, in one line, and what is known already to go wrong; nothing of what cannot be told."""
        from harness.session.estimate import estimate

        yield from self.clashes
        yield from (str(fault) for fault in self.faults.values())
        yield from self.policy.foreseen(self.suites, self.running)
        with contextlib.suppress(AssayError), warnings.catch_warnings(record=True) as told:
            built = [self._built[named] for named in self.measured or () if named in self._built]
            tasks = {task.name: task for task in built}
            if tasks:
                yield estimate(self.session.models, list(tasks.values())).describe()
        yield from (
            f"{one.category.__name__}: {one.message}" for one in told
        )  # no test is running that would carry them

    def leave_forecast(self) -> None:
        """In the first worker: note for the process with the terminal what the run will do."""
        write_atomic(self._note("forecast"), json.dumps(list(self.forecast())))

    def take_forecast(self) -> list[str]:
        """What the first worker noted; empty where it has not, or it was taken before."""
        noted: list[str] | None = kept_json(self._note("forecast"))
        self._note("forecast").unlink(missing_ok=True)
        self.workers_gate |= noted is not None
        return noted or []

    def say(self, forecast: Iterable[str]) -> None:
        """Print it where it is seen."""
        with self.on_terminal():
            for told in forecast:
                print(f"\n{printable(told)}", flush=True)

    def failed_integrity(self) -> str:
        """The first integrity gate that failed in any process of this run, as far as is known; empty where none did."""
        if self.is_worker and not self._failed_integrity and self._integrity_note.is_file():
            self._failed_integrity = self._integrity_note.read_text(encoding="utf-8")
        return self._failed_integrity

    def keep_failed_integrity(self, gate: str) -> None:
        """Remember the gate, and in a worker let the others know."""
        self._failed_integrity = gate
        if self.is_worker:
            write_atomic(self._integrity_note, gate)

    def forget_failed_integrity(self) -> None:
        """Take away what the workers of this run let each other know."""
        if self.verdicts:  # a session that is none of ours makes no cache directory
            self._integrity_note.unlink(missing_ok=True)

    @property
    def _integrity_note(self) -> Path:
        return self._note("integrity")

    def _note(self, about: str) -> Path:
        """What processes of this run let each other know."""
        return cache_dir() / about / self.run_id

    def facts(self) -> ProcessFacts | None:
        """What this process measured, or None where it measured nothing."""
        if "session" not in self.__dict__:  # cached properties appear here once computed
            return None
        from harness.models.device import peak_memory_gib

        return self.session.facts().model_copy(update={"peak_memory_gib": peak_memory_gib()})

    @contextlib.contextmanager
    def on_terminal(self) -> Iterator[None]:
        """Let what runs inside write to the terminal: pytest's capturing would hide a progress bar."""
        manager = self.config.pluginmanager.getplugin("capturemanager")
        with manager.global_and_fixture_disabled() if manager is not None else contextlib.nullcontext():
            yield

    def writer(self) -> RunWriter:
        """The run's writer; whichever process comes first makes the directory."""
        from harness.runs import RunWriter
        from harness.runs.run import partial_path

        root = self.settings.reports_dir
        with self._opening():
            begun = partial_path(root, self.run_id).is_dir()
            return (RunWriter.open if begun else RunWriter.create)(root, self.run_id)

    def check_places(self) -> None:
        """Find out before anything is measured that its run could not be written.

        Raises:
            AssayError: the reports directory, or the cache, cannot be used.
        """
        refuse_unusable(self.settings.reports_dir, "the reports directory", "name another by --reports-dir")
        with self._opening():
            pass

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        from harness.locks import held

        lock = cache_dir() / "runs.lock"
        with contextlib.ExitStack() as holding:
            try:
                holding.enter_context(held(lock, "opening its run"))
            except OSError as exc:
                problem = f"{lock} cannot be locked: {exc.strerror or exc}"
                raise ConfigError(problem, f"remove it, or set {CACHE_VARIABLE} to another directory") from exc
            yield

    @contextlib.contextmanager
    def _progress(self, label: str) -> Iterator[AnswerBar]:
        from harness.plugin.progress import answer_bar

        with self.on_terminal(), answer_bar(label) as bar:
            yield bar
