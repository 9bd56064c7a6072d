"""The processes of a launched training: one that starts them as torchrun does and tells how they ended, and each of them.

    python -m harness.training.launched DIRECTORY

DIRECTORY holds the job. Whoever started this holds the other end of its standard input: when that closes, all end.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness.errors import AssayError
from harness.training.recipe import Recipe

JOB_FILE = "job.json"
_FAILURE_FILE = "failure-{}.json"
_WORKER = "--worker"
_SHUTDOWN_S = 10
_REPORT = "see what it says above"


@dataclass(frozen=True)
class Job:
    """What the processes are to do, in a directory that they can read."""

    recipe: Recipe
    base_path: str
    work_dir: Path
    adapter_dir: Path
    start: Path | None

    def write(self, directory: Path) -> None:
        """Store as `job.json`."""
        document = {
            "recipe": self.recipe.model_dump(mode="json"),
            "base_path": self.base_path,
            "work_dir": str(self.work_dir),
            "adapter_dir": str(self.adapter_dir),
            "start": None if self.start is None else str(self.start),
        }
        (directory / JOB_FILE).write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Job:
        """The inverse of `write`."""
        document: dict[str, Any] = json.loads((directory / JOB_FILE).read_text(encoding="utf-8"))
        return cls(
            recipe=Recipe.model_validate_json(json.dumps(document["recipe"])),
            base_path=document["base_path"],
            work_dir=Path(document["work_dir"]),
            adapter_dir=Path(document["adapter_dir"]),
            start=None if document["start"] is None else Path(document["start"]),
        )


@dataclass(frozen=True)
class Failure:
    """How a process ended that did not end well.

    Attributes:
        rank: its number.
        exit_code: of the process; below 0 the signal that ended it.
        problem, remedy: of an error that was raised on purpose; else what Python says of it, and nothing.
    """

    rank: int
    exit_code: int = 1
    problem: str = ""
    remedy: str = ""

    @property
    def standing(self) -> int:
        """What is told before what: errors raised on purpose; a process that was killed, but not by the agent, which ends those
        that are left; what another raised, which may be that it lost the killed one; a code without a word."""
        if self.remedy:
            return 0
        if self.exit_code < 0 and self.exit_code != -signal.SIGTERM:
            return 1
        return 2 if self.problem else 3

    def write(self, directory: Path) -> None:
        """Note it, unless its process told more of it itself."""
        file = directory / _FAILURE_FILE.format(self.rank)
        if self.standing == 1 or not file.is_file():
            file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def first(cls, directory: Path) -> Failure | None:
        """The one that says most of why all ended; None where none was noted."""
        files = sorted(directory.glob(_FAILURE_FILE.format("*")), key=lambda file: file.stat().st_mtime_ns)
        noted = [cls(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
        return min(noted, key=lambda one: one.standing, default=None)


def main(arguments: list[str]) -> int:
    """Start the processes, or be one of them."""
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    directory = Path(arguments[-1])
    return _train(directory) if _WORKER in arguments else _start(directory)


def _end_with_the_starter() -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a thread that waits in a buffer keeps Python from ending
        pass
    os._exit(1)


def _start(directory: Path) -> int:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    launch = Job.read(directory).recipe.launch
    assert launch is not None
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=launch.processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id=uuid4().hex,
        max_restarts=0,
        shutdown_timeout=_SHUTDOWN_S,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "harness.training.launched", _WORKER, str(directory))
    except ChildFailedError as error:
        for rank, failure in error.failures.items():
            Failure(rank, failure.exitcode).write(directory)
        return 1
    return 0


def _train(directory: Path) -> int:
    rank = int(os.environ["RANK"])
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.ERROR, format="%(message)s", stream=sys.stderr)
    job = Job.read(directory)
    try:
        _fit(job, is_first=rank == 0)
    except AssayError as error:
        Failure(rank, problem=error.problem, remedy=error.remedy or _REPORT).write(directory)
        os._exit(1)  # others may wait for this one in a collective, and so would an orderly end
    except BaseException as error:
        Failure(rank, problem=f"{type(error).__name__}: {error}").write(directory)
        raise
    return 0


def _fit(job: Job, *, is_first: bool) -> None:
    import torch

    from harness.training.trainer import fit

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    log = fit(
        job.recipe,
        base_path=job.base_path,
        work_dir=job.work_dir,
        adapter_dir=job.adapter_dir,
        start=job.start,
    )
    if is_first:
        log.write(job.adapter_dir)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
