"""Preference data: does each row say which of two answers is the better, and do the rows say it alike?

What is read is what a method learns from: of pairs both answers (DPO, ORPO, reward models), of marked answers the mark (KTO).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.checks.data.corpus import TRAIN, VALIDATION, Corpus, Row
from harness.checks.data.finding import Finding, share_check
from harness.gates import Check
from harness.tasks.formats import Example

_SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("chosen-rating", "rejected-rating"),
    ("rating_chosen", "rating_rejected"),
)
_MARGIN = "margin"
_BALANCED = (1.0, 4 / 3)
"""Ratio of what wanted and what unwanted answers weigh: Ethayarajh et al. 2024, "KTO", arXiv 2402.01306, equation 9."""


def pairs_differ(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the pairs has the same answer twice, but for white space: there is nothing to prefer.

    Returns:
        None where there are no pairs.
    """
    pairs = corpus.pairs(TRAIN, VALIDATION)
    if not pairs:
        return None
    return share_check(
        "identical_pairs",
        [
            Finding(row.location, "its two answers are the same text")
            for row in pairs
            if _spaced(row.taught) == _spaced(row.refused)
        ],
        len(pairs),
        limit,
        counted="pairs",
        fault="have the same answer on both sides",
        sound=f"the two answers of all {len(pairs)} pairs differ",
        remedy="remove these pairs: they teach nothing; if a generator wrote both answers, draw the second again",
    )


def preferences_agree(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the rows contradicts an earlier one: of two answers to a prompt the other is preferred, or
    what was wanted is not (KTO).

    Returns:
        None where there are no preferences.
    """
    rows = [row for row in corpus.asked(TRAIN, VALIDATION) if row.rejected is not None or row.wanted is not None]
    if not rows:
        return None
    earlier: dict[tuple[str, ...], Row] = {}
    findings: list[Finding] = []
    for row in rows:
        said, opposite = _said(row)
        if opposite in earlier and said != opposite:
            other = earlier[opposite].location
            findings.append(
                Finding(row.location, f"prefers what {other} rejects, and the other way round", other=other)
            )
        earlier.setdefault(said, row)
    return share_check(
        "contradictions",
        findings,
        len(rows),
        limit,
        fault="say the opposite of an earlier row",
        sound=f"no two of {len(rows)} rows contradict each other",
        remedy="keep of each prompt what most judgements say, and neither where they are even: both ways it teaches nothing",
    )


def scores_agree(corpus: Corpus, inverted: float, tied: float) -> Check | None:
    """At most a share `inverted` of the pairs that bring scores of their answers rates the rejected one higher, and at most a
    share `tied` rates both alike.

    Returns:
        None where no pair brings scores.
    """
    margins = [
        (part.location(one.row), margin)
        for part in corpus.parts
        for one in part.examples
        if one.rejected is not None and (margin := _margin(one)) is not None
    ]
    if not margins:
        return None
    worse = [
        Finding(place, f"the rejected answer scores {-margin:g} higher") for place, margin in margins if margin < 0
    ]
    ties = sum(margin == 0 for _, margin in margins)
    found = share_check(
        "scores",
        worse,
        len(margins),
        inverted,
        counted="scored pairs",
        fault="score the rejected answer higher",
        sound=f"the chosen answer scores no lower in any of {len(margins)} scored pairs",
        remedy="swap the two answers of these pairs, or rank by the scores anew; take ties out, for nothing says which is better",
        details={"ties": ties, "allowed_share_of_ties": tied},
    )
    if ties <= tied * len(margins):
        return found
    said = f"{ties} of {len(margins)} scored pairs ({ties / len(margins):.1%}) are ties, at most {tied:.1%} allowed"
    reason = f"{found.reason}; {said}" if worse else said
    return Check(found.name, False, reason, found.remedy, found.details)


def answers_are_balanced(corpus: Corpus, limit: float) -> Check | None:
    """Wanted and unwanted answers each have at least a share `limit` of the weight of all: their number times `desirable_weight`
    or `undesirable_weight` of the trainer. KTO learns from few of one kind where these weigh them up, and from none at all
    it only learns to say more, or less, of everything.

    Returns:
        None where no rows are marked as wanted or not.
    """
    marks = [row.wanted for row in corpus.asked(TRAIN) if row.wanted is not None]
    if not marks:
        return None
    # a pair beside them is one of each
    counts = {kind: sum(mark is kind for mark in marks) + len(corpus.pairs(TRAIN)) for kind in (True, False)}
    weights = dict(zip((True, False), corpus.kto_weights, strict=True))
    total = {kind: counts[kind] * weights[kind] for kind in counts}
    share = min(total.values()) / sum(total.values()) if sum(total.values()) else 0.0
    few = min(total, key=lambda kind: total[kind])
    names = {True: "wanted", False: "unwanted"}
    said = f"{counts[True]} answers are wanted and {counts[False]} are not"
    if weights != {True: 1.0, False: 1.0}:
        said += f", weighed {weights[True]:g} and {weights[False]:g}"
    return Check(
        "kto_balance",
        holds=share >= limit and share > 0,
        reason=f"{said}: the {names[few]} have {share:.1%} of the weight, at least {limit:.1%} required",
        remedy=_balancing(counts, weights),
        details={"required_share": limit, "share": share, "wanted": counts[True], "unwanted": counts[False]},
    )


def _balancing(counts: Mapping[bool, int], weights: Mapping[bool, float]) -> str:
    if not all(counts.values()):
        return (
            "add answers of the other kind, for one alone tells nothing apart; answers to learn are for `method: sft`"
        )
    low, high = (ratio * weights[False] * counts[False] / counts[True] for ratio in _BALANCED)
    return (
        f"set trainer.desirable_weight between {low:.3g} and {high:.3g} (or undesirable_weight to match), so that wanted answers "
        "weigh 1 to 4/3 times what unwanted ones do; or add answers of the rarer kind"
    )


def _said(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a row says of which answers to which prompt, and what would be the opposite."""
    asked = (row.conversation.tools or "", *(f"{turn.role}: {_spaced(turn.content)}" for turn in row.prompt))
    chosen, rejected = _spaced(row.taught), _spaced(row.refused)
    if row.rejected is not None:
        return (*asked, chosen, rejected), (*asked, rejected, chosen)
    return (*asked, chosen, str(row.wanted)), (*asked, chosen, str(not row.wanted))


def _margin(example: Example) -> float | None:
    """By how much the chosen answer scores higher; None where nothing says so."""
    fields = example.fields
    for chosen, rejected in _SCORES:
        high, low = _number(fields.get(chosen)), _number(fields.get(rejected))
        if high is not None and low is not None:
            return high - low
    return _number(fields.get(_MARGIN))


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _spaced(text: str) -> str:
    return " ".join(text.split())
