"""The zoo's table, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.zoo.exhibits import Exhibit
from benchmarks.zoo.running import Outcome

_COLUMNS = (
    "planted fault",
    "gate that must catch it",
    "caught",
    "other gates that fired",
    "undecided",
    "making s",
    "gates s",
)
_TIMES = ("gate", "adapters", "median s", "longest s")
_SHOWN = 4


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


HEADER = f"{_line(_COLUMNS)}\n{_line(['---'] * len(_COLUMNS))}"


def row(outcome: Outcome, making_s: float) -> str:
    """One exhibit's row."""
    others = [f"**{gate}**" if gate in outcome.wrongly else gate for gate in outcome.others]
    return _line([
        outcome.exhibit.name,
        outcome.exhibit.due,
        _said(outcome),
        _some(others),
        str(len(outcome.undecided) or ""),
        f"{making_s:.0f}",
        f"{outcome.seconds:.1f}",
    ])  # fmt: skip


def left_out(exhibit: Exhibit, why: str) -> str:
    """The row of one that could not be made here."""
    return _line([exhibit.name, exhibit.due, f"left out: {why}", *[""] * (len(_COLUMNS) - 3)])


def listing(exhibits: Sequence[Exhibit]) -> str:
    """Names, and the gates that are due."""
    width = max(len(exhibit.name) for exhibit in exhibits)
    return "\n".join(f"{exhibit.name:<{width}}  {exhibit.due}" for exhibit in exhibits)


def score(outcomes: Sequence[Outcome]) -> str:
    """The last line: `caught=N/N false_alarms=0/M`."""
    faulty = [outcome for outcome in outcomes if not outcome.exhibit.healthy]
    healthy = [outcome for outcome in outcomes if outcome.exhibit.healthy]
    caught, alarms = sum(o.right for o in faulty), sum(not o.right for o in healthy)
    return f"caught={caught}/{len(faulty)} false_alarms={alarms}/{len(healthy)}"


def times(outcomes: Sequence[Outcome]) -> str:
    """How long each gate took, over the adapters that it was put to."""
    of_gates: dict[str, list[float]] = {}
    for outcome in outcomes:
        for gate, seconds in outcome.gate_seconds.items():
            of_gates.setdefault(gate, []).append(seconds)
    lines = [
        _line([gate, str(len(taken)), f"{median(taken):.1f}", f"{max(taken):.1f}"])
        for gate, taken in sorted(of_gates.items())
    ]
    return "\n".join([_line(_TIMES), _line(["---"] * len(_TIMES)), *lines])


def _said(outcome: Outcome) -> str:
    if outcome.exhibit.healthy:
        return f"let through by {outcome.gates} gates" if outcome.right else "**REJECTED**"
    if outcome.wrongly and outcome.catching:
        return "**NO**: with a gate that had to stay quiet"
    return f"yes{_taken(outcome)}" if outcome.right else "**NO**"


def _taken(outcome: Outcome) -> str:
    seconds = [outcome.gate_seconds[gate] for gate in outcome.catching if gate in outcome.gate_seconds]
    return f", {min(seconds):.1f} s" if seconds else ""


def _some(gates: Sequence[str]) -> str:
    more = len(gates) - _SHOWN
    return ", ".join(gates[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
