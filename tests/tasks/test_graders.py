"""Each kind of task grades answers as it documents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.requests import GenerateRequest, Generation, Prompt, Score
from harness.errors import DataError, TaskError
from harness.tasks.base import Grade, Grader, Item
from harness.tasks.classification import ClassificationGrader, check_labels, find_label
from harness.tasks.records import Record
from harness.tasks.references import AnswerGrader, TextGrader
from harness.tasks.tool_calls import NO_CALL, ToolCallGrader

GRADERS: list[Grader] = [
    ToolCallGrader(),
    ClassificationGrader(labels=("no", "yes")),
    AnswerGrader(),
    TextGrader(),
]
WANTED = {"name": "f", "arguments": {"city": "Oslo", "days": 3, "unit": "c"}}


def item(target: Any) -> Item:
    return Item("1", Prompt.chat("?"), target)


def grade(grader: Grader, target: Any, text: str) -> Grade:
    return grader.grade(item(target), [Generation(text, "eos", 1, 1, 0.0)])


def call(**changes: Any) -> str:
    return f"<tool_call>{json.dumps({**WANTED, **changes})}</tool_call>"


@pytest.mark.parametrize(
    ("text", "exact", "parsed", "function", "f1"),
    [
        (call(), 1, 1, 1, 1.0),
        (f"\n{call()} ", 1, 1, 1, 1.0),
        (call(arguments={"days": 3, "unit": "c", "city": "Oslo"}), 1, 1, 1, 1.0),
        (f"Sure! {call()}", 0, 1, 1, 1.0),
        (call(arguments={"city": "Oslo", "days": "3", "unit": "c"}), 0, 1, 1, 2 / 3),
        (call(arguments={"city": "Oslo", "days": 3.0, "unit": "c"}), 0, 1, 1, 2 / 3),
        (call(arguments={"city": "Oslo"}), 0, 1, 1, 0.5),
        (call(arguments={}), 0, 1, 1, 0.0),
        (call(name="g"), 0, 1, 0, 0.0),
        (call() + call(), 0, 0, 0, 0.0),
        ("f(Oslo)", 0, 0, 0, 0.0),
        (NO_CALL, 0, 0, 0, 0.0),
    ],
)
def test_tool_call_is_graded_in_steps(text: str, exact: int, parsed: int, function: int, f1: float) -> None:
    scores = grade(ToolCallGrader(), WANTED, text).scores
    assert (scores["exact_match"], scores["call_parsed"], scores["function_match"]) == (exact, parsed, function)
    assert scores["argument_f1"] == pytest.approx(f1)
    assert scores["no_call_match"] is None


@pytest.mark.parametrize(
    ("text", "right"),
    [(NO_CALL, 1.0), (f" {NO_CALL.lower()}\n", 1.0), (NO_CALL[:-1], 1.0), (f"{NO_CALL} Sorry.", 0.0), (call(), 0.0)],
)
def test_refusal_must_be_the_fixed_form_alone(text: str, right: float) -> None:
    scores = grade(ToolCallGrader(), None, text).scores
    assert scores["exact_match"] == scores["no_call_match"] == right
    assert scores["call_parsed"] is scores["function_match"] is scores["argument_f1"] is None


def test_parsed_tells_call_refusal_and_neither_apart() -> None:
    parsed = [grade(ToolCallGrader(), WANTED, text).parsed for text in (call(), NO_CALL, "hm")]
    assert parsed == [WANTED, NO_CALL, None]


def test_tool_call_targets_are_read_in_every_form() -> None:
    record = Record(Path("a.jsonl"), 7, {})
    grader = ToolCallGrader()
    for value in (WANTED, json.dumps(WANTED), call()):
        assert grader.target(record, "t", value) == WANTED
    for value in (None, NO_CALL, NO_CALL.upper()):
        assert grader.target(record, "t", value) is None
    for value in ({"name": "f"}, "f(x)", 3, "", []):
        with pytest.raises(DataError, match=r"a\.jsonl: row 7 field 't' is .* not a call"):
            grader.target(record, "t", value)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" **Positive**.\n", "positive"),
        ("The review is positive.", "positive"),
        ("Very positive, I think: very positive", "very positive"),
        ("positive or negative?", None),
        ("positively", None),
        ("unsure", None),
        ("", None),
    ],
)
def test_label_is_found_by_the_documented_rule(answer: str, label: str | None) -> None:
    labels = ("negative", "positive", "very positive")
    assert find_label(answer, labels) == label
    assert grade(ClassificationGrader(labels=labels), "positive", answer).scores == {"accuracy": label == "positive"}


@pytest.mark.parametrize(
    ("answer", "labels", "label"),
    [
        ("答案是正面的。", ("正面", "负面"), "正面"),
        ("答案是B。", ("A", "B"), "B"),
        ("คำตอบคือบวกครับ", ("บวก", "ลบ"), "บวก"),
        ("答案是正面或负面", ("正面", "负面"), None),
        ("R\u00e9ponse : cafe\u0301.", ("caf\u00e9", "th\u00e9"), "caf\u00e9"),
    ],
)
def test_a_label_is_found_within_a_script_without_spaces(
    answer: str, labels: tuple[str, ...], label: str | None
) -> None:
    assert find_label(answer, labels) == label


LABELS = st.lists(st.text(alphabet="abc +é.", min_size=1), min_size=2, max_size=4)


@given(LABELS, st.text())
def test_any_label_is_found_in_itself_and_any_answer_is_read(labels: list[str], answer: str) -> None:
    try:
        check_labels(labels)
    except TaskError:
        return
    for label in labels:
        assert find_label(f" {label}!", labels) == label
    assert find_label(answer, labels) in {None, *labels}


@pytest.mark.parametrize("labels", [["yes"], ["Yes", "yes."], ["a", "!"]])
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(TaskError):
        check_labels(labels)


def test_accuracy_floor_is_the_majority_or_chance() -> None:
    floors = [ClassificationGrader(labels=("a", "b", "c"), majority=m).metrics[0].floor for m in (0.7, 0.2)]
    assert floors == [0.7, pytest.approx(1 / 3)]


@pytest.mark.parametrize(
    ("target", "text", "normalize", "exact", "f1"),
    [
        ("Eiffel Tower", "the eiffel tower!", "squad", 1, 1.0),
        (["Paris", "the city of Paris"], "Paris city", "squad", 0, 0.8),
        ("5", "-5", "squad", 1, 1.0),
        ("5", "-5", "space", 0, 0.0),
        ("a  b", "a b\n", "space", 1, 1.0),
        ("x", "", "squad", 0, 0.0),
    ],
)
def test_short_answers_take_the_best_gold(target: Any, text: str, normalize: str, exact: int, f1: float) -> None:
    scores = grade(AnswerGrader(normalize=normalize), target, text).scores
    assert scores["exact_match"] == exact
    assert scores["token_f1"] == pytest.approx(f1)


def test_generation_scores_a_perfect_and_an_empty_answer() -> None:
    text = "the quick brown fox jumps"
    perfect = grade(TextGrader(), ["something else", text], text).scores
    assert list(perfect.values()) == pytest.approx([1.0] * 5)
    assert set(grade(TextGrader(), text, "").scores.values()) == {0.0}


@pytest.mark.parametrize("grader", GRADERS)
def test_grader_asks_greedily_and_declares_every_score(grader: Any) -> None:
    requests = replace(grader, max_new_tokens=7, stop=("\n",)).requests(item("x"))
    assert requests == (GenerateRequest(Prompt.chat("?"), max_new_tokens=7, stop=("\n",)),)
    target = WANTED if isinstance(grader, ToolCallGrader) else "yes"
    names = set(grade(grader, target, "yes").scores)
    declared = {m.name for m in grader.metrics}
    assert names <= declared
    assert declared - names == {m.name for m in grader.metrics if m.corpus and m.name.startswith("macro")}


@pytest.mark.parametrize("grader", GRADERS)
def test_digest_changes_with_the_settings(grader: Any) -> None:
    assert replace(grader).digest == grader.digest
    assert len({grader.digest, replace(grader, max_new_tokens=7).digest, replace(grader, stop=("x",)).digest}) == 3


def test_digests_of_the_kinds_own_settings_differ() -> None:
    assert ToolCallGrader(no_call="none").digest != ToolCallGrader().digest
    assert AnswerGrader(normalize="space").digest != AnswerGrader().digest
    assert ClassificationGrader(labels=("a", "b")).digest != ClassificationGrader(labels=("a", "c")).digest


def test_a_log_likelihood_is_no_answer_to_a_question() -> None:
    with pytest.raises(TaskError, match="answered with a Score"):
        AnswerGrader().grade(item("x"), [Score(-1.0, True, 1, 1, 0.0)])


def test_the_bleu_tokenizer_is_of_the_references_script_and_in_the_task_s_identity() -> None:
    def fitted(*references: str | list[str]) -> TextGrader:
        return TextGrader().fit([Item(str(i), Prompt(text="?"), text) for i, text in enumerate(references)])

    assert fitted("Fine weather.", ["Rain.", "A rainy day."]) == TextGrader()
    chinese, thai = fitted("今天天气很好。"), fitted(["วันนี้อากาศดีมาก"])
    assert (chinese.tokenize, thai.tokenize) == ("zh", "char")
    assert len({grader.digest for grader in (TextGrader(), chinese, thai)}) == 3
    answer = "今天天气很不错。"
    assert (
        grade(chinese, "今天天气很好。", answer).scores["bleu"]
        > 0.5
        > grade(TextGrader(), "今天天气很好。", answer).scores["bleu"]
    )
