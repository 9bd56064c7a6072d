"""Are the questions of the evaluation sets among the training rows?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.checks.data.corpus import REHEARSAL, TRAIN, Corpus
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.finding import KEPT, SHOWN, allowed, share_check
from harness.checks.data.matches import Match, find_matches
from harness.gates import Check


def evaluation_sets_are_not_trained_on(
    corpus: Corpus, items: Sequence[EvaluationItem], limit: float, *, ngram: int
) -> Check | None:
    """At most a share `limit` of the items of any evaluation set is contaminated by training or rehearsal rows.

    Returns:
        None where no evaluation set is in use.
    """
    if not items:
        return None
    rows = corpus.asked(TRAIN, REHEARSAL)
    if not rows:
        return share_check("contamination", [], 0, limit, fault="", sound="", remedy="")
    matches = find_matches(rows, items, ngram=ngram)
    best: dict[str, Match] = {}
    for match in matches:
        best.setdefault(match.item.name, match)
    asked = Counter(item.task for item in items)
    found = Counter(match.item.task for match in best.values())
    tasks = sorted(asked, key=lambda task: -found[task] / asked[task])
    failed = [task for task in tasks if found[task] / asked[task] > limit]
    return Check(
        "contamination",
        holds=not failed,
        reason=_reason(failed or tasks, asked, found, list(best.values()), limit),
        remedy="take the rows named here out of the training data and train again: the score on these items means nothing",
        details={
            "allowed_share": limit,
            "ngram": ngram,
            "rows_involved": len({match.row.location for match in matches}),
            "sets": {task: {"items": asked[task], "contaminated": found[task]} for task in tasks},
            "findings": [
                {"place": m.row.location, "item": m.item.name, "words": m.words, "common": m.common}
                for m in list(best.values())[:KEPT]
            ],
        },
    )


def _reason(
    tasks: Sequence[str], asked: Mapping[str, int], found: Mapping[str, int], best: Sequence[Match], limit: float
) -> str:
    """Of these tasks those that have matches, and the longest of their matches."""
    hit = [task for task in tasks if found[task]]
    if not hit:
        return f"no item of {', '.join(tasks)} is in the training data"
    counts = [f"{found[task]} of {asked[task]} items of {task} ({found[task] / asked[task]:.1%})" for task in hit]
    shown = [
        f"{match.row.location} shares {match.words} words with {match.item.name}: {match.common!r}"
        for match in best
        if match.item.task in hit
    ]
    return f"{', '.join(counts)} in the training data, {allowed(limit)}: {'; '.join(shown[:SHOWN])}"
