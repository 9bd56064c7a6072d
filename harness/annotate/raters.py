"""Who said what of which pair: each annotator, all of them together, and the run's judge, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.annotate.answers import Filled, Side
from harness.annotate.review import StoredPair
from harness.judges.judgements import judge_task, stored_judgements
from harness.runs.run import Run
from harness.tasks.questions import AnswerPair, Question

_SHARES: Mapping[Side, float] = {"candidate": 1.0, "base": 0.0, "tie": 0.5}
_EVEN = 0.5
_EVERYONE = "all together"

Key = tuple[str, str]


@dataclass(frozen=True)
class Rater:
    """One judge, human or not.

    Attributes:
        name: the annotator's, or what tells that it is all of them or the judge.
        pairs: all that are named below.
        preferences: 1 where the candidate is preferred, 0 where the base is, 0.5 for a tie; by pair.
        ratings: (base, candidate), 1 to 5, of the pairs of which both were rated.
        ties: pairs of identical answers, which nobody is asked about and which count as ties.
    """

    name: str
    pairs: Mapping[Key, StoredPair]
    preferences: Mapping[Key, float]
    ratings: Mapping[Key, tuple[float, float]]
    ties: frozenset[Key]

    @property
    def labels(self) -> dict[Key, Side]:
        """The preferences as what they lean to."""
        return {
            key: "tie" if share == _EVEN else "candidate" if share > _EVEN else "base"
            for key, share in self.preferences.items()
        }


def annotators(pages: Sequence[Filled]) -> list[Rater]:
    """One a name, in the order of their first pages."""
    names = list(dict.fromkeys(page.annotator for page in pages))
    return [_annotator(name, [page for page in pages if page.annotator == name]) for name in names]


def together(raters: Sequence[Rater]) -> Rater:
    """The mean of what each said of a pair: a pair counts once, however many judged it."""
    preferred = list(dict.fromkeys(key for rater in raters for key in rater.preferences))
    rated = list(dict.fromkeys(key for rater in raters for key in rater.ratings))
    ratings = {key: np.mean([rater.ratings[key] for rater in raters if key in rater.ratings], axis=0) for key in rated}
    return Rater(
        _EVERYONE,
        {key: pair for rater in raters for key, pair in rater.pairs.items()},
        {key: float(np.mean([r.preferences[key] for r in raters if key in r.preferences])) for key in preferred},
        {key: (float(base), float(candidate)) for key, (base, candidate) in ratings.items()},
        frozenset().union(*(rater.ties for rater in raters)),
    )


def stored_judge(run: Run, task: str, people: Sequence[Rater]) -> Rater | None:
    """The run's judge on the pairs that people judged; None where it compared none of them."""
    asked = {key: rater.pairs[key] for rater in people for key in rater.preferences}
    ties = {key: rater.pairs[key] for rater in people for key in rater.ties}
    rows = run.read_samples(task=judge_task(task), role="judge")
    by_id = {pair.id: key for key, pair in asked.items()}
    judged = stored_judgements(rows, {pair.id: _answer_pair(pair) for pair in asked.values()})
    preferences = {by_id[item]: one.preference for item, one in judged.items() if one.preference is not None}
    if not preferences:
        return None
    name = f"judge {run.manifest.judge.name}".strip()
    return Rater(name, {**asked, **ties}, preferences, {}, frozenset(ties))


def _annotator(name: str, pages: Sequence[Filled]) -> Rater:
    said = [judgement for page in pages for judgement in page.judgements]
    ties = {pair.key: pair for page in pages for pair in page.ties}
    return Rater(
        name,
        {**{one.pair.key: one.pair for one in said}, **ties},
        {one.pair.key: _SHARES[one.prefers] for one in said if one.prefers is not None},
        {
            one.pair.key: (one.base_rating, one.candidate_rating)
            for one in said
            if one.base_rating is not None and one.candidate_rating is not None
        },
        frozenset(ties),
    )


def _answer_pair(pair: StoredPair) -> AnswerPair:
    """As the judge's rules need it: they ask whether the answers are identical."""
    ours, theirs = ((sample.prompt, sample.answer) for sample in (pair.candidate, pair.base))
    return AnswerPair(Question(pair.id, (pair.candidate.prompt,)), ours, theirs)
