"""The built-in sets are what their program says, well formed and balanced."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.scaffold import shipped
from harness.tasks import build_task
from harness.tasks.built_in import BUILT_IN
from harness.tasks.worked_answer import final_number

DATA = Path(__file__).parents[2] / "fixtures" / "data"
MINI = DATA / "mini"
_STEP = re.compile(r"(\d+) ([-+x/]) (\d+) = (\d+)")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wording(question: str) -> str:
    """A question without its numbers and capitalised words, since numbers and names are drawn."""
    return re.sub(r"\d+|\b[A-Z]\w+", "_", question)


KNOWLEDGE = rows(MINI / "knowledge.jsonl")
MATH = rows(MINI / "math.jsonl")
TEXTS = rows(DATA / "general_text" / "texts.jsonl")


def test_committed_files_are_what_the_program_generates(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "mini")
    program = [sys.executable, str(tmp_path / "mini" / "make_mini.py")]
    checked = subprocess.run([*program, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with (tmp_path / "mini" / "math.jsonl").open("a") as stream:
        stream.write("\n")
    assert subprocess.run([*program, "--check"], capture_output=True, check=False).returncode == 1
    subprocess.run(program, check=True)
    assert (tmp_path / "mini" / "math.jsonl").read_bytes() == (MINI / "math.jsonl").read_bytes()


def test_knowledge_is_as_large_and_as_wide_as_promised() -> None:
    subjects = Counter(row["subject"] for row in KNOWLEDGE)
    assert len(KNOWLEDGE) == 240
    assert len(subjects) == 12 and set(subjects.values()) == {20}


def test_always_choosing_one_place_scores_chance_in_every_subject() -> None:
    places = Counter((row["subject"], row["answer"]) for row in KNOWLEDGE)
    assert len(places) == 48 and set(places.values()) == {5}


def test_questions_have_four_different_choices_and_are_asked_once() -> None:
    asked = [row["question"].casefold() for row in KNOWLEDGE]
    assert len(set(asked)) == len(asked)
    for row in KNOWLEDGE:
        assert len({choice.casefold() for choice in row["choices"]}) == 4
        assert row["question"].endswith("?")


def test_longest_choice_is_not_a_giveaway() -> None:
    right = sum(len(r["choices"][r["answer"]]) == max(map(len, r["choices"])) for r in KNOWLEDGE)
    assert right / len(KNOWLEDGE) < 0.5


def test_no_question_gives_its_answer_away() -> None:
    for row in KNOWLEDGE:
        right = row["choices"][row["answer"]].casefold()
        assert not re.search(rf"\b{re.escape(right)}\b", row["question"].casefold()) or len(right) == 1, row["question"]


def test_examples_are_never_asked() -> None:
    for name, every in (("knowledge", KNOWLEDGE), ("math", MATH)):
        examples = {row["question"] for row in rows(MINI / f"{name}_examples.jsonl")}
        assert examples and not examples & {row["question"] for row in every}


def test_math_is_as_large_and_as_varied_as_promised() -> None:
    templates = Counter(row["template"] for row in MATH)
    assert len(MATH) == 132 and len(templates) == 66 and set(templates.values()) == {2}
    assert {row["steps"] for row in MATH} == {1, 2, 3}
    assert len({row["question"] for row in MATH}) == 132


def test_problems_of_different_templates_are_worded_differently() -> None:
    wordings = {(row["template"], wording(row["question"])) for row in MATH}
    assert len(wordings) == len({words for _, words in wordings}) == 66
    examples = {wording(row["question"]) for row in rows(MINI / "math_examples.jsonl")}
    assert not examples & {words for _, words in wordings}


def test_problems_are_easy_enough_for_a_small_model_to_solve_some() -> None:
    assert sum(row["steps"] == 1 for row in MATH) > len(MATH) / 2
    assert all(int(n) < 100 for row in MATH for n in re.findall(r"\d+", row["question"] + row["solution"]))


def test_neither_a_number_of_the_question_nor_a_favourite_number_solves_problems() -> None:
    assert all(str(row["answer"]) not in re.findall(r"\d+", row["question"]) for row in MATH)
    ((_, most),) = Counter(row["answer"] for row in MATH).most_common(1)
    assert most / len(MATH) < 0.10


def test_every_step_of_every_solution_is_right() -> None:
    compute = {"+": int.__add__, "-": int.__sub__, "x": int.__mul__, "/": lambda a, b: a // b if a % b == 0 else None}
    for row in [*MATH, *rows(MINI / "math_examples.jsonl")]:
        steps = _STEP.findall(row["solution"])
        assert len(steps) == row["steps"], row["id"]
        for a, sign, b, result in steps:
            assert compute[sign](int(a), int(b)) == int(result), row["id"]
        assert int(steps[-1][3]) == row["answer"] == final_number(row["solution"]) > 0


def test_solutions_use_only_numbers_that_were_given_or_worked_out() -> None:
    for row in MATH:
        known = set(re.findall(r"\d+", row["question"])) | {"2"}  # opposite sides of a rectangle
        for a, _, b, result in _STEP.findall(row["solution"]):
            assert {a, b} <= known, row["id"]
            known.add(result)


def test_texts_are_forty_paragraphs_of_many_kinds() -> None:
    assert len(TEXTS) == 40 and len({row["id"] for row in TEXTS}) == 40
    assert {"code", "letter", "dialogue"} <= {row["kind"] for row in TEXTS}
    assert all(60 <= len(row["text"].split()) <= 120 for row in TEXTS)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_task_can_be_built_from_where_the_package_keeps_it(name: str) -> None:
    task = build_task(name, BUILT_IN[name], root=shipped("fixtures").parent)
    assert len(task.items) >= 40
    assert len({item.id for item in task.items}) == len(task.items)
