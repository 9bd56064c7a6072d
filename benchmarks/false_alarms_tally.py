"""Outcomes of many resamplings, counted and printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from statsmodels.stats.proportion import proportion_confint

OUTCOMES = ("fail", "inconclusive", "pass")


@dataclass
class Tally:
    """Outcomes of gates and of families over resamplings.

    Attributes:
        counts: name -> outcome -> resamplings.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, outcomes: Mapping[str, str]) -> None:
        """Count one resampling: gate -> outcome. An error stops a release as a failure does."""
        told = {name: "fail" if outcome == "error" else outcome for name, outcome in outcomes.items()}
        families: dict[str, list[str]] = {"any": list(told.values())}
        for name, outcome in told.items():
            families.setdefault(name.partition("/")[0], []).append(outcome)
        for name, outcome in [*told.items(), *((name, _worst(all_of)) for name, all_of in families.items())]:
            self.counts.setdefault(name, Counter())[outcome] += 1

    def share(self, name: str, outcome: str) -> tuple[int, int]:
        """How many of how many resamplings."""
        return self.counts[name][outcome], self.counts[name].total()


def may_be_at_most(allowed: float, count: int, total: int, *, tests: int) -> bool:
    """Whether the true share may be what is allowed, at 95% over so many shares together (Bonferroni)."""
    return bool(proportion_confint(count, total, alpha=0.05 / tests, method="wilson")[0] <= allowed)


def print_share(name: str, count: int, total: int, rest: str = "") -> None:
    """One line: the share, its 95% Wilson interval, and out of how many."""
    low, high = proportion_confint(count, total, method="wilson")
    print(f"{name}={count / total:.4f} ({low:.4f} to {high:.4f}){rest} n={total}", flush=True)


def print_outcomes(label: str, tally: Tally, name: str) -> None:
    """One line for the outcomes of a gate or family."""
    others = (
        f" {outcome}={count / total:.4f}" for outcome in OUTCOMES[1:] for count, total in [tally.share(name, outcome)]
    )
    print_share(f"{label}.fail", *tally.share(name, "fail"), rest="".join(others))


def _worst(outcomes: Iterable[str]) -> str:
    """One for all gates: of a release that only passes where all do."""
    return min(outcomes, key=OUTCOMES.index)
