"""No column is left out in silence: harmless ones are named, and those that change what is learnt fail."""

from __future__ import annotations

from harness.checks import data

TURNS = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def test_metadata_are_named_and_pass(corpus):
    check = data.columns_are_used(corpus([{"messages": TURNS, "id": 1, "source": "web"}, {"messages": TURNS, "id": 2}]))
    assert check.decide().outcome == "pass"
    assert check.reason == "not used, and none of them is known to change what is learnt: train.jsonl: id, source"
    assert check.details["not_used"] == {"train.jsonl": ["id", "source"]}


def test_columns_that_change_what_is_learnt_fail(corpus):
    rows = [{"messages": TURNS, "documents": ["a"]}, {"messages": [{**TURNS[0], "tools": [{}]}, TURNS[1]]}]
    check = data.columns_are_used(corpus(rows))
    assert check.decide().outcome == "fail"
    assert "2 of 2 rows" in check.reason
    assert (
        "train.jsonl row 1: documents would be lost; train.jsonl row 2: messages[].tools would be lost" in check.reason
    )


def test_rows_without_further_columns_pass(corpus):
    assert data.columns_are_used(corpus([("hello", "hi")])).reason == "every column is used"
