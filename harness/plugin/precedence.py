"""Which suite goes first, and what a broken adapter spares the others: minutes of measuring what cannot be released."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.plugin.state import State
    from harness.records import Verdict

SUITES = {
    "data": "is the training data fit to train on? Runs first, before anything is trained",
    "integrity": "is the candidate what it claims to be? Runs before all that measures, and spares it where it fails",
    "training": "did the training go well?",
    "task": "does the candidate do what it was trained for?",
    "overfitting": "did training go past what generalises?",
    "forgetting": "what did the training cost?",
    "safety": "does the candidate still refuse what its base refused, and answer what it answered?",
    "merge": "is a merge no worse than each of those that it was made of?",
    "release": "is the file that ships still the candidate that was approved?",
    "serving": "does the server answer as the candidate that was measured here?",
    "judge": "does it read better, or worse?",
}
"""Marker -> the question of the suites that carry it."""

SPARED: pytest.StashKey[tuple[str, str]] = pytest.StashKey()
"""Of a test that was not run, the gate whose failure spared it, and its suite."""

_FIRST = ("data", "integrity")
"""What needs no adapter, then what may save the rest; the other suites as they come."""


def mark_by_name(items: Sequence[pytest.Item]) -> None:
    """Mark the tests of suites copied before there were markers, whose file names said what they are."""
    by_name = {f"test_{name}": name for name in _FIRST}
    unmarked = [
        item
        for item in items
        if item.path.stem in by_name and not any(marker.name in SUITES for marker in item.iter_markers())
    ]
    for item in unmarked:
        item.add_marker(by_name[item.path.stem])
    for path in dict.fromkeys(item.path for item in unmarked):
        name = by_name[path.stem]
        text = f"{path.name} is taken for the {name} suite by its name: write `pytestmark = pytest.mark.{name}` into it"
        warnings.warn(pytest.PytestDeprecationWarning(text), stacklevel=1)


def rank(item: pytest.Item) -> int:
    """The place of a test that gates in the order of suites."""
    ranks = (_FIRST.index(marker.name) for marker in item.iter_markers() if marker.name in _FIRST)
    return min(ranks, default=len(_FIRST))


def note_failures(state: State, item: pytest.Item, verdicts: Sequence[Verdict]) -> None:
    """Remember, and tell the other processes of this run, that an integrity gate failed or could not be measured."""
    if item.get_closest_marker("integrity") is not None:
        broken = [verdict.gate for verdict in verdicts if verdict.bearing in ("fail", "error")]
        if broken and not state.failed_integrity():
            state.keep_failed_integrity(broken[0])


def skip_if_broken(state: State, item: pytest.Item) -> None:
    """Skip a test that gates in another suite where integrity has failed, unless told to keep going.

    Of parallel workers each knows what any of them has found by then.
    """
    if rank(item) < len(_FIRST) or state.settings.keep_going:
        return
    if gate := state.failed_integrity():
        suite = next((marker.name for marker in item.iter_markers() if marker.name in SUITES), "")
        item.stash[SPARED] = (gate, suite or item.path.stem.removeprefix("test_"))
        pytest.skip(f"integrity failed: {gate} (--keep-going measures on)")
