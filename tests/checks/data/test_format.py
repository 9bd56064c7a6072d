"""Rows that cannot be read are all named, and turns out of order are seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import data
from harness.checks.data import EvaluationItem
from harness.checks.data.format import order_fault
from harness.training import DataFile, Recipe, RecipeData


def chat(*roles: str) -> dict[str, object]:
    return {"messages": [{"role": role, "content": f"{role} speaks"} for role in roles]}


HEALTHY = [
    chat("user", "assistant"),
    chat("system", "user", "assistant"),
    chat("user", "assistant", "tool", "assistant"),
]


def test_healthy_conversations_pass_both(corpus):
    made = corpus(HEALTHY)
    assert data.rows_can_be_read(made).decide().outcome == "pass"
    assert data.conversations_are_in_order(made).decide().outcome == "pass"


def test_every_unreadable_row_is_named_with_its_fault_and_the_others_are_kept(corpus):
    empty = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": " "}]}
    made = corpus([*HEALTHY, empty, {"text": "no turns"}, chat("user", "robot")])
    verdict = data.rows_can_be_read(made).decide()
    assert verdict.outcome == "fail"
    assert "3 of 6 rows" in verdict.reason
    assert "train.jsonl row 4: field 'messages[1].content' is empty" in verdict.reason
    assert "train.jsonl row 5: has no field 'messages'" in verdict.reason
    assert [finding["place"] for finding in verdict.details["findings"]] == [f"train.jsonl row {n}" for n in (4, 5, 6)]
    assert verdict.remedy
    assert len(made.of("train")) == 3


@pytest.mark.parametrize(
    ("roles", "fault"),
    [
        (("user", "system", "assistant"), "turn 2 of 3 (system) follows user"),
        (("user", "user", "assistant"), "turn 2 of 3 (user) follows user"),
        (("user", "assistant", "user"), "the last turn is user, not assistant"),
        (("assistant", "user", "assistant"), "turn 1 of 3 (assistant) comes first"),
        (("user", "tool", "assistant"), "turn 2 of 3 (tool) follows user"),
    ],
)
def test_turns_out_of_order_are_named(corpus, roles, fault):
    verdict = data.conversations_are_in_order(corpus([*HEALTHY, chat(*roles)])).decide()
    assert verdict.outcome == "fail"
    assert f"train.jsonl row 4: {fault}" in verdict.reason


def test_sharegpt_speakers_are_known_by_their_own_names(corpus):
    turns = [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]
    good, bad = {"conversations": turns}, {"conversations": [turns[0], *turns]}
    assert data.conversations_are_in_order(corpus([good])).decide().outcome == "pass"
    assert "row 2: turn 2 of 3 (user) follows user" in data.conversations_are_in_order(corpus([good, bad])).reason


@given(turns=st.integers(1, 6), system=st.booleans())
def test_alternating_turns_are_always_in_order(turns: int, system: bool):
    assert order_fault(["system"] * system + ["user", "assistant"] * turns) == ""


def test_a_recipe_gives_the_rows_it_trains_on_with_its_limit_and_split(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("prompt,completion\n" + "".join(f"q{i},a{i}\n" for i in range(40)))
    recipe_data = RecipeData(train=DataFile(path="rows.csv", limit=20), split=0.25)
    made = data.corpus_of_recipe(Recipe(name="r", base="base", data=recipe_data, root=tmp_path))
    assert len(made.of("train")) == 15
    assert len(made.of("validation")) == 5
    assert not {row.question for row in made.of("train")} & {row.question for row in made.of("validation")}
    assert sum(1 for _ in made.records()) == 40


def test_what_an_api_writes_of_a_call_is_named_with_what_to_write_instead(corpus):
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    made = corpus([*HEALTHY, {"messages": [{"role": "user", "content": "hello"}, call]}, chat("robot", "user")])
    check = data.rows_can_be_read(made)
    assert "row 4: field 'messages[1].tool_calls' would not be trained on: write the call into the text" in check.reason
    assert (
        "row 5: field 'messages[0].role' is 'robot' (str), not a role: use one of: system, developer, user"
        in check.reason
    )


def test_half_a_surrogate_pair_is_named_with_its_row(corpus):
    check = data.rows_can_be_read(corpus([("q", "a"), ("q\ud800", "a")]))
    assert not check.holds
    assert r"train.jsonl row 2: field 'prompt' has half a surrogate pair, '\ud800', at character 2" in check.reason


def test_a_developer_opens_a_conversation_as_a_system_prompt_does(corpus):
    assert data.conversations_are_in_order(corpus([chat("developer", "user", "assistant")])).holds
    assert not data.conversations_are_in_order(corpus([chat("user", "developer", "user", "assistant")])).holds


def test_rows_of_other_methods_fail_by_name_whether_or_not_they_could_be_read(corpus):
    pair = {"prompt": "hello", "chosen": "hi", "rejected": "no"}
    check = data.rows_can_be_read(corpus([pair, pair]))
    assert "2 of 2 rows" in check.reason
    assert "train.jsonl row 1: is a preference row" in check.reason
    wanted = {"prompt": "hello", "completion": "hi", "label": True}
    check = data.rows_can_be_read(corpus([wanted, {**wanted, "completion": "no", "label": False}]))
    assert "1 of 2 rows" in check.reason
    assert "train.jsonl row 2: is a row of KTO whose answer is not wanted" in check.reason


@pytest.mark.parametrize(("yes", "no"), [(1, 0), ("1", "0"), (1.0, 0.0)])
def test_answers_marked_by_numbers_are_of_kto_and_numbered_classes_are_not(corpus, yes: object, no: object):
    rows = [{"prompt": f"Who {i}?", "completion": f"It was {i}.", "label": yes if i % 3 else no} for i in range(6)]
    assert "2 of 6 rows" in data.rows_can_be_read(corpus(rows)).reason
    assert "1 of 2 rows" in data.rows_can_be_read(corpus(rows[:2])).reason
    by_model = [{**row, "model": f"m{row['label']}"} for row in rows]
    assert not data.rows_can_be_read(corpus(by_model)).holds, "who wrote it is not what it says"
    turns = [{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]}] * 2
    assert (
        "1 of 2 rows" in data.rows_can_be_read(corpus([{**turns[0], "label": yes}, {**turns[1], "label": no}])).reason
    )
    classes = [{"prompt": f"Nice {i}?", "completion": "good" if i % 2 else "bad", "label": i % 2} for i in range(6)]
    assert data.rows_can_be_read(corpus(classes)).holds
    three = [{**row, "label": i} for i, row in enumerate(rows[:3])]
    assert data.rows_can_be_read(corpus(three)).holds, "more than two are classes or ratings"


def test_where_nothing_can_be_read_no_check_of_rows_passes(corpus):
    unread = corpus([{"messages": [{"role": "user", "content": ""}]}], [("q", "a")])
    checks = [
        data.rows_are_not_repeated(unread, 0.0),
        data.rows_differ(unread, 0.1, similarity=0.8),
        data.held_out_rows_are_new(unread, [], 0.0),
        data.held_out_rows_differ(unread, [], 0.0, similarity=0.8),
        data.evaluation_sets_are_not_trained_on(unread, [EvaluationItem("quiz", "1", "Why so?", "yes")], 0.0, ngram=13),
    ]
    verdicts = [check.decide() for check in checks if check is not None]
    assert [verdict.outcome for verdict in verdicts] == ["error"] * len(checks)
    assert all("to look at" in verdict.reason and verdict.remedy for verdict in verdicts)
    alone = corpus([{"messages": []}])
    for check in (
        data.conversations_are_in_order(alone),
        data.answers_are_whole(alone, 0.1),
        data.no_personal_data(alone, 1.0),
        data.no_secrets(alone, 1.0),
    ):
        assert check.decide().outcome == "error"


def test_a_check_of_what_is_not_there_does_not_apply(corpus):
    made = corpus([("q", "a")])
    assert data.held_out_rows_are_new(made, [], 0.0) is None
    assert data.held_out_rows_differ(made, [], 0.0, similarity=0.8) is None
    assert data.evaluation_sets_are_not_trained_on(made, [], 0.0, ngram=13) is None
