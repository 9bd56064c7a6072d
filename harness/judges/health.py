"""Health of a judge, measured on pairs of which the better answer is known, before any verdict rests on it.

Judges prefer the first answer, the longer one and their own kind (Zheng et al. 2023, arXiv 2306.05685, section 3.3), so
the gold pairs are put in both orders, and the base is put against itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.config import Judging
from harness.config.budget import BUDGET_REMEDY
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import UndecidedError
from harness.judges.judgements import Judgement, PairwiseJudgement
from harness.records import Verdict
from harness.stats import Interval, cohens_kappa, mean_interval, wilson
from harness.stats.win_rate import win_rate

MIN_PAIRS = 20
_CHANCE = 0.5


@dataclass(frozen=True)
class Health:
    """How fit a judge is to judge.

    Attributes:
        gold: name of the gold pairs it judged.
        measures: name -> value with its interval; what could not be measured is missing.
        categories: accuracy by kind and category of the gold pairs.
        defects: why it is unfit, with numbers; empty for a judge that is fit.
        stopped: why it did not judge them all; empty where it did.
        read_from: how its verdicts were read, in words.
    """

    gold: str
    measures: Mapping[str, Interval]
    categories: Mapping[str, Mapping[str, float | int]]
    defects: tuple[str, ...]
    stopped: str = ""
    read_from: str = ""

    @property
    def obstacle(self) -> str:
        """Why no verdict may rest on this judge; empty where one may."""
        return self.stopped or (f"judge unfit: {'; '.join(self.defects)}" if self.defects else "")

    def table(self) -> dict[str, dict[str, float | int]]:
        """Measure -> value, interval and n, for the report."""
        return {
            name.replace("_", " "): {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
            for name, one in self.measures.items()
        }

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass for a fit judge, else inconclusive: an unfit judge says nothing against the candidate."""
        accuracy = self.measures.get("accuracy")
        about = f"judge agrees with {_share(accuracy.value)} of the {self.gold} pairs" if accuracy else "judge is fit"
        return Verdict(
            gate="fit",
            outcome="inconclusive" if self.obstacle else "pass",
            reason=self.obstacle or f"{about}, and keeps its limits",
            kind="fit",
            rule="better than chance, within the limits of `judge:`",
            open_because=("obstacle",) if self.obstacle else (),
            n=accuracy.n if accuracy else None,
            method="gold pairs in both orders",
            confidence=confidence,
            remedy=self.remedy,
            details={
                "health": self.table(),
                "gold pairs by category": dict(self.categories),
                **({"verdicts are read from": self.read_from} if self.read_from else {}),
            },
        )

    @property
    def remedy(self) -> str:
        """What to do about the obstacle."""
        if not self.obstacle:
            return ""
        if self.stopped:
            return BUDGET_REMEDY
        return "name a stronger judge with --judge, or leave the judge suite out"


class JudgeUnfitError(UndecidedError):
    """The judge is unfit, or its health is not known: nothing may rest on what it says."""


@dataclass(frozen=True)
class TrustedJudge:
    """The judge for others than the judge suite: it answers only where it is fit.

    Attributes:
        health: found out when it is first asked anything.
    """

    engine: Engine
    health: Callable[[], Health]

    @property
    def identity_digest(self) -> str:
        """Identity of the judge."""
        return self.engine.identity_digest

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterator[tuple[int, Generation]]:
        """Its replies, as `Engine.generate` gives them."""
        health = self.health()
        if health.obstacle:
            raise JudgeUnfitError(health.obstacle, health.remedy)
        yield from self.engine.generate(requests)


def gold_health(
    gold: str, judged: Sequence[Judgement], limits: Judging, *, stopped: str = "", read_from: str = ""
) -> Health:
    """Health of a judge by its judgements of gold pairs.

    Args:
        judged: every gold pair the judge was asked about.
        stopped: why it was not asked about all of them.
        read_from: how its verdicts were read, in words.
    """
    measures: dict[str, Interval] = {"parse_failures": _parse_failures(judged)} if judged else {}
    understood = [one for one in judged if one.preference is not None]
    compared = [one for one in understood if isinstance(one, PairwiseJudgement)]
    if compared:
        measures["swap_consistency"] = wilson([float(one.consistent or False) for one in compared])
    firsts = [
        (float(reply.verdict.label == "1"), one.pair.question.id)
        for one in compared
        for reply in one.replies
        if reply.verdict.label in ("1", "2")
    ]
    if firsts:
        measures["first_position"] = wilson([first for first, _ in firsts], clusters=[pair for _, pair in firsts])
    if len(understood) >= MIN_PAIRS:
        measures["accuracy"] = mean_interval([_right(one) for one in understood])
        labels = [(_label(one), one.pair.gold or "tie") for one in understood]
        if len(set(labels)) > 1:  # kappa is not defined where all say one thing
            measures["kappa"] = cohens_kappa([said for said, _ in labels], [gold for _, gold in labels])
    defects = () if stopped else tuple(_defects(measures, limits, len(understood)))
    return Health(gold, measures, _categories(understood), defects, stopped, read_from)


def with_null(health: Health, judged: Sequence[Judgement], limits: Judging, *, stopped: str = "") -> Health:
    """Health with the base's win rate over itself added: two answers drawn from one model are equally good."""
    preferences = [one.preference for one in judged if one.preference is not None]
    if stopped or len(preferences) < 2:
        return replace(health, stopped=stopped)
    null = win_rate(preferences)
    defects = list(health.defects)
    if abs(null.value - _CHANCE) > limits.null_win_rate and not null.low <= _CHANCE <= null.high:
        seen = f"{_share(null.value)}, between {_share(null.low)} and {_share(null.high)}"
        defects.append(f"lets the base win {seen}, against itself ({_share(limits.null_win_rate)} off a half allowed)")
    return replace(health, measures={**health.measures, "base_against_base": null}, defects=tuple(defects))


def _defects(measures: Mapping[str, Interval], limits: Judging, understood: int) -> list[str]:
    defects = []
    failures = measures.get("parse_failures")
    if failures is not None and failures.value > limits.parse_failures:
        allowed = f"at most {_share(limits.parse_failures)} allowed"
        defects.append(f"{_share(failures.value)} of {failures.n} replies hold no readable verdict ({allowed})")
    if understood < MIN_PAIRS:
        defects.append(f"{understood} gold pairs could be judged, and at least {MIN_PAIRS} are needed")
        return defects
    accuracy, kappa = measures["accuracy"], measures.get("kappa")
    agrees = f"agrees with {_share(accuracy.value)} of {accuracy.n} gold pairs"
    between = f"between {_share(accuracy.low)} and {_share(accuracy.high)}"
    if accuracy.low <= _CHANCE:
        defects.append(f"{agrees}, {between}: no better than chance")
    elif kappa is not None and kappa.value < limits.kappa:
        seen = f"kappa {kappa.value:.2f}, between {kappa.low:.2f} and {kappa.high:.2f} (at least {limits.kappa:g} required)"
        defects.append(f"{agrees}, {seen}")
    consistency, first = measures.get("swap_consistency"), measures.get("first_position")
    if consistency is not None and consistency.value < limits.swap_consistency:
        required = f"at least {_share(limits.swap_consistency)} required"
        defects.append(
            f"both orders name one winner in {_share(consistency.value)} of {consistency.n} pairs ({required})"
        )
    if first is not None and abs(first.value - _CHANCE) > limits.first_position:
        allowed = f"50% give or take {_share(limits.first_position)} allowed"
        defects.append(f"prefers the answer shown first in {_share(first.value)} of {first.n} verdicts ({allowed})")
    return defects


def _parse_failures(judged: Sequence[Judgement]) -> Interval:
    asked = [(float(o.verdict.value is None), one.pair.question.id) for one in judged for o in one.replies]
    return wilson([failed for failed, _ in asked], clusters=[pair for _, pair in asked])


def _label(judged: Judgement) -> str:
    preference = judged.preference
    if preference is None or preference == _CHANCE:
        return "tie"
    return "1" if preference > _CHANCE else "2"


def _right(judged: Judgement) -> float:
    """1 where the judge says what the gold label says, 0.5 for a tie of either, 0 for the opposite."""
    said, gold = _label(judged), judged.pair.gold
    return 1.0 if said == gold else _CHANCE if "tie" in (said, gold) else 0.0


def _categories(judged: Sequence[Judgement]) -> dict[str, dict[str, float | int]]:
    groups: dict[str, list[float]] = {}
    for one in judged:
        for name in dict.fromkeys(filter(None, (one.pair.question.source, one.pair.question.category))):
            groups.setdefault(name, []).append(_right(one))
    return {name: {"n": len(right), "accuracy": float(np.mean(right))} for name, right in sorted(groups.items())}


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"
