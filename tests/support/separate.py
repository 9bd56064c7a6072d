"""Processes of their own for what a test can kill, or runs twice at once; the heavy libraries are imported once for all."""

from __future__ import annotations

import gc
import multiprocessing.popen_forkserver
import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Literal

from project import HEAVY

DEADLINE_S = 240
Moment = Literal["before", "amid", "after"]


@dataclass(frozen=True)
class Death:
    """When a run kills itself with SIGKILL: before, amid or after the transaction of its n-th batch of answers."""

    batch: int
    moment: Moment


def forkserver() -> ForkServerContext:
    """Starts processes that have the heavy libraries already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*HEAVY, "pytest"])
    return context


def start_pytest(
    root: Path, cache_dir: Path, arguments: Sequence[str], death: Death | None = None
) -> ForkServerProcess:
    """Start pytest in `root`; output goes to `root`/output.txt."""
    process = forkserver().Process(target=_run_pytest, args=(root, cache_dir, list(arguments), death))
    process.start()
    return process


def start_assay(
    root: Path, cache_dir: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> ForkServerProcess:
    """Start `assay` in `root`, with these variables too."""
    process = forkserver().Process(target=_run_assay, args=(root, cache_dir, list(arguments), dict(environment)))
    process.start()
    return process


def answers_kept(cache_dir: Path) -> int:
    """Answers in the cache that a run is writing, or has left behind."""
    path = cache_dir / "answers.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(path, timeout=60)
    try:
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
    finally:
        connection.close()


def _run_pytest(root: Path, cache_dir: Path, arguments: list[str], death: Death | None) -> None:
    import pytest

    output = os.open(root / "output.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(root)
    gc.freeze()
    os.environ["ASSAY_CACHE_DIR"] = str(cache_dir)
    if death is not None:
        _die(death)
    raise SystemExit(int(pytest.main(arguments)))


def _run_assay(root: Path, cache_dir: Path, arguments: list[str], environment: dict[str, str]) -> None:
    from harness.cli import main

    os.chdir(root)
    os.environ.update(environment, ASSAY_CACHE_DIR=str(cache_dir))
    raise SystemExit(main(arguments))


def _die(death: Death) -> None:
    from harness.engines import AnswerCache

    put, count = AnswerCache.put, 0

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dying_put(cache: AnswerCache, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count == death.batch:
            if death.moment == "before":
                kill()
            if death.moment == "amid":  # all is written; SQLite is about to say that it counts
                cache._connection.set_trace_callback(lambda statement: kill() if statement == "COMMIT" else None)
        put(cache, *arguments)
        if count == death.batch:
            kill()

    AnswerCache.put = dying_put  # type: ignore[method-assign, assignment]
