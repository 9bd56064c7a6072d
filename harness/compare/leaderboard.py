"""Adapters of several runs on one scale: each met its opponent before the same judge, on the same questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.compare.comparability import judging_differences
from harness.judges.judgements import judge_task, stored_judgements
from harness.records import Sample
from harness.runs.baselines import NamedRun
from harness.runs.comparability import in_words
from harness.runs.run import Run
from harness.runs.samples import select
from harness.stats import Interval
from harness.stats.ratings import Battle, elo_ratings
from harness.tasks.questions import AnswerPair, Question, Reply

BASE, REFERENCE = "base", "reference"


@dataclass(frozen=True)
class LeaderboardEntry:
    """A model on the scale.

    Attributes:
        run: the number of the run whose candidate it is, from 0; None for the base and the reference answers.
        name: what those are called; empty for a candidate.
    """

    run: int | None
    name: str
    rating: Interval


@dataclass(frozen=True)
class Leaderboard:
    """Bradley-Terry ratings on the Elo scale, the best first; the base, where it played, is the anchor at 1000.

    Attributes:
        judge: who judged.
        entries: empty where no common scale could be had.
        left_out: number of a run -> why it is not rated.
        problem: why nothing is; empty where something is.
    """

    task: str
    judge: str
    entries: tuple[LeaderboardEntry, ...]
    left_out: Mapping[int, str]
    problem: str = ""


class _LeftOutError(Exception):
    """A run cannot be rated, for the reason given."""


def make_leaderboards(runs: Sequence[NamedRun]) -> tuple[Leaderboard, ...]:
    """Leaderboard by each task whose answers were judged in at least two of the runs."""
    judged = [_judged_tasks(found.run) for found in runs]
    tasks = dict.fromkeys(task for tasks in judged for task in tasks)
    entered = {task: [i for i, own in enumerate(judged) if task in own] for task in tasks}
    return tuple(_rate(runs, task, places) for task, places in entered.items() if len(places) > 1)


def _rate(runs: Sequence[NamedRun], task: str, entered: Sequence[int]) -> Leaderboard:
    first = runs[entered[0]].run
    battles: list[Battle] = []
    left_out: dict[int, str] = {}
    for run in entered:
        try:
            differing = judging_differences(first, runs[run].run, task)
            if differing:
                raise _LeftOutError(f"{in_words(differing)} differ")
            battles += _battles(runs, run, task)
        except _LeftOutError as reason:
            left_out[run] = str(reason)
    judge = first.manifest.judge.name
    if len(entered) - len(left_out) < 2:
        return Leaderboard(task, judge, (), left_out, "fewer than two runs were judged alike")
    played = {battle.second for battle in battles}
    try:
        ratings = elo_ratings(battles, anchor=BASE if BASE in played else None)
    except ValueError as exc:
        return Leaderboard(task, judge, (), left_out, str(exc))
    entries = [
        LeaderboardEntry(int(name), "", rating) if name.isdecimal() else LeaderboardEntry(None, name, rating)
        for name, rating in ratings.items()
    ]
    return Leaderboard(task, judge, tuple(entries), left_out)


def _battles(runs: Sequence[NamedRun], number: int, task: str) -> list[Battle]:
    """What the judge said of a run's candidate, prompt by prompt; identical answers are a tie."""
    run = runs[number].run
    against = run.manifest.judge.against
    opponent, theirs = _opponent(runs, run, against, task)
    candidate = {sample.item_id: sample for sample in run.read_samples(task=task, role="candidate")}
    pairs = {
        item: AnswerPair(Question(item, (sample.prompt,)), _reply(sample), theirs[item])
        for item, sample in candidate.items()
        if item in theirs
    }
    judged = stored_judgements(run.read_samples(task=judge_task(task), role="judge"), pairs, opponent=against)
    missing = sum(item not in judged and not pair.identical for item, pair in pairs.items())
    if missing or not pairs:
        raise _LeftOutError(f"judged on {len(pairs) - missing} of {len(pairs)} questions only")
    scores = {item: judged[item].preference if item in judged else 0.5 for item in pairs}
    return [
        Battle(candidate[item].cluster or item, str(number), opponent, score)
        for item, score in scores.items()
        if score is not None
    ]


def _opponent(runs: Sequence[NamedRun], run: Run, against: str, task: str) -> tuple[str, dict[str, Reply]]:
    """Whom the candidate met, as battles name it, and what it said by item."""
    if against == BASE:
        return BASE, _replies(run.read_samples(task=task, role="base"))
    if against == REFERENCE:
        targets = ((s, s.target) for s in run.read_samples(task=task, role="candidate"))
        return REFERENCE, {s.item_id: (*_reply(s)[:-1], text) for s, text in targets if isinstance(text, str)}
    name = run.manifest.baseline.run
    number = next((i for i, found in enumerate(runs) if found.run.id == name), None)
    if number is None:
        raise _LeftOutError(f"its opponent, the run {name}, is not among these")
    return str(number), _replies(runs[number].run.read_samples(task=task, role="candidate"))


def _judged_tasks(run: Run) -> set[str]:
    """The tasks whose answers were judged; gold pairs and the base against itself have no answers of a candidate."""
    table = run.read_columns("task", "role")
    asked = select(table, role="judge")["task"].unique().to_pylist()
    return {task for task in select(table, role="candidate")["task"].unique().to_pylist() if judge_task(task) in asked}


def _replies(samples: Iterable[Sample]) -> dict[str, Reply]:
    return {sample.item_id: _reply(sample) for sample in samples}


def _reply(sample: Sample) -> Reply:
    """Of a conversation what was said turn by turn."""
    said = sample.parsed
    if isinstance(said, list) and said and all(isinstance(turn, str) for turn in said) and said[-1] == sample.answer:
        return tuple(said)
    return (sample.answer,)
