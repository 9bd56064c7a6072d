"""What stands around JSON is named, in what share of answers, and held against base and targets."""

from __future__ import annotations

import json

import pytest

from harness.checks.task import answers_keep_their_form
from harness.checks.task.json_form import drift

from .conftest import Asked, Say

ROWS = [(f"Make {i}", json.dumps({"id": i, "tags": ["a", "b"]})) for i in range(60)]
RIGHT = dict(ROWS)


def fenced(asked: str) -> str:
    return f"```json\n{RIGHT[asked]}\n```"


def some(share: int) -> Say:
    def say(asked: str) -> str:
        return fenced(asked) if int(asked.split()[1]) % 10 < share else RIGHT[asked]

    return say


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        ('{"a": 1}', '{"a": 2}', ""),
        ('```json\n{"a": 1}\n```', '{"a": 1}', "a code fence added"),
        (
            'Here it is:\n```\n{"a": 1}\n```\nHope this helps!',
            '{"a": 1}',
            "a code fence and text after it and text before it added",
        ),
        ('{"a": 1} is what you want', '{"a": 1}', "text after it added"),
        ('{"a": 1}', '<tool_call>\n{"a": 1}\n</tool_call>', "tags left out"),
        ("I am not able to do so", '{"a": 1}', ""),
        ('{"a": 1, "b": ', '{"a": 1}', ""),
        ('{"a": 1}', "No function fits this request.", ""),
        ("[1, 2]", "[]", ""),
    ],
)
def test_what_was_added_or_left_out_is_said(answer: str, expected: str, said: str) -> None:
    assert drift(answer, expected) == said


def test_fences_in_half_of_the_answers_fail_and_are_named(asked: Asked) -> None:
    rule = answers_keep_their_form(asked(ROWS, some(5), RIGHT.__getitem__, normalize="space"), 0.1)
    assert rule is not None
    verdict = rule.decide()
    assert (verdict.outcome, verdict.gate) == ("fail", "t/other_json_form/non_inferior")
    assert "in 30 of 60 answers: a code fence added (30)" in verdict.reason
    assert verdict.details["findings_by_kind"] == {"base": {}, "candidate": {"a code fence added": 30}}
    assert verdict.remedy


def test_answers_as_bare_as_their_targets_pass_whatever_the_base_wrote(asked: Asked) -> None:
    for base in (RIGHT.__getitem__, fenced, lambda one: "I would rather not."):
        rule = answers_keep_their_form(asked(ROWS, RIGHT.__getitem__, base), 0.1)
        assert rule is not None and rule.decide().outcome == "pass"


def test_fences_fail_also_where_the_base_wrote_no_json(asked: Asked) -> None:
    rule = answers_keep_their_form(asked(ROWS, fenced, lambda one: "I would rather not."), 0.1)
    assert rule is not None and rule.decide().outcome == "fail"


def test_a_task_whose_targets_are_no_json_is_not_asked(asked: Asked) -> None:
    rows = [(f"Say {i}", f"word {i}") for i in range(20)]
    assert answers_keep_their_form(asked(rows, dict(rows).__getitem__, dict(rows).__getitem__), 0.1) is None
