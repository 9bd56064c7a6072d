"""Do answers that should be JSON come as bare as their targets, or with a fence, tags or words around it?"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from harness.checks.task.answers import finding_rule
from harness.gates import Comparison, Rule
from harness.tasks.expected import ExpectedTexts

_LEAST_SHARE = 0.1
_DECODER = json.JSONDecoder()
_BEGINS = re.compile(r"[{\[]")
_WRAPPERS = (
    ("a code fence", re.compile(r"```[\w-]*\s*\Z"), re.compile(r"\s*```")),
    ("tags", re.compile(r"<(?:tool_call|json|answer|output|response)>\s*\Z"), re.compile(r"\s*</\w+>")),
)
_MOST_STARTS = 50


@dataclass(frozen=True)
class Form:
    """How the JSON of a text is put: what stands around it, as in {"a code fence", "text before it"}."""

    around: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Form | None:
        """The form of a text's first object or list; None where it has none that parses."""
        for start in [match.start() for match in _BEGINS.finditer(text)][:_MOST_STARTS]:
            try:
                value, end = _DECODER.raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
            if value or text[:start].strip() == "":  # an empty one within a sentence is punctuation
                return cls(_around(text[:start], text[end:]))
        return None


def _around(before: str, after: str) -> frozenset[str]:
    found = set()
    for name, opens, closes in _WRAPPERS:
        if (opened := opens.search(before)) is not None:
            found.add(name)
            before = before[: opened.start()]
            if (closed := closes.match(after)) is not None:
                after = after[closed.end() :]
    if before.strip():
        found.add("text before it")
    if after.strip():
        found.add("text after it")
    return frozenset(found)


def drift(answer: str, expected: str) -> str:
    """How the form of an answer's JSON differs from the expected one's; empty where it does not, or one of them is no JSON."""
    wanted, given = Form.of(expected), Form.of(answer)
    if wanted is None or given is None:
        return ""
    added, missing = sorted(given.around - wanted.around), sorted(wanted.around - given.around)
    said = [f"{' and '.join(added)} added"] if added else []
    return ", ".join([*said, f"{' and '.join(missing)} left out"] if missing else said)


def answers_keep_their_form(answers: Comparison, limit: float) -> Rule | None:
    """The share of answers whose JSON is put otherwise than the targets' (a Markdown fence, tags, text before or after it) rises
    by less than the limit over the base's: what reads them may not find it. That an answer has no JSON is for the task's grading.

    Returns:
        None where a tenth of the targets or less are JSON.
    """
    of = ExpectedTexts(answers.task).of
    expected = [of(sample).text for _, sample in answers.pairs]
    if sum(Form.of(text) is not None for text in expected) <= _LEAST_SHARE * len(expected):
        return None
    base, candidate = (
        [drift(pair[side].answer, text) for pair, text in zip(answers.pairs, expected, strict=True)] for side in (0, 1)
    )
    return finding_rule(
        answers,
        "other_json_form",
        base,
        candidate,
        limit,
        remedy="put the answers of the training rows as the targets are (no fences, no sentences around JSON where these have "
        "none), and take rehearsal rows out that teach the other form; or let what reads the answers strip it, and the task's "
        "targets say so",
    )
