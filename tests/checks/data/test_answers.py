"""Answers that break off and JSON that does not parse are caught; whole ones are not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import data
from harness.checks.data.answers import json_fault
from harness.checks.data.endings import break_fault

LONG = "The kettle is on the second shelf, behind the blue cups that nobody in this house ever uses."
WHOLE = [(f"Where is thing {i}?", LONG.replace("second", f"{i}th")) for i in range(10)]


def test_whole_answers_pass(corpus):
    whole = [*WHOLE, ("Capital of France?", "Paris"), ("List two.", "- salt\n- pepper"), ("Code?", "```\nx = [\n```")]
    assert data.answers_are_whole(corpus(whole), 0.0).decide().outcome == "pass"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("The kettle is on the second shelf, behind the blue cups that nobody in this", "ends without punctuation"),
        ("It is here and", "ends within a sentence"),
        ("Salt, pepper,", "ends within a sentence"),
        ("```python\nprint(1)", "a code fence stays open"),
        ('<tool_call>{"name": "f"', "a tool call stays open"),
    ],
)
def test_an_answer_that_breaks_off_is_named(corpus, answer, fault):
    verdict = data.answers_are_whole(corpus([*WHOLE, ("Where?", answer)]), 0.0).decide()
    assert verdict.outcome == "fail"
    assert f"train.jsonl row 11: {fault}" in verdict.reason
    assert data.answers_are_whole(corpus([*WHOLE, ("Where?", answer)]), 0.10).decide().outcome == "pass"


def test_data_that_never_end_in_punctuation_are_not_called_broken(corpus):
    rows = [(f"Headline {i}?", f"{LONG[:-1]} number {i}") for i in range(10)]
    assert data.answers_are_whole(corpus(rows), 0.0).decide().outcome == "pass"


@given(st.text(min_size=1, max_size=60))
def test_a_full_stop_ends_any_plain_answer(text: str):
    plain = text.replace("`", "").replace("<", "")
    assert break_fault(f"{plain}.", punctuated=True) == ""


CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


def test_json_that_is_promised_and_kept_passes(corpus):
    for answers in ([CALL] * 4, ['{"a": 1}'] * 4, ['```json\n{"a": 1}\n```'] * 4, [CALL + CALL] * 4):
        check = data.json_answers_parse(corpus([(f"q{i}", answer) for i, answer in enumerate(answers)]), 0.0)
        assert check is not None
        assert check.decide().outcome == "pass"


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (CALL[:-20], "the tags of its tool calls do not match"),
        ('<tool_call>{"name": f}</tool_call>', "not JSON at character 10"),
        ('{"a": 1', "not JSON at character 8"),
    ],
)
def test_json_that_is_promised_and_broken_is_named(corpus, broken, fault):
    check = data.json_answers_parse(corpus([*[(f"q{i}", CALL) for i in range(5)], ("q", broken)]), 0.0)
    assert check is not None
    verdict = check.decide()
    assert verdict.outcome == "fail"
    assert f"train.jsonl row 6: {fault}" in verdict.reason


def test_plain_answers_promise_no_json_and_a_stray_one_among_json_is_named(corpus):
    assert data.json_answers_parse(corpus(WHOLE), 0.0) is None
    mixed = [*[(f"q{i}", CALL) for i in range(5)], *WHOLE]
    kept = data.json_answers_parse(corpus(mixed), 0.0)
    assert kept is not None
    assert kept.decide().outcome == "pass"
    stray = data.json_answers_parse(corpus([*[(f"q{i}", CALL) for i in range(99)], ("q", "No.")]), 0.0)
    assert stray is not None
    assert "train.jsonl row 100" in stray.reason


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_whatever_json_writes_parses(value: object):
    # a tag within a text would be taken for a tool call's
    text = json.dumps(value).replace("tool_call", "")
    assert json_fault(text) is None
    assert json_fault(f"```json\n{text}\n```") is None


@pytest.mark.parametrize("form", ["<tool_call>{}</tool_call>", "```json\n{}\n```", "{}"])
@pytest.mark.parametrize("valid", [0, 8])
def test_json_that_is_broken_in_most_answers_is_still_promised(corpus, form, valid):
    bodies = [f'{{"a": {i}}}' if i < valid else f"{{'a': {i}}}" for i in range(20)]
    check = data.json_answers_parse(corpus([(f"q{i}", form.format(body)) for i, body in enumerate(bodies)]), 0.0)
    assert check is not None
    assert check.decide().outcome == "fail"
    assert f"{20 - valid} of 20 answers that promise JSON" in check.reason


def test_a_broken_tool_call_among_prose_is_named_and_a_brace_among_prose_is_not(corpus):
    named = data.json_answers_parse(corpus([*WHOLE, ("q", "<tool_call>{'name': 'f'}</tool_call>")]), 0.0)
    assert named is not None
    assert "train.jsonl row 11: not JSON at character 2" in named.reason
    assert data.json_answers_parse(corpus([*WHOLE, ("q", "{'a': 1} is a dict.")]), 0.0) is None


def test_a_fence_with_prose_after_it_and_calls_that_are_no_json_pass(corpus):
    explained = data.json_answers_parse(corpus([("q", '```json\n{"a": 1}\n```\nThat is all.')] * 2), 0.0)
    assert explained is not None
    assert explained.holds
    in_xml = "<tool_call>\n<function=f>\n</function>\n</tool_call>"
    assert data.json_answers_parse(corpus([(f"q{i}", in_xml) for i in range(5)]), 0.0) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("[-Infinity]", "-Infinity is not a JSON value"),
        ('```json\n{"a": 1}', "stays open"),
    ],
)
def test_what_only_python_reads_and_an_open_fence_are_faults(answer, fault):
    assert fault in str(json_fault(answer))


def test_every_answer_of_a_conversation_that_is_learnt_is_looked_at(corpus):
    said = [("user", "Where?"), ("assistant", "It is here and"), ("user", "And?"), ("assistant", "There.")]
    turns = [{"role": role, "content": content} for role, content in said]
    check = data.answers_are_whole(corpus([{"messages": turns}]), 0.0)
    assert "1 of 2 answers" in check.reason
    assert "train.jsonl row 1, turn 2: ends within a sentence" in check.reason
    turns[1]["weight"] = 0
    assert data.answers_are_whole(corpus([{"messages": turns}]), 0.0).holds
