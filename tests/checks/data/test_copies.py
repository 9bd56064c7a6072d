"""Rows given twice, and rows held out that are trained on, are found; templates and prefixes alone are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import data
from harness.checks.data import EvaluationItem
from harness.checks.data.copies import NearIndex
from harness.metrics.words import words

SUBJECTS = ["sparrow", "otter", "maple", "granite", "kettle", "lantern", "harbour", "violin", "comet", "meadow"]


def sentences(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choice(SUBJECTS) + str(draw.randrange(1000)) for _ in range(12)) for _ in range(count)]


ROWS = [(text, f"answer {i}") for i, text in enumerate(sentences(30))]


def test_different_rows_pass_every_check(corpus):
    made = corpus(ROWS, [(text, "a") for text in sentences(8, seed=1)])
    items = [EvaluationItem("pets", f"row-{i}", text, "a") for i, text in enumerate(sentences(8, seed=2))]
    checks = [
        data.rows_are_not_repeated(made, 0.0),
        data.rows_differ(made, 0.0, similarity=0.8),
        data.held_out_rows_are_new(made, items, 0.0),
        data.held_out_rows_differ(made, items, 0.0, similarity=0.8),
    ]
    assert [check.decide().outcome for check in checks] == ["pass"] * 4


def test_a_repeated_row_is_named_with_the_first_whatever_its_case_and_punctuation(corpus):
    text, answer = ROWS[3]
    made = corpus([*ROWS, (f"{text.upper()}!", answer)])
    verdict = data.rows_are_not_repeated(made, 0.0).decide()
    assert verdict.outcome == "fail"
    assert "train.jsonl row 31: the same as train.jsonl row 4" in verdict.reason
    assert data.rows_are_not_repeated(made, 0.05).decide().outcome == "pass"


def test_one_question_with_two_answers_is_counted_but_is_no_repetition(corpus):
    check = data.rows_are_not_repeated(corpus([*ROWS, (ROWS[3][0], "another")]), 0.0)
    assert check.holds
    assert check.details["prompts_with_several_answers"] == 1


def test_a_nearly_equal_row_is_named_with_its_twin(corpus):
    verdict = data.rows_differ(corpus([*ROWS, (f"{ROWS[3][0]} too", "x")]), 0.0, similarity=0.8).decide()
    assert verdict.outcome == "fail"
    assert "train.jsonl row 31: 91% like train.jsonl row 4" in verdict.reason


def test_a_template_shared_by_all_makes_no_row_like_another(corpus):
    prefix = "Which of our teams handles this ticket and should see it first today? "
    made = corpus([(f"{prefix}{subject} number {i}", "a") for i, subject in enumerate(SUBJECTS * 3)])
    assert data.rows_differ(made, 0.0, similarity=0.8).decide().outcome == "pass"


@pytest.mark.parametrize("where", ["validation", "test"])
def test_a_held_out_row_that_is_trained_on_is_named_on_both_sides(corpus, where):
    copied, near = ROWS[5][0].title(), f"{ROWS[6][0]} too"
    held = [*sentences(8, seed=1), copied, near]
    validation = [(text, "a") for text in held] if where == "validation" else [("q", "a")]
    items = [EvaluationItem("pets", f"row-{i}", text, "") for i, text in enumerate(held if where == "test" else ())]
    made = corpus(ROWS, validation)
    place = "validation.jsonl row 9" if where == "validation" else "pets row-8"
    exact = data.held_out_rows_are_new(made, items, 0.0).decide()
    assert exact.outcome == "fail"
    assert exact.details["found"] == 1
    assert f"{place}: asked by train.jsonl row 6" in exact.reason
    alike = data.held_out_rows_differ(made, items, 0.0, similarity=0.8).decide()
    assert alike.details["found"] == 2
    assert "91% like train.jsonl row 7" in alike.reason


@pytest.mark.parametrize(
    ("trained", "held_out"),
    [
        ("What is C++?", "What is C#?"),
        ("Compute 10 + 0.", "Compute 10 - 0."),
        ("What does x = a[b] do?", "What does x = a(b) do?"),
        ("\U0001f600", "\U0001f389"),
        ("?!", "..."),
    ],
)
def test_questions_that_differ_in_a_symbol_alone_are_no_copies(corpus, trained, held_out):
    made = corpus([*ROWS, (trained, "yes"), (held_out, "yes")])
    assert data.rows_are_not_repeated(made, 0.0).holds
    assert data.rows_differ(made, 0.0, similarity=0.8).holds
    made = corpus([*ROWS, (trained, "yes")], [(held_out, "yes")])
    assert data.held_out_rows_are_new(made, [], 0.0).holds
    assert data.held_out_rows_differ(made, [], 0.0, similarity=0.8).holds


def test_questions_without_a_word_match_themselves_only(corpus):
    assert not data.rows_are_not_repeated(corpus([("?", "yes"), ("?", "yes")]), 0.0).holds
    nothing = [EvaluationItem("pets", "row-1", "", "a")]
    assert data.held_out_rows_are_new(corpus([("\u200b", "yes")]), nothing, 0.0).holds


def test_a_question_asked_in_an_earlier_turn_is_trained_on_and_a_greeting_is_not(corpus):
    question, greeting = "Why is the sky blue at noon?", "Hello there!"
    said = [("user", question), ("assistant", "Air."), ("user", greeting), ("assistant", "Hi.")]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    leaked = data.held_out_rows_are_new(corpus([row], [{"messages": row["messages"][:2]}]), [], 0.0)
    assert "validation.jsonl row 1: asked by train.jsonl row 1" in leaked.reason
    assert not leaked.holds
    assert data.held_out_rows_are_new(corpus([row], [{"messages": row["messages"][2:]}]), [], 0.0).holds


def test_near_copies_are_seen_in_text_without_spaces(corpus):
    text = "\u8bf7\u63cf\u8ff0\u4e00\u4e0b\u5317\u4eac\u7684\u5929\u6c14\u60c5\u51b5\u597d\u5417"
    verdict = data.rows_differ(corpus([*ROWS, (text, "a"), (f"{text}\u5440", "b")]), 0.0, similarity=0.8)
    assert "train.jsonl row 32: 92% like train.jsonl row 31" in verdict.reason


@given(st.lists(st.text(alphabet="abc ", max_size=30), min_size=1, max_size=12), st.data())
def test_a_text_of_the_index_is_found_again_unless_it_is_all_template(texts: list[str], chosen: st.DataObject):
    text = chosen.draw(st.sampled_from(texts))
    (near,) = NearIndex(texts, 0.8).nearest([text])
    if not words(text):
        assert near is None
    elif len(texts) <= 10:
        assert near is not None
        assert near.similarity == 1
        assert words(texts[near.index])[:3] == words(text)[:3]


def test_copies_in_scripts_without_spaces_are_found_and_other_rows_are_not(corpus):
    rows = [
        ("แม่ค้าขายส้มวันละเก้าสิบผลและให้เด็กสามคนคนละสองผลเหลือส้มกี่ผลในตอนเย็น", "x"),
        ("รถไฟออกจากสถานีตอนเก้าโมงครึ่งและไปถึงชายทะเลตอนบ่ายใช้เวลากี่ชั่วโมง", "x"),
        ("农夫每天早上卖掉九个鸡蛋一个月以后还剩下多少个鸡蛋", "x"),
        ("火车九点半从车站出发下午到达海边一共用了几个小时", "x"),
    ]
    assert data.rows_differ(corpus(rows), 0.0, similarity=0.8).holds
    near = [*rows, (f"{rows[0][0]}ครับ", "y"), (f"请问{rows[2][0]}", "y")]
    places = [finding["other"] for finding in data.rows_differ(corpus(near), 0.0, similarity=0.8).details["findings"]]
    assert places == ["train.jsonl row 1", "train.jsonl row 3"]


def test_a_thai_greeting_that_many_conversations_open_with_is_no_leak(corpus):
    made = corpus([("สวัสดีครับ", "สวัสดี"), *ROWS[:3]])
    assert words("สวัสดีครับ") != ["สวัสดีครับ"]
    assert data.held_out_rows_are_new(made, [EvaluationItem("chat", "1", f"สวัสดี {ROWS[9][0]}", "")], 0.0).holds
