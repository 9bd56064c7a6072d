"""The gate on a contest: by the whole interval, and never on the word of a judge that is unfit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.checks.judge.comparison import JudgeComparison
from harness.gates import BoundRule, Measurement
from harness.judges.judgements import judge_task
from harness.metrics.base import Metric
from harness.records import Estimate, Verdict
from harness.runs.gate_names import gate_name
from harness.stats.win_rate import tally

_EVEN = 0.5


@dataclass(frozen=True)
class NotWorse:
    """Not worse than the opponent by more than a margin.

    Attributes:
        margin: how far below one half the win rate may lie; of ratings, how much may be lost of 1 to 10.
    """

    contest: JudgeComparison
    margin: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass, fail or inconclusive by the interval; inconclusive too for an unfit judge or a spent budget."""
        contest = self.contest
        if contest.obstacle:
            verdict = self._undecided(confidence)
        elif contest.limits.mode == "rubric":
            verdict = self._by_rating(confidence)
        else:
            verdict = self._by_win_rate(confidence)
        details = {**verdict.details, "judge health": contest.health.table(), "judging": contest.usage()}
        return replace(verdict, details=details)

    @property
    def _metric(self) -> str:
        return "rating" if self.contest.limits.mode == "rubric" else "win_rate"

    def _undecided(self, confidence: float) -> Verdict:
        contest = self.contest
        return Verdict(
            gate=gate_name(self._metric, "not_worse", task=contest.task),
            outcome="inconclusive",
            reason=contest.obstacle,
            task=judge_task(contest.task),
            metric=self._metric,
            kind="not_worse",
            rule=f"not worse than the {contest.against} by more than {self.margin:g}",
            open_because=("obstacle",),
            n=len(contest.understood) or None,
            confidence=confidence,
            remedy=contest.remedy,
        )

    def _by_win_rate(self, confidence: float) -> Verdict:
        contest = self.contest
        counts = tally(contest.preferences)
        warning, controlled = self._length_control(confidence)

        def level(rate: Estimate) -> str:
            ends = f"between {_share(rate.ends[0])} and {_share(rate.ends[1])}"
            score = f"({counts.wins} won, {counts.ties} tied, {counts.losses} lost)"
            return f"preferred to the {contest.against} {_share(rate.value)} of the time, {ends} {score}"

        rule = BoundRule(
            name="win_rate",
            kind="at_least",
            threshold=_EVEN - self.margin,
            measure=contest.win_rate,
            level=level,
            bound=_share,
            task=contest.task,
            higher_is_better=True,
            needs="judge more answers (a larger profile or limit)",
            notes=(warning,),
            details={"by category": contest.categories(), **controlled},
        )
        return replace(rule.decide(confidence=confidence), task=judge_task(contest.task))

    def _length_control(self, confidence: float) -> tuple[str, Mapping[str, Any]]:
        controlled = self.contest.length_controlled(confidence)
        if controlled is None:
            return "", {"length control": "impossible: all answers differ in length by the same amount"}
        one = controlled.interval
        facts = {
            "length-controlled win rate": one.value,
            "between": [one.low, one.high],
            "log-odds for length": controlled.length_weight,
        }
        warning = f"at equal lengths {_share(one.value)}: length may be what the judge prefers"
        return warning if controlled.parts_from_raw else "", {"length control": facts}

    def _by_rating(self, confidence: float) -> Verdict:
        contest = self.contest
        ours, theirs = contest.ratings()
        questions = [one.duel.question for one in contest.understood]
        measurement = Measurement(
            metric=Metric("rating"),
            task=contest.task,
            slice={},
            item_ids=tuple(question.id for question in questions),
            candidate=np.array(ours),
            base=np.array(theirs),
            clusters=tuple(contest.clusters),
            tags=tuple({"category": question.category} for question in questions),
            targets=(None,) * len(questions),
            candidate_parsed=(None,) * len(questions),
            base_parsed=(None,) * len(questions),
        )
        return replace(
            measurement.non_inferior(self.margin).decide(confidence=confidence), task=judge_task(contest.task)
        )


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"
