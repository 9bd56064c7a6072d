"""Answers that a program will read: do they parse?"""

from __future__ import annotations

import json
import re

from harness.data.corpus import TRAIN, VALIDATION, Corpus, Row
from harness.data.finding import Finding, share_check
from harness.gates import Check

_BEGINS = re.compile(r"\s*(?:[{\[]|```json\b|<tool_call>)")
_FENCED = re.compile(r"\s*```json\s*\n(.*)\n\s*```\s*", re.DOTALL)
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_TAG = re.compile(r"</?tool_call>")
_PROMISED_SHARE = 0.5
_ALL_SHARE = 0.98


def json_answers_parse(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the answers that promise JSON does not keep it.

    JSON is promised by answers that begin as JSON, as a JSON code fence or as a tool call, where at least half of those
    parse; and by every answer of a part of which 98% parse.

    Returns:
        None where no part promises JSON.
    """
    findings: list[Finding] = []
    total = 0
    for role in (TRAIN, VALIDATION):
        promising = _promising(corpus.of(role))
        total += len(promising)
        for row in promising:
            if (fault := json_fault(row.answer)) is not None:
                findings.append(Finding(row.place, fault))
    if not total:
        return None
    return share_check(
        "json_answers",
        findings,
        total,
        limit,
        counted="answers that promise JSON",
        fault="do not parse",
        sound=f"all {total} answers that promise JSON parse",
        remedy="correct these answers: one that is cut or malformed teaches output that no program can read",
    )


def json_fault(answer: str) -> str | None:
    """Why an answer is not JSON, in a fence or tool calls or bare; None where it is."""
    if _TAG.search(answer):
        bodies = _CALL.findall(answer)
        if len(_TAG.findall(answer)) != 2 * len(bodies):
            return "the tags of its tool calls do not match"
        return next((fault for body in bodies if (fault := _fault(body)) is not None), None)
    fenced = _FENCED.fullmatch(answer)
    return _fault(fenced.group(1) if fenced else answer)


def _promising(rows: list[Row]) -> list[Row]:
    parsed = sum(json_fault(row.answer) is None for row in rows if _BEGINS.match(row.answer))
    if not parsed:
        return []
    if parsed >= _ALL_SHARE * len(rows):
        return rows
    begun = [row for row in rows if _BEGINS.match(row.answer)]
    return begun if parsed >= _PROMISED_SHARE * len(begun) else []


def _fault(text: str) -> str | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON at character {error.pos + 1}: {error.msg}"
    except RecursionError:
        return "nested too deeply"
    return None
