"""Findings in answers as gates: what is wrong with each answer of candidate and base, how often, and what it is.

Every finding gives a text for each answer, empty where nothing is wrong. The rest is the same for all: a share of answers that
may not rise, paired with the base, with the commonest kinds and some items named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.gates import Comparison, Rule
from harness.metrics.base import Metric

_KINDS_NAMED = 3
_KEPT = 20
_SHOWN_CHARACTERS = 200


def finding_rule(
    answers: Comparison,
    name: str,
    base: Sequence[str],
    candidate: Sequence[str],
    limit: float,
    *,
    remedy: str,
    beside: str = "",
) -> Rule | None:
    """The share of answers with a finding rises by less than `limit` over the base.

    Args:
        base, candidate: what is wrong with each answer, in the order of the pairs; empty where nothing is.
        beside: what else than the base's answers the first of these are, for messages.
        remedy: what to do where it does.

    Returns:
        None where nothing is wrong with any answer of the candidate, and they are too few to bound a share by the limit.
    """
    metric = Metric(name, kind="binary", higher_is_better=False)
    measured = answers.marks(metric, [bool(one) for one in base], [bool(one) for one in candidate], beside=beside)
    examples = [
        {"item": sample.item_id, "finding": found, "answer": sample.answer[:_SHOWN_CHARACTERS]}
        for (_, sample), found in zip(answers.pairs, candidate, strict=True)
        if found
    ]
    kinds = {
        side: dict(Counter(filter(None, found)).most_common())
        for side, found in (("base", base), ("candidate", candidate))
    }
    rule = Rule(
        "non_inferior",
        measured,
        limit,
        remedy=remedy,
        notes=(_in_words(candidate),) if any(candidate) else (),
        facts={"findings_by_kind": kinds, "findings": examples[:_KEPT]},
    )
    return None if not any(candidate) and rule.decide().outcome == "inconclusive" else rule


def _in_words(found: Sequence[str]) -> str:
    counts = Counter(filter(None, found))
    named = ", ".join(f"{kind} ({count})" for kind, count in counts.most_common(_KINDS_NAMED))
    more = f" and {len(counts) - _KINDS_NAMED} other kinds" if len(counts) > _KINDS_NAMED else ""
    return f"in {counts.total()} of {len(found)} answers: {named}{more}"
