"""Where in an answer a label is looked for: `read_label` of classification."""

from __future__ import annotations

from typing import Any

import pytest

from harness.config.checking import check, location
from harness.engines.requests import Generation, Prompt
from harness.errors import TaskError
from harness.tasks.base import Item
from harness.tasks.classification import ClassificationGrader, ClassificationKeys

LABELS = ("billing", "Tech support")
REGEX = {"read_label": "regex", "label_pattern": r"Team:\s*(.+)"}


def read(answer: str, **keys: Any) -> Any:
    grader = ClassificationGrader(labels=LABELS, **keys)
    item = Item("1", Prompt.chat("?"), "billing")
    return grader.grade(item, [Generation(answer, "eos", 1, 1, 0.1)]).parsed


@pytest.mark.parametrize(
    ("answer", "keys", "label"),
    [
        ("I would say billing, as it is about money.", {}, "billing"),
        ("billing or tech support", {}, None),
        ("Billing.", {"read_label": "exact"}, "billing"),
        ("It is billing", {"read_label": "exact"}, None),
        ("\n tech support!\nbilling is not concerned", {"read_label": "first_line"}, "Tech support"),
        ("So: billing\n", {"read_label": "first_line"}, None),
        ("Not billing. Team: tech support.\nBye", REGEX, "Tech support"),
        ("billing", REGEX, None),
        ("the billing team", {"read_label": "regex", "label_pattern": "b[a-z]+"}, "billing"),
        ("x", {"read_label": "regex", "label_pattern": "(b)?"}, None),
    ],
)
def test_a_label_is_read_where_the_task_says(answer: str, keys: dict[str, Any], label: str | None) -> None:
    assert read(answer, **keys) == label


def test_a_reading_is_part_of_the_digest_but_for_the_first_one() -> None:
    digests = {ClassificationGrader(labels=LABELS, **keys).digest for keys in ({}, {"read_label": "exact"}, REGEX)}
    assert len(digests) == 3
    assert (
        ClassificationGrader(labels=LABELS).digest == "e87e9fe57c9539f2faff4e30e0c0869a09a8c5f820f329ed5c20080a36121ec2"
    )


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"read_label": "regex"}, "give read_label: regex and a label_pattern, or neither"),
        ({"label_pattern": "x"}, "give read_label: regex and a label_pattern, or neither"),
        ({"read_label": "regex", "label_pattern": "("}, "correct the regular expression"),
        ({"read_label": "first line"}, "did you mean 'first_line'"),
    ],
)
def test_half_a_reading_is_refused(keys: dict[str, Any], problem: str) -> None:
    given = {"kind": "classification", "data": "x.csv", **keys}
    with pytest.raises(TaskError, match=problem):
        check(ClassificationKeys, given, location("task 'x'"), TaskError)
