"""Which suite goes first, and what a broken adapter spares the others: minutes of measuring what cannot be released."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from harness.records import Verdict

if TYPE_CHECKING:
    from harness.plugin.state import State

SUITES = {
    "data": "is the training data fit to train on? Runs first, before anything is trained",
    "integrity": "is the adapter what it claims to be? Runs before all that measures, and spares it where it fails",
    "training": "did the training go well?",
    "task": "does the adapter do what it was trained for?",
    "overfitting": "did training go past what generalises?",
    "forgetting": "what did the adapter cost?",
    "safety": "does the candidate still refuse what its base refused, and answer what it answered?",
    "judge": "does it read better, or worse?",
}
"""Marker -> what the suites that carry it ask."""

_DATA, _INTEGRITY = "data", "integrity"
# What needs no adapter first, then what may save the rest; the others as they come.
_ORDER = {_DATA: 0, _INTEGRITY: 1}
_OTHERS = 2


def mark_by_name(items: Sequence[pytest.Item]) -> None:
    """Mark the tests of suites copied before there were markers, whose files' names told what they are."""
    unmarked = {
        item.path: item.path.stem.removeprefix("test_")
        for item in items
        if item.path.stem in (f"test_{_DATA}", f"test_{_INTEGRITY}")
        and not any(m.name in SUITES for m in item.iter_markers())
    }
    for item in items:
        if item.path in unmarked:
            item.add_marker(unmarked[item.path])
    for path, name in unmarked.items():
        told = f"{path.name} is taken for the {name} suite by its name: write `pytestmark = pytest.mark.{name}` into it"
        warnings.warn(pytest.PytestDeprecationWarning(told), stacklevel=1)


def place(item: pytest.Item) -> int:
    """Where a test that gates stands among the suites."""
    return min((_ORDER.get(marker.name, _OTHERS) for marker in item.iter_markers()), default=_OTHERS)


def note_failures(state: State, item: pytest.Item, verdicts: list[Verdict]) -> None:
    """Remember, and tell the other processes of this run, that an integrity gate failed or could not be measured."""
    if item.get_closest_marker(_INTEGRITY) is not None:
        broken = [verdict.gate for verdict in verdicts if verdict.outcome in ("fail", "error")]
        if broken and not state.failed_integrity():
            state.keep_failed_integrity(broken[0])


def skip_if_broken(state: State, item: pytest.Item) -> None:
    """Skip a test that gates in another suite where integrity has failed, unless told to keep going.

    Of parallel workers each knows what any of them has found by then.
    """
    if place(item) < _OTHERS or state.settings.keep_going:
        return
    gate = state.failed_integrity()
    if gate:
        pytest.skip(f"integrity failed: {gate} (--keep-going measures on)")
