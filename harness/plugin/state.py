"""What the plugin keeps for one pytest session, in the controller and in each xdist worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.config.settings import Settings
from harness.paths import cache_dir, write_atomic
from harness.plugin.options import read_settings
from harness.records import Manifest, ProcessFacts, Sample, Verdict
from harness.runs.run import new_run_id

if TYPE_CHECKING:
    from harness.plugin.baseline import BaselineRun
    from harness.runs import RunWriter
    from harness.session import Session

STATE: pytest.StashKey[State] = pytest.StashKey()


class State:
    """Settings and session of this process, and in the controller the verdicts of all.

    Attributes:
        run_id: of this run; the same in controller and workers.
        verdicts: collected from test reports, in the order they came.
        skipped: (test, reason) of tests that gate and did not run.
        deselected: how many tests that gate were left out by -k, -m and the like.
        worker_facts: what the sessions in xdist workers found out, one entry a worker that measured.
        run_directory: where the finished run was written.
        manifest: what was written of it there.
        write_error: why it could not be.
        usage_error: what is wrong with the options or the configuration, until it is raised; no test runs then.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.started = time.time()
        self.verdicts: list[Verdict] = []
        self.skipped: list[tuple[str, str]] = []
        self.deselected = 0
        self.worker_facts: list[ProcessFacts] = []
        self.run_directory: Path | None = None
        self.manifest = Manifest()
        self.write_error = ""
        self.usage_error = ""
        self._failed_integrity = ""
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._processes = worker["workercount"] if worker else 1
        self.is_worker = worker is not None
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

        return Session(self.settings, keep_samples=keep, progress=self._progress, processes=self._processes)

    @cached_property
    def baseline(self) -> BaselineRun | None:
        """The baseline's run; None without `--baseline`.

        Raises:
            RunError: there is no such run, or it is not whole.
        """
        from harness.plugin.baseline import BaselineRun

        named = self.settings.baseline
        return BaselineRun(self.settings, named, lambda: self.session) if named else None

    def check_adapter(self) -> None:
        """Read what a directory of `--adapter` says of itself.

        Raises:
            AdapterError: it holds no adapter, or one that cannot be read in one way.
        """
        from harness.models.resolve import resolve_adapter

        spec = self.settings.adapter_spec
        if spec is not None and spec.kind == "local":
            resolve_adapter(spec)

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
        return cache_dir() / "integrity" / self.run_id

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
        from filelock import FileLock

        from harness.runs import RunWriter
        from harness.runs.run import partial_path

        root = self.settings.reports_dir
        with FileLock(cache_dir() / "runs.lock"):
            begun = partial_path(root, self.run_id).is_dir()
            return (RunWriter.open if begun else RunWriter.create)(root, self.run_id)

    @contextlib.contextmanager
    def _progress(self, label: str) -> Iterator[Any]:
        from tqdm import tqdm

        with self.on_terminal(), tqdm(desc=label, disable=None, leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield show
