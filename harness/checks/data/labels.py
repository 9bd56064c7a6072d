"""Classification data: does every label have its rows?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from harness.checks.data.corpus import TRAIN, Corpus
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.personal import redacted
from harness.gates import Check

_MOST_LABELS = 50
_ROWS_A_LABEL = 5
_MOST_WORDS = 6


def label_counts(corpus: Corpus) -> Mapping[str, int]:
    """Rows of each label, commonest first; empty where the answers are no labels.

    Answers are labels where the training rows have 2 to 50 different ones, each of at most six words, five rows or more
    for each on average.
    """
    counts = Counter(row.answer.strip() for row in corpus.of(TRAIN))
    few = 2 <= len(counts) <= _MOST_LABELS and counts.total() >= _ROWS_A_LABEL * len(counts)
    return dict(counts.most_common()) if few and all(len(label.split()) <= _MOST_WORDS for label in counts) else {}


def labels_are_balanced(corpus: Corpus, items: Sequence[EvaluationItem], limit: float) -> Check | None:
    """The rarest label has at least `limit` of the rows that an even share would give it.

    A label that an evaluation set asks for and no row has counts as the rarest, where set and rows share labels.

    Returns:
        None where the answers are no labels.
    """
    counts = label_counts(corpus)
    if not counts:
        return None
    counts = {**counts, **dict.fromkeys(_missing(counts, items), 0)}
    counts = {redacted(label): count for label, count in counts.items()}
    rarest = min(counts, key=lambda label: counts[label])
    even = sum(counts.values()) / len(counts)
    files = ", ".join(part.path.name for part in corpus.parts if part.role == TRAIN)
    return Check(
        "label_balance",
        holds=counts[rarest] >= limit * even,
        reason=f"{files}: label {rarest!r} has {counts[rarest]} of {sum(counts.values())} rows, {counts[rarest] / even:.0%} "
        f"of an even share among {len(counts)} labels; at least {limit:.0%} required",
        remedy=f"add rows of {rarest!r}, or take some of {max(counts, key=lambda label: counts[label])!r} away",
        details={"required_of_even_share": limit, "rows_by_label": counts},
    )


def _missing(counts: Mapping[str, int], items: Sequence[EvaluationItem]) -> list[str]:
    """Labels of evaluation sets that ask for most of those the rows have, and for others too."""
    asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        asked[item.task][item.answer.strip()] += 1
    missing: dict[str, None] = {}
    for labels in asked.values():
        shared = labels.keys() & counts.keys()
        if len(labels) <= _MOST_LABELS and 2 * len(shared) >= len(counts):
            missing.update(dict.fromkeys(sorted(labels.keys() - counts.keys())))
    return list(missing)
