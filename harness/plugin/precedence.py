"""Which suite goes first, and what a broken adapter spares the others: minutes of measuring what cannot be released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.runs.schema import Verdict

if TYPE_CHECKING:
    from harness.plugin.state import State

_DATA, _INTEGRITY = "test_data.py", "test_integrity.py"
_OTHERS = 2
# What needs no adapter first, then what may save the rest; the others as they come.
_ORDER = {_DATA: 0, _INTEGRITY: 1}


def place(item: pytest.Item) -> int:
    """Where a test that gates stands among the suites."""
    return _ORDER.get(item.path.name, _OTHERS)


def note_failures(state: State, item: pytest.Item, verdicts: list[Verdict]) -> None:
    """Remember, and tell the other processes of this run, that an integrity gate failed or could not be measured."""
    if item.path.name == _INTEGRITY:
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
