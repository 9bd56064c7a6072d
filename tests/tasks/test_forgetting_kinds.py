"""Multiple choice, worked answers and plain text: asked and graded as documented."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engines import Generation, Prompt, Score
from harness.engines.requests import Divergence, DivergenceRequest, GenerateRequest, RollingRequest, ScoreRequest
from harness.errors import DataError, TaskError
from harness.tasks import build_task
from harness.tasks.base import Grade, Item
from harness.tasks.multiple_choice import ChoiceGrader
from harness.tasks.plain_text import PlainTextGrader
from harness.tasks.records import Record
from harness.tasks.worked_answer import WorkedAnswerGrader, final_number

QUESTION = Item("1", Prompt.chat("Which?"), {"choices": ["red", "blue", "green"], "gold": 2})
RECORD = Record(Path("a.jsonl"), 7, {"choices": ["red", "blue", "green"], "solution": "1 + 2 = 3. The answer is 3."})


def choose(*logprobs: float) -> Grade:
    return ChoiceGrader().grade(QUESTION, [Score(value, False, 1, 1, 0.0) for value in logprobs])


def test_letters_show_the_choices_and_score_letters() -> None:
    requests = ChoiceGrader().requests(QUESTION)
    prompt = Prompt(text="Question: Which?\nA. red\nB. blue\nC. green\nAnswer:")
    assert requests == [ScoreRequest(prompt, f" {letter}") for letter in "ABC"]


def test_cloze_hides_the_choices_and_scores_their_texts() -> None:
    requests = ChoiceGrader(style="cloze", preamble="Question: Who?\nAnswer: me\n\n").requests(QUESTION)
    prompt = Prompt(text="Question: Who?\nAnswer: me\n\nQuestion: Which?\nAnswer:")
    assert requests == [ScoreRequest(prompt, f" {text}") for text in ("red", "blue", "green")]


def test_choice_scores_follow_the_logprobs() -> None:
    grade = choose(-3.0, -2.0, -1.0)
    assert grade.parsed == {"choice_logprobs": [-3.0, -2.0, -1.0], "gold": 2, "choice": 2}
    assert (grade.scores["acc"], grade.scores["gold_logprob"]) == (1.0, -1.0)
    assert grade.scores["gold_prob"] == pytest.approx(1 / (1 + math.exp(-1) + math.exp(-2)))
    assert choose(-1.0, -2.0, -3.0).scores["acc"] == 0.0


def test_improbable_answers_do_not_underflow() -> None:
    assert choose(-900.0, -900.0, -900.0).scores["gold_prob"] == pytest.approx(1 / 3)


def test_tie_goes_to_the_first_choice_whichever_is_right() -> None:
    assert choose(-1.0, -1.0, -1.0).parsed["choice"] == 0


@pytest.mark.parametrize("value", [2, "C", "green"])
def test_right_choice_may_be_an_index_a_letter_or_its_text(value: Any) -> None:
    assert ChoiceGrader().target(RECORD, "answer", value)["gold"] == 2


@pytest.mark.parametrize("value", [3, -1, "D", "c", "purple", "", None, True, 2.0])
def test_choice_that_is_not_there_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"row 7 field 'answer' is .* not a choice"):
        ChoiceGrader().target(RECORD, "answer", value)


@pytest.mark.parametrize(
    "choices", [["red"], ["red", "red"], ["red", ""], "red", [1, 2], ["x" * i for i in range(1, 28)]]
)
def test_unusable_choices_are_refused(choices: Any) -> None:
    with pytest.raises(DataError, match="row 7 field 'choices'"):
        ChoiceGrader().target(Record(Path("a.jsonl"), 7, {"choices": choices}), "answer", 0)


def test_text_of_a_choice_wins_over_its_letter() -> None:
    record = Record(Path("a.jsonl"), 7, {"choices": ["B", "A"]})
    assert ChoiceGrader().target(record, "answer", "A")["gold"] == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3 + 4 = 7. The answer is 7.", 7),
        ("The answer is 1,200 euros, not 900.", 1200),
        ("so it is 12", 12),
        ("Answer: -5", -5),
        ("The answer is 4. No, the answer is 6.", 6),
        ("the answer is 2.50", 2.5),
        ("the answer is 2.0", 2),
        ("he has 5, and the answer is unknown", 5),
        ("10-3", 3),
        ("none", None),
        ("", None),
    ],
)
def test_final_number_is_the_announced_one_or_the_last(text: str, number: float | None) -> None:
    assert final_number(text) == number


def test_worked_answer_asks_for_a_solution_and_scores_the_gold_one() -> None:
    item = Item("1", Prompt.chat("1 + 2?"), {"answer": 3, "solution": "The answer is 3."})
    grader = WorkedAnswerGrader(max_new_tokens=9, preamble="P\n\n")
    prompt = Prompt(text="P\n\nQuestion: 1 + 2?\nAnswer:")
    assert grader.requests(item) == (
        GenerateRequest(prompt, max_new_tokens=9, stop=("\n\n", "Question:")),
        ScoreRequest(prompt, " The answer is 3."),
    )
    grade = grader.grade(item, [Generation(" The answer is 4.", "stop", 9, 5, 0.1), Score(-6.0, False, 9, 4, 0.1)])
    assert grade == Grade({"exact_match": 0.0, "gold_solution_logprob": -1.5}, 4)


@pytest.mark.parametrize("value", ["3", 3.0, True, None, 4])
def test_answer_that_is_no_integer_or_not_the_solution_s_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="row 7 field"):
        WorkedAnswerGrader().target(RECORD, "answer", value)
    assert WorkedAnswerGrader().target(RECORD, "answer", 3)["answer"] == 3


def test_bits_per_byte_counts_bytes_not_characters() -> None:
    item = Item("1", Prompt.chat("é"), "été")
    assert PlainTextGrader().requests(item) == (RollingRequest("été"), DivergenceRequest("été"))
    grade = PlainTextGrader().grade(item, [Score(-10 * math.log(2), False, 0, 3, 0.1), Divergence(0.6, 3, 0.1)])
    assert grade.scores == {"bits_per_byte": pytest.approx(2.0), "kl_per_token": pytest.approx(0.2)}
    assert not any(metric.higher_is_better for metric in PlainTextGrader().metrics)


def test_digests_change_with_the_settings() -> None:
    choice = ChoiceGrader()
    variants = [
        choice,
        replace(choice, preamble="x"),
        replace(choice, style="cloze"),
        replace(choice, choices_field="c"),
    ]
    worked = WorkedAnswerGrader()
    variants_worked = [
        worked,
        replace(worked, preamble="x"),
        replace(worked, stop=()),
        replace(worked, max_new_tokens=3),
    ]
    assert len({v.digest for v in variants} | {v.digest for v in variants_worked}) == 8


def build(root: Path, **changes: Any) -> Any:
    spec = {
        "kind": "multiple_choice",
        "data": "a.jsonl",
        "prompt_field": "q",
        "target_field": "a",
        "choices_field": "c",
    }
    return build_task("t", {**spec, **changes}, root=root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [{"q": f"q{i}", "c": ["x", "y"] if i else ["x", "y", "z", "w"], "a": "x"} for i in range(2)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path


def test_chance_is_the_mean_over_items(root: Path) -> None:
    task = build(root)
    assert [task.metric(name).floor for name in ("acc", "gold_prob", "gold_logprob")] == [0.375, 0.375, None]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"shots": 2}, "has 'shots' but no 'examples'"),
        ({"examples": "a.jsonl"}, "has 'examples' but no 'shots'"),
        ({"examples": "a.jsonl", "shots": 3}, "shots is 3, but a.jsonl has 2 rows"),
        ({"examples": "a.jsonl", "shots": 0}, "shots is 0"),
        ({"style": "leters"}, "style is 'leters'"),
        ({"max_new_tokens": 3}, "unknown key 'max_new_tokens'"),
        ({"solution_field": "a"}, "unknown key 'solution_field'"),
    ],
)
def test_wrong_specification_is_named(root: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(TaskError) as caught:
        build(root, **change)
    assert problem in caught.value.problem


def test_blank_text_is_refused(root: Path) -> None:
    (root / "a.jsonl").write_text('{"q": "x", "a": " "}\n')
    spec = {"kind": "plain_text", "data": "a.jsonl", "prompt_field": "q", "target_field": "a"}
    with pytest.raises(DataError, match="row 1 field 'a' is ' '"):
        build_task("t", spec, root=root)
