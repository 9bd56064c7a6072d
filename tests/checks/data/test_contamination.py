"""Evaluation questions among the training rows are found, shown, and told from what only looks like them."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import data
from harness.checks.data import EvaluationItem
from harness.checks.data.corpus import Row
from harness.checks.data.matches import find_matches
from harness.checks.data.overlap import Windows, shared_runs, word_keys
from harness.engines.requests import Message
from harness.tasks.build import build_task
from harness.tasks.conversations import Conversation

LONG = "A farmer keeps 14 hens and 3 ducks, sells 9 eggs every morning, and bakes a cake on each Sunday of the month."
WORDS = [f"word{i}" for i in range(16)]


def item(question: str, answer: str = "", number: int = 0) -> EvaluationItem:
    return EvaluationItem("quiz", f"q{number}", question, answer)


def row(text: str, answer: str = "ok") -> Row:
    return Row("train.jsonl row 1", Conversation.answered((Message("user", text),), answer))


def test_a_planted_question_fails_with_row_item_and_common_text(corpus):
    made = corpus([("What is the weather?", "Fine."), (f"Solve this: {LONG.upper()} Thanks", "12")])
    verdict = data.evaluation_sets_are_not_trained_on(
        made, [item(LONG), item("Who am I?", "You", 1)], 0.0, ngram=13
    ).decide()
    assert verdict.outcome == "fail"
    assert "1 of 2 items of quiz (50.0%)" in verdict.reason
    assert "train.jsonl row 2 shares 23 words with quiz q0: 'a farmer keeps 14 hens" in verdict.reason
    assert verdict.details["sets"] == {"quiz": {"items": 2, "contaminated": 1}}
    assert verdict.details["findings"][0]["item"] == "quiz q0"
    assert verdict.remedy


def test_clean_rows_pass_and_the_limit_is_a_share_of_each_set(corpus):
    made = corpus([("What is the weather?", "Fine."), (LONG, "12")])
    small = [EvaluationItem("small", "s", LONG, "")]
    large = [item(f"{WORDS[i % 16]} {i} and nothing of the kind in any row", number=i) for i in range(99)]
    assert data.evaluation_sets_are_not_trained_on(made, large, 0.0, ngram=13).holds
    # 1 of 100 items in all, but all of one set
    assert not data.evaluation_sets_are_not_trained_on(made, [*large, *small], 0.5, ngram=13).holds
    assert data.evaluation_sets_are_not_trained_on(made, [*large, item(LONG, number=99)], 0.01, ngram=13).holds


def test_thirteen_words_in_a_row_are_a_match_and_twelve_are_not():
    question = " ".join(WORDS)
    assert find_matches([row(" ".join(WORDS[2:14]))], [item(question)]) == []
    (match,) = find_matches([row(" ".join(WORDS[2:15]))], [item(question)])
    assert (match.words, match.common) == (13, " ".join(WORDS[2:15]))


def test_a_short_question_counts_whole_and_a_very_short_one_with_its_answer_only():
    eight = " ".join(WORDS[:8])
    assert len(find_matches([row(f"so {eight} then")], [item(eight)])) == 1
    assert find_matches([row(f"so {' '.join(WORDS[:7])} then")], [item(eight)]) == []
    chord = item("What is a chord?", "three notes")
    assert find_matches([row("What is a chord?", "I do not know")], [chord]) == []
    assert find_matches([row("What is a chord?", "It is three notes at once")], [chord])[0].words == 4
    assert find_matches([row("Why? No.")], [item("Why?", "No")]) == []


def test_words_that_many_items_share_are_boilerplate():
    preamble = " ".join(WORDS)
    items = [item(f"{preamble} case{i}", number=i) for i in range(11)]
    assert find_matches([row(f"{preamble} anything")], items) == []
    assert find_matches([row(f"{preamble} anything")], items[:3]) == []
    (match,) = find_matches([row(f"{preamble} case3")], items)
    assert match.item.id == "q3"
    assert match.words == 17


def test_a_passage_that_few_of_many_items_share_is_none():
    passage = " ".join(WORDS)
    others = [item(" ".join(f"{name}{i}" for name in WORDS), number=100 + i) for i in range(60)]
    asked = [item(f"{passage} case{i}", number=i) for i in range(5)]
    assert len(find_matches([row(f"{passage} anything")], [*others, *asked])) == 5


TEMPLATES = {
    "before": "Which of these twelve intents does it express? {said}",
    "around": "A customer of our bank wrote to us today:\n\n{said}\n\nWhich of the twelve intents is it? Answer with its name.",
    "in a sentence": "What does a customer want who says {said} and what should we do about it now?",
    "two words": "Label this: {said}",
    "none": "{said}",
}
LABELS = [f"intent_{number}" for number in range(12)]


class Messages:
    """Made-up messages of an intent task, and rows that share four to eight words in a row with one of them."""

    def __init__(self, count: int, longest: int) -> None:
        self._draw = random.Random(count * longest)
        self.said = [self._words(5, longest) for _ in range(count)]

    def _words(self, least: int, most: int) -> str:
        return " ".join(f"w{self._draw.randrange(400)}" for _ in range(self._draw.randint(least, most)))

    def items(self, template: str) -> list[EvaluationItem]:
        return [
            EvaluationItem("intents", str(number), template.format(said=said), LABELS[number % 12])
            for number, said in enumerate(self.said)
        ]

    def clean(self, template: str, count: int) -> list[Row]:
        rows = []
        for number in range(count):
            message = self.said[number % len(self.said)]
            shared = message.split()[: min(self._draw.randint(4, 8), len(message.split()) - 1)]
            own = f"{self._words(0, 3)} {' '.join(shared)} other {self._words(1, 5)}".strip()
            rows.append(row(template.format(said=own), LABELS[number % len(self.said) % 12]))
        return rows


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("count", "longest"), [(45, 8), (45, 16), (6, 12)])
def test_a_template_is_no_evidence_and_true_copies_are_found_in_any_dress(name, count, longest):
    template, messages = TEMPLATES[name], Messages(count, longest)
    items, clean = messages.items(template), messages.clean(template, 200)
    assert find_matches(clean, items) == []
    dresses = (
        lambda said: template.format(said=said),
        lambda said: template.format(said=said.upper().replace(" ", ", ")),
        lambda said: said,
        lambda said: f"Sort it: {said}",
    )
    for dress in dresses:
        planted = [
            Row(f"planted {number}", Conversation.answered((Message("user", dress(said)),), LABELS[number % 12]))
            for number, said in enumerate(messages.said)
        ]
        found = {(match.row.location, match.item.id) for match in find_matches([*clean, *planted], items)}
        assert {(f"planted {number}", str(number)) for number in range(count)} <= found
        assert len({place for place, _ in found}) <= count


def test_a_templated_question_pasted_into_another_text_is_found():
    messages = Messages(45, 7)
    template = TEMPLATES["before"]
    items = messages.items(template)
    pasted = row(f"Hello there, {items[7].question} thank you all", items[7].answer)
    assert {match.item.id for match in find_matches([*messages.clean(template, 60), pasted], items)} == {"7"}


def test_an_item_given_twice_is_not_its_own_boilerplate():
    assert len(find_matches([row(LONG)], [item(LONG, number=i) for i in range(12)])) == 12


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=4),
    st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=4),
    st.integers(1, 5),
)
def test_runs_are_those_that_comparing_every_place_finds(left: list[list[str]], right: list[list[str]], size: int):
    vocabulary: dict[str, int] = {}
    a, b = Windows(left, vocabulary), Windows(right, vocabulary)
    runs = shared_runs(a, b, size, word_keys(vocabulary), np.ones(len(b.words), dtype=bool))
    found = {(run.left, run.right): run.length for run in runs}
    assert found == {
        (i, j): longest
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if (longest := _longest_common(one, other)) >= size
    }
    for run in runs:
        theirs = right[run.right][run.right_start : run.right_start + run.length]
        assert left[run.left][run.left_start : run.left_start + run.length] == theirs


def _longest_common(a: list[str], b: list[str]) -> int:
    return max(
        (
            next(n for n in range(len(a) + 1) if i + n == len(a) or j + n == len(b) or a[i + n] != b[j + n])
            for i in range(len(a))
            for j in range(len(b))
        ),
        default=0,
    )


@pytest.mark.parametrize(
    ("spec", "record", "question", "answer"),
    [
        (
            {"kind": "multiple_choice", "style": "cloze", "target_field": "answer", "prompt_field": "q"},
            {"q": "Which is red?", "choices": ["grass", "blood"], "answer": "blood"},
            "Which is red?",
            "blood",
        ),
        (
            {"kind": "exact_match", "target_field": "answer", "prompt": "Say {q}", "system": "Be brief."},
            {"q": "one", "answer": "1"},
            "Say one",
            "1",
        ),
    ],
)
def test_items_of_a_task_are_its_questions_without_choices_or_system_turn(
    tmp_path, spec: dict[str, Any], record: dict[str, Any], question: str, answer: str
):
    (tmp_path / "d.jsonl").write_text(json.dumps(record) + "\n")
    (found,) = data.evaluation_items(build_task("t", {**spec, "data": "d.jsonl"}, root=tmp_path))
    assert (found.name, found.question, found.answer) == ("t row-1", question, answer)


def test_a_short_sum_is_its_own_and_not_another_with_other_symbols():
    asked = item("What is 2 + 2?", "4")
    assert find_matches([row("What is 2 * 2?", "4")], [asked]) == []
    assert len(find_matches([row("what is  2 + 2", "4")], [asked])) == 1
    assert len(find_matches([row("what is 2 2", "4")], [asked])) == 1
    assert len(find_matches([row("What is a *chord*?", "3 notes")], [item("What is a chord?", "3 notes")])) == 1


def test_questions_without_spaces_are_found():
    question = "".join(chr(0x5317 + number) for number in range(16))
    (match,) = find_matches([row(f"ja {question[1:15]}?")], [item(question)])
    assert match.words == 14
    assert find_matches([row(question[:12])], [item(question)]) == []


# Questions written for this test: of about ten words in Khmer and Burmese, of more in the others.
UNSPACED = {
    "thai": "แม่ค้าขายส้มวันละเก้าสิบผลและให้เด็กสามคนคนละสองผลเหลือส้มกี่ผลในตอนเย็น",
    "khmer": "តើកសិករលក់ស្រូវបានប៉ុន្មានបាវក្នុងមួយថ្ងៃប្រសិនបើគាត់មានដប់បាវ",
    "burmese": "လယ်သမားသည်တစ်နေ့လျှင်ဆန်အိတ်မည်မျှရောင်းနိုင်သနည်းသူ့တွင်ဆယ်အိတ်ရှိသည်",
    "japanese": "市場で一日に九十個のみかんを売ると夕方には何個残りますか",
    "chinese": "农夫每天早上卖掉九个鸡蛋一个月以后还剩下多少个鸡蛋",
}


@pytest.mark.parametrize("script", UNSPACED)
def test_a_question_in_a_script_without_spaces_is_found_within_a_row_and_twelve_of_its_letters_are_not(script):
    question = UNSPACED[script]
    (match,) = find_matches([row(f"{question[:3]} {question}!")], [item(question)])
    assert match.common.replace(" ", "") == question
    assert find_matches([row(question[:12])], [item(question)]) == []


def test_two_thai_questions_that_share_four_words_share_no_thirteen():
    other = "แม่ค้าขายส้มวันละเก้าลูกให้แก่เพื่อนบ้านที่อยู่ริมแม่น้ำและเก็บไว้กินเองอีกสองลูกทุกวัน"
    assert find_matches([row(other)], [item(UNSPACED["thai"])]) == []
