"""Are the answers there, and do they end where they should?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.data.corpus import TRAIN, VALIDATION, Corpus, Row
from harness.data.finding import Finding, share_check
from harness.data.personal import redacted
from harness.gates import Check

_LONG_WORDS = 12
_USUAL_SHARE = 0.7
_ENDS = re.compile(r"[^\w\s,(\[{]\s*$")
_BREAKS_OFF = re.compile(r"[,(\[{]\s*$|\b(?:and|or|the|a|an|of|to|with|because|that|which)\s*$", re.IGNORECASE)
_FENCE = re.compile(r"^\s*```", re.MULTILINE)


def answers_are_whole(corpus: Corpus, limit: float) -> Check:
    """At most a share `limit` of the answers breaks off: a model trained on those learns not to finish.

    An answer breaks off where a code fence or tool call stays open, where it ends in a comma, an open bracket or a word
    such as "and", or where it is long and ends without punctuation although at least 70% of the long answers of
    its part end with it. Rows of rehearsal are left out: they are the base's own answers, cut at their length. Empty
    answers cannot be read at all, which `rows_can_be_read` tells.
    """
    findings: list[Finding] = []
    total = 0
    for role in (TRAIN, VALIDATION):
        rows = corpus.of(role)
        total += len(rows)
        punctuated = _punctuates(rows)
        findings += [
            Finding(row.place, f"{fault}, at {redacted(row.answer).rstrip()[-40:]!r}")
            for row in rows
            if (fault := break_fault(row.answer, punctuated=punctuated))
        ]
    return share_check(
        "whole_answers",
        findings,
        total,
        limit,
        fault="have an answer that breaks off",
        sound=f"none of {total} answers breaks off",
        remedy="complete or remove these answers; if a generator wrote them, raise its token limit",
    )


def break_fault(answer: str, *, punctuated: bool) -> str:
    """How an answer breaks off; empty where it does not.

    Args:
        punctuated: long answers are expected to end in punctuation.
    """
    if len(_FENCE.findall(answer)) % 2:
        return "a code fence stays open"
    if answer.count("<tool_call>") != answer.count("</tool_call>"):
        return "a tool call stays open"
    if _FENCE.search(answer):
        return ""
    if len(answer.split()) >= 2 and _BREAKS_OFF.search(answer):
        return "ends within a sentence"
    if punctuated and len(answer.split()) >= _LONG_WORDS and not _ENDS.search(answer):
        return "ends without punctuation"
    return ""


def _punctuates(rows: Sequence[Row]) -> bool:
    long = [row.answer for row in rows if len(row.answer.split()) >= _LONG_WORDS]
    return bool(long) and sum(bool(_ENDS.search(answer)) for answer in long) >= _USUAL_SHARE * len(long)
