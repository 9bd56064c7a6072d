"""Health of a judge, measured on pairs of which the better answer is known, before any verdict rests on it.

Judges prefer the first answer, the longer one and their own kind (Zheng et al. 2023, arXiv 2306.05685, section 3.3), so
the gold pairs are put in both orders, and the base is put against itself. A judge is fit where nothing is shown against it
and what it has to prove is shown (`harness.judges.requirements`); where its gold pairs do not tell, it is not trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.config import Judging
from harness.config.budget import BUDGET_REMEDY
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import UndecidedError
from harness.judges.judgements import Judgement, PairwiseJudgement
from harness.judges.requirements import CHANCE, Finding, find, share
from harness.records import Cause, Verdict
from harness.stats import Interval, cohens_kappa, mean_interval, paired_binary_difference, wilson
from harness.stats.win_rate import win_rate

MIN_PAIRS = 20
_STRICT = "strict_accuracy"


@dataclass(frozen=True)
class Health:
    """How fit a judge is to judge.

    Attributes:
        gold: name of the gold pairs it judged.
        measures: name -> value with its interval; what could not be measured is missing.
        categories: accuracy by kind and category of the gold pairs.
        defects: what is shown against it, with numbers.
        stopped: why it did not judge them all; empty where it did.
        read_from: how its verdicts were read, in words.
        undecided: what its gold pairs neither show nor rule out, with numbers.
        findings: measure -> how it stands to its limit.
        pairs_needed: gold pairs that would tell; None where nothing is open, or they are beyond reach.
    """

    gold: str
    measures: Mapping[str, Interval]
    categories: Mapping[str, Mapping[str, float | int | None]]
    defects: tuple[str, ...]
    stopped: str = ""
    read_from: str = ""
    undecided: tuple[str, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    pairs_needed: int | None = None

    @property
    def obstacle(self) -> str:
        """Why no verdict may rest on this judge; empty where one may."""
        if self.stopped:
            return self.stopped
        if self.defects:
            return f"judge unfit: {'; '.join(filter(None, (*self.defects, self._strictly)))}"
        if self.undecided:
            return f"judge not shown to be fit: {'; '.join(filter(None, (*self.undecided, self._strictly)))}"
        return ""

    def table(self) -> dict[str, dict[str, float | int | str]]:
        """Measure -> value, interval, n and how it stands to its limit, for the report."""
        return {
            name.replace("_", " "): {
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "n": one.n,
                "outcome": self.findings[name].outcome if name in self.findings else "no limit",
            }
            for name, one in self.measures.items()
        }

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass for a fit judge, else inconclusive: an unfit judge says nothing against the candidate."""
        accuracy = self.measures.get("accuracy")
        return Verdict(
            gate="fit",
            outcome="inconclusive" if self.obstacle else "pass",
            reason=self.obstacle or self._fit,
            kind="fit",
            rule="better than chance, within the limits of `judge:`",
            open_because=self._open_because,
            n=accuracy.n if accuracy else None,
            method="gold pairs in both orders",
            confidence=confidence,
            remedy=self.remedy,
            details={
                "health": self.table(),
                "gold pairs by category": dict(self.categories),
                **({"gold pairs needed": self.pairs_needed} if self.undecided else {}),
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
        if self.defects:
            return "name a stronger judge with --judge, or leave the judge suite out"
        if self.pairs_needed is None:
            return (
                "name a stronger judge with --judge: no number of gold pairs within reach tells whether this one is fit"
            )
        where = "a larger profile or limit, or a file of your own in judge.gold"
        return f"try it on about {self.pairs_needed} gold pairs ({where}), or name a stronger judge with --judge"

    @property
    def _open_because(self) -> tuple[Cause, ...]:
        if not self.obstacle:
            return ()
        return ("interval",) if self.undecided and not (self.stopped or self.defects) else ("obstacle",)

    @property
    def _fit(self) -> str:
        accuracy = self.measures.get("accuracy")
        if accuracy is None:
            return "judge is fit, and keeps its limits"
        doubts = [one.said for one in self.findings.values() if one.outcome == "inconclusive"]
        about = f"judge agrees with {share(accuracy.value)} of the {self.gold} pairs, and keeps its limits"
        return "; ".join(filter(None, (about, self._strictly, *doubts)))

    @property
    def _strictly(self) -> str:
        """Accuracy as others report it."""
        strict = self.measures.get(_STRICT)
        if strict is None:
            return ""
        return (
            f"ties and unread pairs counted as wrong, it agrees with {share(strict.value)} of all {strict.n} gold pairs"
        )


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
    measures: dict[str, Interval] = {}
    if judged:
        measures["parse_failures"] = _parse_failures(judged)
        measures[_STRICT] = wilson([_strictly_right(one) for one in judged])
    understood = [one for one in judged if one.preference is not None]
    compared = [one for one in understood if isinstance(one, PairwiseJudgement)]
    if compared:
        measures["swap_consistency"] = wilson([float(one.consistent or False) for one in compared])
    if leanings := [lean for one in compared if (lean := _leaning(one)) is not None]:
        measures["first_position"] = _first_position(leanings)
    if len(understood) >= MIN_PAIRS:
        measures["accuracy"] = mean_interval([_right(one) for one in understood])
        labels = [(_label(one), one.pair.gold or "tie") for one in understood]
        if len(set(labels)) > 1:  # kappa is not defined where all say one thing
            measures["kappa"] = cohens_kappa([said for said, _ in labels], [gold for _, gold in labels])
    health = Health(gold, measures, _categories(judged), (), stopped, read_from)
    return health if stopped else _found(health, find(measures, limits, len(understood)), len(understood))


def _found(health: Health, findings: Mapping[str, Finding], understood: int) -> Health:
    undecided = [one for one in findings.values() if one.is_open]
    said = [one.said for one in undecided]
    needed = [one.pairs_needed for one in undecided]
    if understood < MIN_PAIRS:
        said = [f"{understood} gold pairs could be judged, and at least {MIN_PAIRS} are needed"]
        needed = [MIN_PAIRS]
    reachable = [count for count in needed if count is not None]
    return replace(
        health,
        findings=findings,
        defects=tuple(one.said for one in findings.values() if one.outcome == "fail"),
        undecided=tuple(said),
        pairs_needed=max(reachable) if needed and len(reachable) == len(needed) else None,
    )


def with_null(health: Health, judged: Sequence[Judgement], limits: Judging, *, stopped: str = "") -> Health:
    """Health with the base's win rate over itself added: two answers drawn from one model are equally good."""
    preferences = [one.preference for one in judged if one.preference is not None]
    if stopped or len(preferences) < 2:
        return replace(health, stopped=stopped)
    null = {"base_against_base": win_rate(preferences)}
    found = find(null, limits, len(preferences))
    defects = (*health.defects, *(one.said for one in found.values() if one.outcome == "fail"))
    return replace(health, measures={**health.measures, **null}, findings={**health.findings, **found}, defects=defects)


def _parse_failures(judged: Sequence[Judgement]) -> Interval:
    asked = [(float(o.verdict.value is None), one.pair.question.id) for one in judged for o in one.replies]
    return wilson([failed for failed, _ in asked], clusters=[pair for _, pair in asked])


def _leaning(judged: PairwiseJudgement) -> int | None:
    """Verdicts for the answer shown first less those for the other; None where both orders are a tie."""
    said = [reply.verdict.label for reply in judged.replies]
    return said.count("1") - said.count("2") if {"1", "2"} & {*said} else None


def _first_position(leanings: Sequence[int]) -> Interval:
    """How often the answer shown first is preferred: one half where as many pairs lean to it as to the other.

    Its interval is that of the paired difference, which has a width also where no pair leans to either.
    """
    lean = paired_binary_difference([float(one < 0) for one in leanings], [float(one > 0) for one in leanings])
    value, low, high = (CHANCE + end / 2 for end in (lean.value, lean.low, lean.high))
    return replace(lean, value=value, low=low, high=high, standard_error=lean.standard_error / 2, p_value=None)


def _label(judged: Judgement) -> str:
    preference = judged.preference
    if preference is None or preference == CHANCE:
        return "tie"
    return "1" if preference > CHANCE else "2"


def _right(judged: Judgement) -> float:
    """1 where the judge says what the gold label says, 0.5 for a tie of either, 0 for the opposite."""
    said, gold = _label(judged), judged.pair.gold
    return 1.0 if said == gold else CHANCE if "tie" in (said, gold) else 0.0


def _strictly_right(judged: Judgement) -> float:
    """1 where the judge says what the gold label says, else 0: a tie that is none is wrong, and so is what cannot be read."""
    return float(judged.preference is not None and _label(judged) == judged.pair.gold)


def _categories(judged: Sequence[Judgement]) -> dict[str, dict[str, float | int | None]]:
    groups: dict[str, list[Judgement]] = {}
    for one in judged:
        for name in dict.fromkeys(filter(None, (one.pair.question.source, one.pair.question.category))):
            groups.setdefault(name, []).append(one)
    return {name: _accuracies(group) for name, group in sorted(groups.items())}


def _accuracies(judged: Sequence[Judgement]) -> dict[str, float | int | None]:
    right = [_right(one) for one in judged if one.preference is not None]
    return {
        "n": len(judged),
        "accuracy": float(np.mean(right)) if right else None,
        "strict accuracy": float(np.mean([_strictly_right(one) for one in judged])),
    }
