"""Write a run: parts by any number of processes, then one directory that appears in a single step."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import RunError
from harness.records import (
    MANIFEST_SCHEMA,
    VERDICTS_SCHEMA,
    Manifest,
    RunStatus,
    Sample,
    Verdict,
    count_outcomes,
    overall_outcome,
)
from harness.runs.codec import dump_json
from harness.runs.comparability import comparability_key
from harness.runs.exporters import export_run
from harness.runs.ids import check_run_id
from harness.runs.location import write_atomically, write_error
from harness.runs.run import MANIFEST, PARTS, SAMPLES, TRAINING, VERDICTS, load_run, partial_path
from harness.runs.samples import asked_of_candidate, encode_table, merge_parts, samples_table
from harness.runs.secrets import without_secrets


@dataclass(frozen=True)
class RunWriter:
    """A run in the making, in the hidden directory `.<run-id>.partial` under `root`.

    One process creates and finishes it; others may open it and add samples meanwhile. Nothing is held in memory
    between calls, so a killed process loses only what it had not yet added.
    """

    root: Path
    run_id: str

    @classmethod
    def create(cls, root: Path, run_id: str) -> RunWriter:
        """Start a run.

        Raises:
            RunError: the id is no plain name, is taken, or the directory cannot be made.
        """
        writer = cls(root, check_run_id(run_id))
        if (root / run_id).exists():
            raise RunError(f"the run {root / run_id} exists already", "choose another run id")
        try:
            (writer.path / PARTS).mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(f"the run {writer.path} has been started already", "choose another run id") from error
        except OSError as error:
            raise write_error(writer.path, 0, error) from error
        writer._write(MANIFEST, {"schema": MANIFEST_SCHEMA, "run": run_id, "status": "running", "started": _now()})
        return writer

    @classmethod
    def open(cls, root: Path, run_id: str) -> RunWriter:
        """Join a run another process has created.

        Raises:
            RunError: no such run is in the making.
        """
        writer = cls(root, check_run_id(run_id))
        if not writer.path.is_dir():
            raise RunError(f"no run {run_id!r} is being written in {root}", "create it first, in one process")
        return writer

    @property
    def path(self) -> Path:
        """Where the unfinished run lives."""
        return partial_path(self.root, self.run_id)

    def add_samples(self, samples: Sequence[Sample]) -> None:
        """Store samples, as one new file. Safe to call from several processes at once.

        Raises:
            RunError: the disk is full, or a sample has no JSON form.
        """
        if samples:
            name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.parquet"
            write_atomically(self.path / PARTS / name, encode_table(samples_table(self.run_id, samples)))

    def finish(
        self,
        manifest: Manifest,
        verdicts: Sequence[Verdict],
        status: RunStatus,
        training: Mapping[str, Any] | None = None,
    ) -> Path:
        """Merge the parts, write every document, have the exporters make theirs, and move the run into place.

        Args:
            manifest: what is known of the run; its id, status, times and comparability key are set here.
            training: `recipe`, `points` (TrainingPoint rows) and `summary`.

        Returns:
            The directory of the finished run.

        Raises:
            RunError: something could not be written; the unfinished run stays as it was, nothing is lost.
        """
        started = load_run(self.path, partial=True).manifest.started
        merged = merge_parts(sorted((self.path / PARTS).glob("*.parquet")))
        write_atomically(self.path / SAMPLES, encode_table(merged))
        if training is not None:
            self._write(TRAINING, training)
        self._write(VERDICTS, self._verdicts_document(verdicts, status))
        head = {"run": self.run_id, "status": status, "started": manifest.started or started, "finished": _now()}
        key = comparability_key(manifest, asked_of_candidate(merged))
        whole = manifest.model_copy(update={**head, "comparability": key})
        self._write(MANIFEST, {"schema": MANIFEST_SCHEMA, **whole.to_json()})
        export_run(self.path)
        return self._move_into_place()

    def _verdicts_document(self, verdicts: Sequence[Verdict], status: RunStatus) -> dict[str, Any]:
        return {
            "schema": VERDICTS_SCHEMA,
            "run": self.run_id,
            "status": status,
            "outcome": overall_outcome(verdicts, status),
            "counts": count_outcomes(verdicts),
            "verdicts": list(verdicts),
        }

    def _move_into_place(self) -> Path:
        final = self.root / self.run_id
        try:
            shutil.rmtree(self.path / PARTS)
            self.path.rename(final)
        except OSError as error:
            raise RunError(
                f"cannot move the finished run {self.path} to {final}: {error.strerror}",
                "everything is written: rename the directory by hand",
            ) from error
        return final

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        text = dump_json(without_secrets(json.loads(dump_json(document))), indent=1)
        write_atomically(self.path / name, (text + "\n").encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
