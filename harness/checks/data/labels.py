"""Classification data: does every label have its rows?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.checks.data.corpus import TRAIN, Corpus
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.personal import redacted
from harness.gates import Check

_FEW_LABELS = 50
_ROWS_A_LABEL = 5
_MOST_WORDS = 6
_SEEN_ONCE = 0.02


def label_counts(corpus: Corpus) -> Mapping[str, int]:
    """Rows of each label, commonest first; empty where the answers are no labels.

    Answers are labels where the training rows have 2 different ones or more, each of at most six words, five rows or more
    for each on average. More than 50 must also be a closed set, which the short answers to questions are not: at most 2% of
    the rows have an answer of their own, which is Good and Turing's estimate of how often a new one comes (Good 1953,
    Biometrika 40), and where all are numbers, they number the labels.
    """
    counts = Counter(row.answer.strip() for row in corpus.of(TRAIN))
    new = sum(count == 1 for count in counts.values())
    closed = len(counts) <= _FEW_LABELS or (new <= _SEEN_ONCE * counts.total() and not _are_amounts(counts))
    often = len(counts) >= 2 and counts.total() >= _ROWS_A_LABEL * len(counts)
    short = all(len(label.split()) <= _MOST_WORDS for label in counts)
    return dict(counts.most_common()) if closed and often and short else {}


def _are_amounts(answers: Iterable[str]) -> bool:
    """Whether all are numbers, and more than half of those between them are missing."""
    try:
        numbers = {float(answer) for answer in answers}
    except ValueError:
        return False
    return not max(numbers) - min(numbers) < 2 * len(numbers)


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
        if len(labels) <= max(_FEW_LABELS, 2 * len(counts)) and 2 * len(shared) >= len(counts):
            missing.update(dict.fromkeys(sorted(labels.keys() - counts.keys())))
    return list(missing)
