"""The judge's comparison of candidate and opponent (base, baseline or reference answers), and the gate on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.config import Judging, Thresholds
from harness.config.budget import BUDGET_REMEDY, Prices, Tokens
from harness.errors import AssayError, RunError
from harness.gates import BoundRule, Measurement
from harness.judges.health import Health
from harness.judges.judgements import MODES, Judgement, judge_task
from harness.metrics.base import Metric
from harness.records import Estimate, Verdict
from harness.runs.gate_names import gate_name
from harness.stats import Interval
from harness.stats.length_control import LengthControlled, LengthsConfounded, length_controlled_win_rate
from harness.stats.win_rate import tally, win_rate

if TYPE_CHECKING:
    from harness.gates import Gateable

_MIN_CLUSTERS = 2
_EVEN = 0.5


class JudgeComparisonError(AssayError):
    """The judge did not give what was asked of its comparison."""


@dataclass(frozen=True)
class JudgeComparison:
    """The judge's preferences or ratings on the answers to one task, and its health.

    Attributes:
        judged: answer pairs of candidate (`a`) and opponent (`b`); empty where the judge is unfit, for then it was not asked.
        stopped: why the judge was not asked about all; empty where it was.
        unpaired: why the opponent's stored answers cannot be held against the candidate's; None where they can.
    """

    task: str
    against: str
    judged: Sequence[Judgement]
    health: Health
    limits: Judging
    stopped: str = ""
    unpaired: RunError | None = None
    prices: Prices | None = None

    @property
    def rates(self) -> bool:
        """Whether answers were rated one by one, rather than compared in pairs."""
        return MODES[self.limits.mode].score == "rating"

    @property
    def understood(self) -> list[Judgement]:
        """The answer pairs whose judgements could be read, and identical answers."""
        return [one for one in self.judged if one.preference is not None]

    @property
    def preferences(self) -> list[float]:
        """One number for each of `understood`: 1 the candidate is preferred, 0 the opponent, 0.5 a tie."""
        return [one.preference for one in self.understood if one.preference is not None]

    @property
    def clusters(self) -> list[str]:
        """One label for each of `understood`: turns of one conversation are not independent."""
        return [one.pair.question.cluster or one.pair.question.id for one in self.understood]

    @property
    def obstacle(self) -> str:
        """Why nothing can be decided from this: judge, opponent or budget; empty where something can."""
        if self.health.obstacle or self.stopped:
            return self.health.obstacle or self.stopped
        if self.unpaired is not None:
            return self.unpaired.problem
        unread = len(self.judged) - len(self.understood)  # a count of what is missing, no estimate: it has no interval
        if unread > self.limits.parse_failures * len(self.judged):
            allowed = f"at most {100 * self.limits.parse_failures:.1f}% allowed"
            return f"judge unfit: {unread} of {len(self.judged)} judgements hold no readable verdict ({allowed})"
        if len(set(self.clusters)) < _MIN_CLUSTERS:
            return f"only {len(self.understood)} answers could be judged, and a decision needs at least {_MIN_CLUSTERS}"
        return ""

    @property
    def remedy(self) -> str:
        """What to do about the obstacle."""
        if self.health.obstacle:
            return self.health.remedy
        if self.unpaired is not None:
            return self.unpaired.remedy
        return BUDGET_REMEDY if self.stopped else "judge more answers (a larger profile or limit), or by another judge"

    def win_rate(self, confidence: float = 0.95) -> Interval:
        """The candidate's win rate, ties as halves, with an interval by bootstrap over prompts."""
        return win_rate(self.preferences, clusters=self.clusters, confidence=confidence)

    def length_controlled(self, confidence: float = 0.95) -> LengthControlled | None:
        """The win rate if answers were equally long; None where all answers differ in length by the same amount."""
        lengths = [(len(one.pair.a[-1]), len(one.pair.b[-1])) for one in self.understood]
        candidate, opponent = zip(*lengths, strict=True)
        try:
            return length_controlled_win_rate(
                self.preferences, candidate, opponent, clusters=self.clusters, confidence=confidence
            )
        except LengthsConfounded:
            return None

    def not_worse(self, margins: Thresholds) -> Gateable:
        """The gate: not worse than the opponent, by win rate, or by rating where the judge rates."""
        return NotWorse(self, margins.rating if self.rates else margins.win_rate)

    def categories(self) -> dict[str, dict[str, float | int]]:
        """Category, and source where there are several -> n, win rate, wins, ties, losses."""
        groups: dict[str, list[float]] = {}
        for one, preference in zip(self.understood, self.preferences, strict=True):
            question = one.pair.question
            for name in dict.fromkeys(filter(None, (question.source, question.category))):
                groups.setdefault(name, []).append(preference)
        return {
            name: {"n": len(values), "win rate": float(np.mean(values)), **vars(tally(values))}
            for name, values in sorted(groups.items())
        }

    def usage(self) -> dict[str, Any]:
        """How often the judge was asked, and what that cost, now and when it was first answered."""
        replies = [reply for one in self.judged for reply in one.replies]
        new = sum((reply.tokens for reply in replies if not reply.cached), Tokens())
        kept = sum((reply.tokens for reply in replies if reply.cached), Tokens())
        facts: dict[str, Any] = {
            "judgements": len(replies),
            "identical answers, not asked about": sum(one.pair.identical for one in self.judged),
            "prompt tokens": new.prompt,
            "completion tokens": new.completion,
            "tokens from the cache": kept.total,
        }
        return facts if self.prices is None else {**facts, "cost in USD": round(self.prices.cost_usd(new), 4)}

    def ratings(self) -> tuple[list[float], list[float]]:
        """Candidate's and opponent's ratings, 1 to 10.

        Raises:
            JudgeComparisonError: the judge compared them in pairs.
        """
        pairs = [one.values for one in self.understood if one.score == "rating" and one.values is not None]
        if len(pairs) < len(self.understood):
            raise JudgeComparisonError("these answers were compared in pairs, not rated", "set judge.mode to rubric")
        return [a for a, _ in pairs], [b for _, b in pairs]


@dataclass(frozen=True)
class NotWorse:
    """The gate that the candidate is not worse than its opponent by more than a margin.

    Attributes:
        margin: how far below one half the win rate may lie; of ratings, how much may be lost of 1 to 10.
    """

    comparison: JudgeComparison
    margin: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass, fail or inconclusive by the interval; inconclusive too for an unfit judge or a spent budget."""
        comparison = self.comparison
        if comparison.obstacle:
            verdict = self._undecided(confidence)
        elif comparison.rates:
            verdict = self._by_rating(confidence)
        else:
            verdict = self._by_win_rate(confidence)
        details = {**verdict.details, "judge health": comparison.health.table(), "judging": comparison.usage()}
        return replace(verdict, task=judge_task(comparison.task), details=details)

    def _undecided(self, confidence: float) -> Verdict:
        comparison = self.comparison
        metric = "rating" if comparison.rates else "win_rate"
        return Verdict(
            gate=gate_name(metric, "not_worse", task=comparison.task),
            outcome="inconclusive",
            reason=comparison.obstacle,
            metric=metric,
            kind="not_worse",
            rule=f"not worse than the {comparison.against} by more than {self.margin:g}",
            open_because=("obstacle",),
            n=len(comparison.understood) or None,
            confidence=confidence,
            remedy=comparison.remedy,
        )

    def _by_win_rate(self, confidence: float) -> Verdict:
        comparison = self.comparison
        counts = tally(comparison.preferences)
        warning, controlled = self._length_control(confidence)

        def level(rate: Estimate) -> str:
            ends = f"between {_share(rate.ends[0])} and {_share(rate.ends[1])}"
            score = f"({counts.wins} won, {counts.ties} tied, {counts.losses} lost)"
            return f"preferred to the {comparison.against} {_share(rate.value)} of the time, {ends} {score}"

        return BoundRule(
            name="win_rate",
            kind="at_least",
            threshold=_EVEN - self.margin,
            measure=comparison.win_rate,
            level=level,
            bound=_share,
            task=comparison.task,
            higher_is_better=True,
            needs="judge more answers (a larger profile or limit)",
            notes=(warning,),
            details={"by category": comparison.categories(), **controlled},
        ).decide(confidence=confidence)

    def _length_control(self, confidence: float) -> tuple[str, Mapping[str, Any]]:
        """What length does to the win rate, where that has to be told, and the length-controlled win rate as details."""
        controlled = self.comparison.length_controlled(confidence)
        if controlled is None:
            return "", {"length control": "impossible: all answers differ in length by the same amount"}
        rate = controlled.interval
        facts = {
            "length-controlled win rate": rate.value,
            "between": [rate.low, rate.high],
            "log-odds for length": controlled.length_weight,
            "ratio of mean lengths": controlled.length_ratio if math.isfinite(controlled.length_ratio) else None,
            "extrapolates": controlled.extrapolates,
        }
        return self._of_length(controlled), {"length control": facts}

    def _of_length(self, controlled: LengthControlled) -> str:
        rate = _share(controlled.interval.value)
        if controlled.extrapolates:
            against, seen = self.comparison.against, controlled.length_ratio
            longer = f"answers are {seen:.2f} times as long as those of the {against}"
            if not math.isfinite(seen):
                longer = f"answers are held against empty ones of the {against}"
            if controlled.one_sided:
                longer += f", and {'longer' if seen > 1 else 'shorter'} at every prompt"
            return f"{longer}: the correction to {rate} at equal lengths extrapolates and decides nothing"
        warning = f"at equal lengths {rate}: length may be what the judge prefers"
        return warning if controlled.parts_from_raw else ""

    def _by_rating(self, confidence: float) -> Verdict:
        comparison = self.comparison
        candidate, opponent = comparison.ratings()
        questions = [one.pair.question for one in comparison.understood]
        measurement = Measurement(
            metric=Metric("rating"),
            task=comparison.task,
            slice={},
            item_ids=tuple(question.id for question in questions),
            candidate=np.array(candidate),
            base=np.array(opponent),
            clusters=tuple(comparison.clusters),
            tags=tuple({"category": question.category} for question in questions),
            targets=(None,) * len(questions),
            candidate_parsed=(None,) * len(questions),
            base_parsed=(None,) * len(questions),
        )
        return measurement.non_inferior(self.margin).decide(confidence=confidence)


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"
