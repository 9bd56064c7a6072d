"""Open instructions: second turns hold the model's own first answer, and the data are read as they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scripted import scripted_engine

from harness.config import BUILT_IN_PROFILES, Config, Judging, Profile
from harness.config.settings import make_settings
from harness.engines import Generation, Request
from harness.engines.requests import GenerateRequest
from harness.errors import DataError, TaskError
from harness.gates import Comparison
from harness.judges.inputs import read_gold
from harness.tasks.lookup import find_task
from harness.tasks.open_instructions import OpenTask
from harness.tasks.open_sets import OPEN_TASKS, open_task
from harness.tasks.questions import Question

DATA_DIR = os.environ.get("ASSAY_DATA_DIR")
needs_data = pytest.mark.skipif(DATA_DIR is None, reason="ASSAY_DATA_DIR names no benchmarks")
TASK = OpenTask(
    "talk",
    (
        Question("a/1", ("Name a bird.",), "birds", cluster="a"),
        Question("a/2", ("Name a bird.", "Another?"), "birds", cluster="a"),
        Question("b", ("Name a tree.",), "trees"),
    ),
    answer_tokens=9,
    data_digest="d",
)


def speaker(voice: str):
    def rule(request: Request) -> Generation:
        assert isinstance(request, GenerateRequest)
        return Generation(f"{voice} {len(request.prompt.messages)}", "eos", 5, 2, 0.1)

    return scripted_engine(rule)


def test_a_second_turn_is_asked_after_the_models_own_first_answer() -> None:
    asked: list[GenerateRequest] = []

    def rule(request: Request) -> Generation:
        assert isinstance(request, GenerateRequest)
        asked.append(request)
        return Generation(f"said {request.prompt.messages[-1].content}", "eos", 5, 2, 0.1)

    samples = TASK.evaluate(scripted_engine(rule), "base")
    assert len(asked) == 3  # the first turn is answered once for both
    assert [m.content for m in asked[-1].prompt.messages] == ["Name a bird.", "said Name a bird.", "Another?"]
    assert {request.max_new_tokens for request in asked} == {9}
    assert [s.item_id for s in samples] == ["a/1", "a/2", "b"]
    assert samples[1].parsed == ["said Name a bird.", "said Another?"]
    assert samples[1].answer == "said Another?"
    assert "said Name a bird." in samples[1].prompt


def test_base_and_candidate_pair_though_their_conversations_part() -> None:
    comparison = Comparison(TASK, TASK.evaluate(speaker("old"), "base"), TASK.evaluate(speaker("new"), "candidate"))
    assert comparison.metric("answer_tokens").n == 3
    with pytest.raises(TaskError, match="no metric 'acc'"):
        TASK.metric("acc")


def settings(tmp_path: Path, **given):
    profiles = {**BUILT_IN_PROFILES, "few": Profile(name="few", limit=20)}
    return make_settings(Config(root=tmp_path, profiles=profiles, judge=given.pop("judge", Judging())), **given)


def test_the_packages_own_instructions_are_as_promised(tmp_path: Path) -> None:
    task = open_task("mini_instructions", settings(tmp_path, profile="release"))
    assert len(task.questions) == 73
    assert len({question.id for question in task.questions}) == 73
    assert len({question.turns[0] for question in task.questions}) == 64
    assert sum(len(question.turns) == 2 for question in task.questions) == 9
    guided = {q.category for q in task.questions if q.guided}
    assert guided == {"maths", "code", "reasoning"}
    assert all(q.reference for q in task.questions if q.guided and q.category == "maths")
    assert len({question.category for question in task.questions}) == 8


def test_the_packages_own_pairs_are_as_promised(tmp_path: Path) -> None:
    pairs = read_gold(settings(tmp_path, profile="release")).pairs
    assert len(pairs) == 64
    assert len({pair.question.turns[0] for pair in pairs}) == 64
    assert sum(pair.gold == "1" for pair in pairs) == 32
    traps = [pair for pair in pairs if pair.question.source == "trap"]
    assert len(traps) == 40
    assert sum(pair.gold == "1" for pair in traps) == 20
    for pair in traps:
        good, bad = (pair.a, pair.b) if pair.gold == "1" else (pair.b, pair.a)
        assert len(good[0]) < len(bad[0])


def test_a_limit_keeps_every_category_and_is_told_by_name(tmp_path: Path) -> None:
    task = find_task("mini_instructions", settings(tmp_path, profile="few"))
    assert isinstance(task, OpenTask)
    assert len(task.questions) == 20
    assert len({question.category for question in task.questions}) == 8
    assert len(read_gold(settings(tmp_path, profile="few")).pairs) == 20


def test_answer_length_is_the_configurations_and_part_of_the_digest(tmp_path: Path) -> None:
    short = open_task("mini_instructions", settings(tmp_path, judge=Judging(answer_tokens=7)))
    assert short.answer_tokens == 7
    assert short.digest != open_task("mini_instructions", settings(tmp_path)).digest


def test_without_the_data_the_benchmarks_say_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs AlpacaEval") as error:
        open_task("instructions", settings(tmp_path))
    assert "--data-dir" in error.value.remedy
    with pytest.raises(DataError, match="llmbar"):
        read_gold(settings(tmp_path, judge=Judging(gold="llmbar")))


def test_pairs_of_ones_own_are_read_and_a_wrong_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("instruction,output_1,output_2,label\nSay hi,hi,ho,1\nSay ho,hi,ho,tie\n")
    pairs = read_gold(settings(tmp_path, judge=Judging(gold="mine.csv"))).pairs
    assert [(d.question.id, d.a, d.b, d.gold) for d in pairs] == [
        ("row-2", ("hi",), ("ho",), "1"),
        ("row-3", ("hi",), ("ho",), "tie"),
    ]
    (tmp_path / "mine.csv").write_text("instruction,output_1,output_2,label\nSay hi,hi,ho,first\n")
    with pytest.raises(DataError, match=r"mine\.csv: row 2 field 'label' is 'first'") as error:
        read_gold(settings(tmp_path, judge=Judging(gold="mine.csv")))
    assert "write 1 or 2" in error.value.remedy


@needs_data
def test_the_benchmarks_are_read_whole_and_without_doubles(tmp_path: Path) -> None:
    given = settings(tmp_path, profile="release", data_dir=DATA_DIR)
    assert (given.judging.task, given.judging.gold) == ("instructions", "llmbar")
    questions = open_task(next(iter(OPEN_TASKS)), given).questions
    sources = {source: sum(q.source == source for q in questions) for source in {q.source for q in questions}}
    assert sources == {"mt_bench": 160, "vicuna_bench": 80, "alpaca_eval": 725}
    assert len({q.id for q in questions}) == len(questions)
    assert sum(len(q.turns) == 2 for q in questions) == 80
    guided = [q for q in questions if q.guided and q.reference]
    assert len(guided) == 70
    by_id = {q.id: q for q in questions}
    assert "third place" in (by_id["mt-101/1"].reference or "")


@needs_data
def test_llmbar_is_read_with_its_kinds(tmp_path: Path) -> None:
    pairs = read_gold(settings(tmp_path, profile="release", data_dir=DATA_DIR)).pairs
    kinds = {pair.question.category: 0 for pair in pairs}
    for pair in pairs:
        kinds[pair.question.category] += 1
    assert kinds == {"natural": 100, "gptinst": 92, "gptout": 47, "manual": 46, "neighbor": 134}
    few = read_gold(settings(tmp_path, data_dir=DATA_DIR)).pairs
    assert len(few) == 40
    assert {pair.question.category for pair in few} == set(kinds)
