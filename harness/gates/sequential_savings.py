"""What `--sequential` saved: the items of each task left out, and how long they would have taken. Imports no numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.records import SequentialSavings, TaskSavings

if TYPE_CHECKING:
    from harness.engines import Engine

LEAST_ITEMS = 500
"""A smaller benchmark is measured whole: what stopping saves of it is seconds."""


@dataclass
class Cost:
    """What measuring some items cost, from which the cost of the rest is estimated.

    Attributes:
        items: measured, of both models.
        answers: that these items took.
        computed: answers that no cache held.
        seconds: spent computing those.
    """

    items: int = 0
    answers: int = 0
    computed: int = 0
    seconds: float = 0.0

    @contextmanager
    def of(self, items: int, engines: Sequence[Engine]) -> Iterator[None]:
        """Add what the engines do meanwhile."""
        before = _spent(engines)
        yield
        answers, computed, seconds = (now - then for now, then in zip(_spent(engines), before, strict=True))
        self.items += items
        self.answers += int(answers)
        self.computed += int(computed)
        self.seconds += seconds


def progress(size: int, measured: int, cost: Cost) -> dict[str, Any]:
    """How far one process took a task of `size` items, as JSON."""
    return {"size": size, "measured": measured, "cost": asdict(cost)}


def savings(processes: Sequence[Mapping[str, Any]]) -> SequentialSavings:
    """Of each task in parts, over all processes of a run: items, how many were measured and left out, seconds saved.

    Processes take a task's items in one and the same order, so the one that went furthest measured those of all.
    Seconds are None where every answer came from the cache.
    """
    tasks = {}
    for name in dict.fromkeys(name for process in processes for name in process):
        found = [process[name] for process in processes if name in process]
        size, measured = found[0]["size"], max(one["measured"] for one in found)
        cost = {key: sum(one["cost"][key] for one in found) for key in asdict(Cost())}
        seconds = None
        if cost["computed"]:
            each = cost["seconds"] / cost["computed"] * cost["answers"] / cost["items"]
            seconds = round(each * (size - measured), 1)
        tasks[name] = TaskSavings(items=size, measured=measured, left_out=size - measured, saved_s=seconds)
    return SequentialSavings(least_items=LEAST_ITEMS, tasks=tasks)


def _spent(engines: Sequence[Engine]) -> tuple[int, int, float]:
    """Answers given, those computed, and seconds that took, of all engines."""
    computed = sum(engine.computed for engine in engines)
    return computed + sum(engine.cached for engine in engines), computed, sum(engine.seconds for engine in engines)
