"""What several processes do to one answer cache at once."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from stored import BATCH, MODEL, answers

from harness.engines import AnswerCache

PROCESSES = 4
DEADLINE_S = 240


def at_once(work: Callable[[Path, int, Barrier], None], path: Path) -> None:
    """Do it in four processes that wait for each other to begin; each must end well."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    processes = [context.Process(target=work, args=(path, number, together)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE_S)
    assert [process.exitcode for process in processes] == [0] * PROCESSES


def store_and_read_own(path: Path, number: int, together: Barrier) -> None:
    """Open the file at the moment the others do, and read each batch that was stored."""
    warnings.simplefilter("ignore")
    together.wait()
    cache = AnswerCache(path)
    for start in range(1000 * number, 1000 * number + 100, BATCH):
        batch = answers(BATCH, start=start)
        cache.put(MODEL, batch)
        assert cache.get(list(batch)) == batch


def store_and_read_all(path: Path, number: int, together: Barrier) -> None:
    """Store answers of one's own and those that all store, and read everybody's."""
    cache = AnswerCache(path, limit_bytes=1 << 30)
    together.wait()
    for start in range(0, 400, BATCH):
        own = answers(BATCH, start=1000 * number + start)
        cache.put(f"{number:064x}", own)
        cache.put(MODEL, answers(BATCH, start=9000 + start))
        wanted = {k: a for other in range(PROCESSES) for k, a in answers(BATCH, start=1000 * other + start).items()}
        found = cache.get(list(wanted))
        assert found == {k: wanted[k] for k in found}
        assert found.keys() >= own.keys()
