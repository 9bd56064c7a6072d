"""What people's judgements come to: win rates, Likert means, and who agrees with whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.annotate.answers import Filled
from harness.annotate.raters import Key, Rater, annotators, stored_judge, together
from harness.runs.run import Run
from harness.stats import Interval, cohens_kappa, mean_interval, paired_mean_difference
from harness.stats.win_rate import Tally, tally, win_rate

_MIN_CLUSTERS = 2


@dataclass(frozen=True)
class Likert:
    """Mean ratings, 1 to 5, over the pairs of which both answers were rated, and the paired difference."""

    base: Interval
    candidate: Interval
    difference: Interval


@dataclass(frozen=True)
class RaterResult:
    """What one rater thinks.

    Attributes:
        judged: pairs a preference was given for.
        identical: pairs of identical answers, which count as ties.
        win_rate, likert: None where fewer than two independent pairs were judged or rated.
    """

    rater: str
    judged: int
    identical: int
    tally: Tally
    win_rate: Interval | None
    likert: Likert | None


@dataclass(frozen=True)
class Agreement:
    """Two raters on the pairs that both judged.

    Attributes:
        same: pairs of which both said the same: candidate, base or tie.
        kappa: Cohen's; None where it is not defined: both gave one and the same label to all, or too few pairs.
    """

    first: str
    second: str
    pairs: int
    same: int
    kappa: Interval | None


@dataclass(frozen=True)
class Results:
    """All of it.

    Attributes:
        raters: each annotator, then all together where there are several, then the run's judge where it has one.
        agreements: of the annotators with each other, then of each and of all together with the judge.
    """

    run: str
    task: str
    raters: tuple[RaterResult, ...]
    agreements: tuple[Agreement, ...]


def results(run: Run, pages: Sequence[Filled], *, confidence: float = 0.95) -> Results:
    """Sum up the pages of one task."""
    alone = annotators(pages)
    people = [*alone, together(alone)] if len(alone) > 1 else alone
    task = pages[0].review.task
    judge = stored_judge(run, task, people)
    versus = [*combinations(alone, 2), *((rater, judge) for rater in people if judge is not None)]
    return Results(
        run.id,
        task,
        tuple(_rater_result(rater, confidence) for rater in (*people, *([judge] if judge is not None else []))),
        tuple(_agreement(first, second, confidence) for first, second in versus),
    )


def _rater_result(rater: Rater, confidence: float) -> RaterResult:
    preferences = {**dict.fromkeys(sorted(rater.ties), 0.5), **rater.preferences}
    clusters = _clusters(rater, list(preferences))
    values = list(preferences.values())
    return RaterResult(
        rater=rater.name,
        judged=len(rater.preferences),
        identical=len(rater.ties),
        tally=tally(values) if values else Tally(0, 0, 0),
        win_rate=win_rate(values, clusters=_shared(clusters), confidence=confidence) if _enough(clusters) else None,
        likert=_likert(rater, confidence),
    )


def _likert(rater: Rater, confidence: float) -> Likert | None:
    clusters = _clusters(rater, list(rater.ratings))
    if not _enough(clusters):
        return None
    base, candidate = (list(side) for side in zip(*rater.ratings.values(), strict=True))
    return Likert(
        mean_interval(base, clusters=_shared(clusters), confidence=confidence),
        mean_interval(candidate, clusters=_shared(clusters), confidence=confidence),
        paired_mean_difference(base, candidate, clusters=_shared(clusters), confidence=confidence),
    )


def _agreement(first: Rater, second: Rater, confidence: float) -> Agreement:
    ours, theirs = first.labels, second.labels
    shared = [key for key in ours if key in theirs]
    said, answered = [ours[key] for key in shared], [theirs[key] for key in shared]
    clusters = _clusters(first, shared)
    defined = _enough(clusters) and len({*said, *answered}) > 1
    return Agreement(
        first.name,
        second.name,
        len(shared),
        sum(a == b for a, b in zip(said, answered, strict=True)),
        cohens_kappa(said, answered, clusters=_shared(clusters), confidence=confidence) if defined else None,
    )


def _clusters(rater: Rater, keys: Sequence[Key]) -> list[str]:
    return [rater.pairs[key].cluster for key in keys]


def _shared(clusters: Sequence[str]) -> Sequence[str] | None:
    """The labels; None where no two pairs share one, which the plain intervals are for."""
    return None if len(set(clusters)) == len(clusters) else clusters


def _enough(clusters: Sequence[str]) -> bool:
    return len(set(clusters)) >= _MIN_CLUSTERS
