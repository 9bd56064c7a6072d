"""A number about rows trained on that has to keep below a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.gates.scalar import BoundRule
from harness.gates.wording import between
from harness.stats import Interval


def at_most(
    name: str,
    words: str,
    limit: float,
    interval: Callable[[float], Interval],
    *,
    task: str,
    independent: int,
    remedy: str,
    details: Mapping[str, Any],
    percent: bool = False,
    unit: str = "",
    base: float | None = None,
    candidate: float | None = None,
) -> BoundRule:
    """The rule that a number about both models is at most `limit`.

    Args:
        words: what it is, for the reason ("answers are longer than the base's by a factor of").
        interval: confidence -> the quantity with its interval; a ValueError says why it cannot be computed.
        percent: written as percentage points rather than as a number.
        unit: written after the number.
    """

    def number(value: float) -> str:
        return f"{100 * value:.1f} points" if percent else f"{value:.3g} {unit}".rstrip()

    return BoundRule(
        name=name,
        kind="at_most",
        threshold=limit,
        measure=interval,
        seen=lambda estimate: f"{words} {between(estimate, number)}",
        bound=number,
        task=task,
        independent=independent,
        of_both=True,
        base=base,
        candidate=candidate,
        remedy=remedy,
        needs="measure more rows (`overfitting:` in assay.yaml, or a larger profile)",
        details=details,
    )
