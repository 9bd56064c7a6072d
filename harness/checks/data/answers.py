"""Are the answers there, do they end where they should, and do those parse that a program will read?"""

from __future__ import annotations

import json
import re

from harness.checks.data.corpus import TRAIN, VALIDATION, Corpus, Row
from harness.checks.data.endings import UNPUNCTUATED, break_fault, punctuates
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.personal import redacted
from harness.gates import Check
from harness.json_files import load_json
from harness.tasks.records import refuse_constant

_FALSE_HITS = 0.005
"""Share of complete answers, at most, that are surmised to break off (`benchmarks/data_checks.py`)."""


def answers_are_whole(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the answers breaks off: a model trained on those learns not to finish.

    An answer breaks off where a code fence, tool call, bracket or table row stays open, where its last clause or list item
    does, or where its last sentence lacks the mark that those before it have (`harness.checks.data.endings`). Of these
    last ones so many are not counted as may be among complete answers, with 95% confidence, unless none is allowed. Rows
    of rehearsal are left out: they are the base's own answers, cut at their length. Empty answers cannot be read at all,
    which is for `rows_can_be_read`. Of pairs the better answers are looked at.

    Returns:
        None where the rows are prompts, which are answered while training.
    """
    if corpus.asked() and not corpus.of():
        return None
    findings: list[Finding] = []
    total = 0
    for role in (TRAIN, VALIDATION):
        rows = corpus.answers(role)
        total += len(rows)
        punctuated = punctuates([row.answer for row in rows])
        findings += [
            Finding(row.location, f"{fault}, at {redacted(row.answer).rstrip()[-40:]!r}", kind=fault)
            for row in rows
            if (fault := break_fault(row.answer, punctuated=punctuated))
        ]
    surmised = sum(one.kind == UNPUNCTUATED for one in findings)
    return share_check(
        "whole_answers",
        findings,
        total,
        limit,
        counted="answers",
        fault="break off",
        sound=f"none of {total} answers breaks off",
        remedy="complete or remove these answers; if a generator wrote them, raise its token limit",
        by_chance=min(surmised, _false_hits(total)) if limit else 0,
    )


def _false_hits(total: int) -> int:
    """Most of so many complete answers that are surmised to break off, with 95% confidence."""
    from scipy.stats import binom

    return int(binom.ppf(0.95, total, _FALSE_HITS))


_MARKED = re.compile(r"\s*(?:```json\b|<tool_call>\s*[{\[])")
_LIKE_JSON = re.compile(r"\s*(?:\{\s*[\"'}]|\[\s*\{)")
_BEGINS = re.compile(r"\s*(?:[{\[]|```json\b|<tool_call>)")
_FENCE_OF_JSON = re.compile(r"\s*```json\b")
_FENCED = re.compile(r"^[ \t]*```json[^\n]*\n((?:(?![ \t]*```)[^\n]*\n)*)[ \t]*```[ \t\r]*$", re.MULTILINE)
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_TAG = re.compile(r"</?tool_call>")
_PROMISED_SHARE = 0.5
_ALL_SHARE = 0.98


def json_answers_parse(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the answers that promise JSON does not keep it.

    JSON is promised by answers that begin as a JSON code fence or as a tool call in JSON; by those that begin as JSON, if
    half of the answers begin as an object (or as Python would print one), or half of those that begin as JSON parse; and
    by every answer of a part of which 98% parse.

    Returns:
        None where no part promises JSON.
    """
    promising = [row for role in (TRAIN, VALIDATION) for row in _promising(corpus.answers(role))]
    if not promising:
        return None
    faults = [(row.location, json_fault(row.answer)) for row in promising]
    return share_check(
        "json_answers",
        [Finding(location, fault) for location, fault in faults if fault is not None],
        len(promising),
        limit,
        counted="answers that promise JSON",
        fault="do not parse",
        sound=f"all {len(promising)} answers that promise JSON parse",
        remedy="correct these answers: one that is cut or malformed teaches output that no program can read",
    )


def json_fault(answer: str) -> str | None:
    """Why an answer is not JSON, in a fence or tool calls or bare; None where it is. What follows a fence is not read."""
    if _TAG.search(answer):
        bodies = _CALL.findall(answer)
        if len(_TAG.findall(answer)) != 2 * len(bodies):
            return "the tags of its tool calls do not match"
        return _first_fault(bodies)
    if _FENCE_OF_JSON.match(answer):
        fenced = _FENCED.findall(answer)
        return _first_fault(fenced) if fenced else "its code fence stays open"
    return _fault(answer)


def _promising(rows: list[Row]) -> list[Row]:
    begun = [row for row in rows if _BEGINS.match(row.answer)]
    parsed = sum(json_fault(row.answer) is None for row in begun)
    if parsed and parsed >= _ALL_SHARE * len(rows):
        return rows
    if parsed >= _PROMISED_SHARE * len(begun):
        return begun
    alike = sum(bool(_LIKE_JSON.match(row.answer)) for row in begun) >= _PROMISED_SHARE * len(rows)
    return [row for row in begun if _MARKED.match(row.answer) or (alike and _LIKE_JSON.match(row.answer))]


def _first_fault(bodies: list[str]) -> str | None:
    return next((fault for body in bodies if (fault := _fault(body)) is not None), None)


def _fault(text: str) -> str | None:
    try:
        load_json(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        return f"not JSON at character {error.pos + 1}: {error.msg}"
    except ValueError as error:
        return f"not JSON: {error}"
    return None
