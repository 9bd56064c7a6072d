"""Is any part of the items left behind? By what their targets are: the function called, the label, type, length, language.

A function of eight that is always called with a wrong argument costs the mean a few points. So each slice has two floors of
its own: a share of what the other items reach, and the loss against the base that is tolerable. It is below one of them only
where both of these are shown, each corrected over the slices:

- its items are below the floor. With 0/1 scores by the exact binomial test; with others that have bounds by betting
  (`harness.stats.betting`). It is said of the phrasings, passages or templates at hand, whatever others would do;
- it is no chance which of these are in the slice: clusters (items, where there are none) below the floor are more often in it
  than among the others, by Fisher's exact test.

Slices so small that not even all wrong answers would show anything are not tested, and not paid for in the correction (Tarone).
`benchmarks/slices.py` counts false alarms and faults found.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.stats import binom, hypergeom

from harness.gates import Comparison, Measurement
from harness.gates.kinds import NEEDS_ITEMS
from harness.gates.sequential_comparison import SequentialComparison
from harness.gates.slices import MIN_ITEMS, Values, as_tables, item_gains, places_of, slice_table
from harness.gates.wording import Wording
from harness.records import Outcome, Verdict
from harness.runs.gate_names import gate_name
from harness.stats.arrays import cluster_codes
from harness.stats.betting import log_capital, log_evidence
from harness.stats.clusters import clustered_variance
from harness.stats.multiplicity import tarone
from harness.tasks.targets import FUNCTION, LABEL, LANGUAGE, LENGTH, TYPE, target_tags

_NAME = "slices"
_SHOWN = 3
_OF_THE_FLOOR: Mapping[str, float] = {FUNCTION: 1.0, LABEL: 1.0, LANGUAGE: 1.0, TYPE: 0.3, LENGTH: 0.3}
"""What a slice has to reach of the floor: long answers are harder to hit than short ones, and text than numbers."""

Places = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def no_slice_is_left_behind(
    answers: Comparison | SequentialComparison, share: float, loss: float
) -> SliceFloors | None:
    """By the task's main metric every slice reaches a share of what the other items do, and loses no more than is tolerable
    against the base. Slices are formed by what the targets are.

    Args:
        share: smallest share of the other items' level; 0 asks for none.
        loss: largest tolerable loss, in units of the metric.

    Returns:
        None where the targets are all of one kind, no kind has enough items for a slice to be told from chance at 95% confidence,
        or the metric has no score between 0 and 1 for each item.
    """
    whole = answers.whole if isinstance(answers, SequentialComparison) else answers
    measured = whole.metric(whole.task.main_metric)
    metric = measured.metric
    if metric.corpus is not None or metric.range != (0.0, 1.0) or not metric.higher_is_better:
        return None
    slices = slices_of(measured)
    if not slices:
        return None
    floors = SliceFloors(
        measured,
        slices,
        share,
        loss,
        remedy="look at the wrong answers of the slice named: an argument, label or spelling that is always the same points to "
        "its training rows. Correct them or add some; where a slice is that hard, set `slice_floor` or `slice_loss` for the task "
        "under `margins: tasks:`",
    )
    return floors if floors.look(0.95).told else None


def slices_of(measured: Measurement) -> dict[tuple[str, str], Places]:
    """Places of the items of each slice: what the target is, and its value."""
    where = places_of(target_tags(measured.targets))
    return {one: places for one, places in where.items() if places.size < measured.n}


@dataclass(frozen=True)
class _Tested:
    """A slice against one floor.

    Attributes:
        level, floor: of its scores, or of its gains over the base.
        p_value: that it is above the floor, or there by chance.
        smallest: the same, were everything in it wrong.
    """

    slice: tuple[str, str]
    n: int
    level: float
    floor: float
    p_value: float
    smallest: float
    others: float

    @property
    def name(self) -> str:
        return "=".join(self.slice)


@dataclass(frozen=True)
class Found:
    """What the gate saw.

    Attributes:
        behind, fallen: below the share of what the others reach; below the loss against the base.
        told: one test of each slice that is large enough for either.
        small: the others.
    """

    behind: Sequence[_Tested]
    fallen: Sequence[_Tested]
    told: Sequence[_Tested]
    small: Sequence[tuple[str, str]]

    @property
    def outcome(self) -> Outcome:
        """Fail where any is below a floor, inconclusive where none is large enough to tell."""
        if self.behind or self.fallen:
            return "fail"
        return "pass" if self.told else "inconclusive"


@dataclass(frozen=True, eq=False)
class SliceFloors:
    """Two floors for every slice of a measurement, as one gate.

    Attributes:
        slices: (tag, value) -> places of its items.
        share, loss: as of `no_slice_is_left_behind`.
        remedy: what to do about one that is below a floor.
    """

    measured: Measurement
    slices: Mapping[tuple[str, str], Places]
    share: float
    loss: float
    remedy: str = ""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Fail where a slice is shown to be below a floor, inconclusive where none is large enough to tell."""
        found = self.look(confidence)
        without_own_tags = replace(self.measured, tags=({},) * self.measured.n, prompts=())
        return Verdict(
            gate=gate_name(self.measured.metric.name, _NAME, task=self.measured.task),
            outcome=found.outcome,
            reason=self._reason(found),
            task=self.measured.task,
            metric=self.measured.metric.name,
            kind="holds",
            rule=f"each slice reaches {self.share:.0%} of the others",
            open_because=("too_few",) if found.outcome == "inconclusive" else (),
            n=self.measured.n,
            method="exact, Tarone",
            confidence=confidence,
            remedy={"fail": self.remedy, "inconclusive": NEEDS_ITEMS}.get(found.outcome, ""),
            details={
                "below_floor": [one.name for one in (*found.behind, *found.fallen)],
                "too_small": ["=".join(one) for one in found.small],
                "slices": as_tables(slice_table(without_own_tags, confidence)),
            },
        )

    def look(self, confidence: float) -> Found:
        """Which slices are below a floor, each of the two floors wrong in at most (1 - confidence) / 2 of all cases."""
        alpha = (1 - confidence) / 2
        levels, gains = self._against_the_others(confidence) if self.share else [], self._against_the_base()
        below, told = [], dict[tuple[str, str], _Tested]()
        for tests in (gains, levels):
            limit = tarone([one.smallest for one in tests], alpha) if tests else 0.0
            told |= {one.slice: one for one in tests if one.smallest <= limit}
            below.append([one for one in tests if one.p_value <= limit])
        return Found(below[1], below[0], list(told.values()), [one for one in self.slices if one not in told])

    def _against_the_others(self, confidence: float) -> list[_Tested]:
        scores, tests, z = self.measured.candidate, [], NormalDist().inv_cdf(0.5 + confidence / 2)
        for one in self.slices:
            others = self._others(one)
            codes = cluster_codes(_of(self.measured.clusters, others), others.size)
            error = math.sqrt(clustered_variance(scores[others], codes)) if codes.max(initial=0) else math.inf
            level = max(0.0, float(scores[others].mean()) - z * error)  # at least so much do the others reach
            tests.append(self._test(one, scores, self.share * _OF_THE_FLOOR[one[0]] * level, (0.0, 1.0)))
        return tests

    def _against_the_base(self) -> list[_Tested]:
        gains = item_gains(self.measured)
        return [] if gains is None else [self._test(one, gains, -self.loss, (-1.0, 1.0)) for one in self.slices]

    def _test(self, one: tuple[str, str], scores: Values, floor: float, bounds: tuple[float, float]) -> _Tested:
        places, rest, clusters = self.slices[one], self._others(one), self.measured.clusters
        own, of_own = scores[places], _of(clusters, places)
        among = _units_below(scores[rest], _of(clusters, rest), floor)
        base = self.measured.base
        worst = (
            np.zeros(places.size) if bounds[0] == 0 or base is None else -base[places]
        )  # only what was right is lost

        def p_value(values: Values) -> float:
            if min(places.size, rest.size) < MIN_ITEMS:
                return 1.0
            return max(_p_below(values, floor, bounds), _p_by_chance(_units_below(values, of_own, floor), among))

        others = float(scores[rest].mean()) if rest.size else 0.0
        return _Tested(one, places.size, float(own.mean()), floor, p_value(own), p_value(worst), others)

    def _others(self, one: tuple[str, str]) -> Places:
        within = np.zeros(self.measured.n, dtype=np.bool_)
        within[self.slices[one]] = True
        return np.flatnonzero(~within)

    def _reason(self, found: Found) -> str:
        words = Wording(self.measured.metric)
        said = self._said(found, words)
        if found.outcome == "pass":
            weakest = min(found.told, key=lambda one: one.level)
            said = [
                f"none of {len(found.told)} slices by what the target is was shown to be left behind; the weakest is "
                f"{weakest.name} at {words.share(weakest.level)}"
            ]
        return "; ".join([*said, *_too_small(found)])

    def _said(self, found: Found, words: Wording) -> list[str]:
        said = [
            f"{one.name} reaches {words.share(one.level)} on {one.n} items, where the others reach {words.share(one.others)} "
            f"(at least {words.share(one.floor)} required)"
            for one in sorted(found.behind, key=lambda one: one.level)[:_SHOWN]
        ]
        said += [
            f"{one.name} {words.moved(one.level)} on {one.n} items against the base, where the others {words.moved(one.others)} "
            f"({words.amount(self.loss)} allowed)"
            for one in sorted(found.fallen, key=lambda one: one.level)[:_SHOWN]
        ]
        more = len(found.behind) + len(found.fallen) - len(said)
        return [*said, f"and {more} more"] if more > 0 else said


def _too_small(found: Found) -> list[str]:
    if not found.small:
        return []
    names = ", ".join("=".join(one) for one in found.small[:_SHOWN])
    more = f" and {len(found.small) - _SHOWN} more" if len(found.small) > _SHOWN else ""
    lead = "too small to tell"
    if found.outcome == "inconclusive":
        lead = "every slice by what the target is is too small to tell, or the others reach too little"
    return [f"{lead}: {names}{more}"]


def _of(clusters: tuple[Hashable, ...] | None, places: Places) -> tuple[Hashable, ...] | None:
    return None if clusters is None else tuple(clusters[place] for place in places)


def _units_below(scores: Values, clusters: Any, floor: float) -> tuple[int, int]:
    """How many clusters have a mean below the floor, and how many there are."""
    codes = cluster_codes(clusters, scores.size)
    means = np.bincount(codes, weights=scores) / np.bincount(codes)
    return int((means < floor).sum()), means.size


def _p_below(scores: Values, floor: float, bounds: tuple[float, float]) -> float:
    """p-value of "the mean is at the floor or above" for independent scores within bounds."""
    low, high = bounds
    if not low < floor < high:
        return 1.0
    if np.isin(scores, bounds).all():
        return float(binom.cdf((scores == high).sum(), scores.size, (floor - low) / (high - low)))
    return float(np.exp(-max(0.0, log_evidence(log_capital(-scores, -floor, -high)).max())))


def _p_by_chance(own: tuple[int, int], others: tuple[int, int]) -> float:
    """p-value of as many units below the floor within the slice, were it chance which ones are in it (Fisher)."""
    below, units = own
    return float(hypergeom.sf(below - 1, units + others[1], below + others[0], units))
