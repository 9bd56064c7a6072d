"""What was left out of a task is counted once, whatever gates and processes measured it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from harness.gates.sequential_savings import LEAST_ITEMS, Cost, progress, savings


@dataclass
class Engine:
    """Counters alone."""

    computed: int = 7
    cached: int = 5
    seconds: float = 3.0


def test_only_what_the_engines_do_meanwhile_is_counted() -> None:
    base, candidate, cost = Engine(), Engine(), Cost()
    with cost.of(10, [base, candidate]):  # type: ignore[list-item]
        base.cached += 40
        candidate.computed, candidate.seconds = 47, 5.0
    assert (cost.items, cost.answers, cost.computed, cost.seconds) == (10, 80, 40, 2.0)


def test_processes_share_what_they_measured_and_add_what_it_cost() -> None:
    first = progress(1000, 256, Cost(256, 2048, 2048, 20.48))
    second = progress(1000, 512, Cost(512, 4096, 1024, 10.24))
    told = savings([{"t": first}, {}, {"t": second}])
    # a hundredth of a second an answer, eight answers an item
    assert told.tasks["t"].to_json() == {
        "items": 1000,
        "measured": 512,
        "left_out": 488,
        "saved_s": pytest.approx(39.0),
    }
    assert told.least_items == LEAST_ITEMS


def test_what_came_from_the_cache_says_nothing_about_time() -> None:
    [task] = savings([{"t": progress(1000, 256, Cost(256, 2048))}]).tasks.values()
    assert (task.left_out, task.saved_s) == (744, None)


def test_a_task_measured_whole_saved_nothing() -> None:
    [task] = savings([{"t": progress(600, 600, Cost(600, 1200, 1200, 12.0))}]).tasks.values()
    assert (task.left_out, task.saved_s) == (0, 0.0)
