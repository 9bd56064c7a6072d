"""What the plugin keeps for one pytest session, in the controller and in each xdist worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
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
        usage_error: what is wrong with the options or the configuration, until it is told; no test runs then.
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
        self._settings: Settings | None = None
        self._session: Session | None = None
        self._released: BaselineRun | None = None
        self._failed_integrity = ""
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._processes = worker["workercount"] if worker else 1
        self.is_worker = worker is not None
        self.run_id = worker["assay_run_id"] if worker else new_run_id()

    @property
    def settings(self) -> Settings:
        """The settings, read when first needed: a broken assay.yaml must not stop foreign tests."""
        if self._settings is None:
            self._settings = read_settings(self.config)
        return self._settings

    @property
    def session(self) -> Session:
        """The measuring session, made when first needed."""
        if self._session is None:
            from harness.session import Session

            self._session = Session(
                self.settings, keep_samples=self._keep, progress=self._progress, processes=self._processes
            )
        return self._session

    @property
    def baseline(self) -> BaselineRun | None:
        """The baseline adapter's run; None without `--baseline`.

        Raises:
            RunError: there is no such run, or it is not whole.
        """
        if self._released is None and self.settings.baseline:
            from harness.plugin.baseline import BaselineRun

            self._released = BaselineRun(self.settings, self.settings.baseline, lambda: self.session)
        return self._released

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
        """Take away what the workers of this run told each other."""
        if self.verdicts:  # a session that is none of ours makes no cache directory
            self._integrity_note.unlink(missing_ok=True)

    @property
    def _integrity_note(self) -> Path:
        return cache_dir() / "integrity" / self.run_id

    def facts(self) -> ProcessFacts | None:
        """What this process measured, or None where it measured nothing."""
        if self._session is None:
            return None
        from harness.models.machine import peak_memory_gib

        return self._session.facts().model_copy(update={"peak_memory_gib": peak_memory_gib()})

    @contextlib.contextmanager
    def on_terminal(self) -> Iterator[None]:
        """Let what runs inside write to the terminal: pytest's capturing would hide a progress bar."""
        manager = self.config.pluginmanager.getplugin("capturemanager")
        with manager.global_and_fixture_disabled() if manager is not None else contextlib.nullcontext():
            yield

    def _keep(self, samples: Sequence[Sample]) -> None:
        self.writer().add_samples(samples)

    def writer(self) -> RunWriter:
        """The run's writer; whichever process comes first makes the directory."""
        from filelock import FileLock

        from harness.runs import RunWriter
        from harness.runs.run import partial_path

        root = self.settings.reports_dir
        with FileLock(cache_dir() / "runs.lock"):
            if partial_path(root, self.run_id).is_dir():
                return RunWriter.open(root, self.run_id)
            return RunWriter.create(root, self.run_id)

    @contextlib.contextmanager
    def _progress(self, label: str) -> Iterator[Any]:
        from tqdm import tqdm

        with self.on_terminal(), tqdm(desc=label, disable=None, leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield show
