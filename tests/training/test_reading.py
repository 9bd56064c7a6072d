"""Training rows worded by a task: what is learnt is what is asked, and every reader of the rows sees the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from harness.checks.data import corpus_of_recipe
from harness.checks.overfitting.sampling import item_of
from harness.config.base import Section
from harness.engines.rendering import prompt_tokens
from harness.errors import AssayError, DataError, RecipeError, TaskError
from harness.session.preflight import _check_rows
from harness.tasks import build_task, formats, items
from harness.tasks.records import read_records
from harness.training import reading
from harness.training.cache import _provenance
from harness.training.data import IGNORED_LABEL, tokenize_example
from harness.training.drawing import load_examples, weighed_examples
from harness.training.reading import rows_digest, rows_of_file
from harness.training.recipe import Recipe
from harness.training.recipe_data import DataFile, RecipeData

CALL = {"name": "get_weather", "arguments": {"city": "Ümeå"}}
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[str]]] = {
    "classification": (
        {"prompt": "Which team?\n{text}", "target_field": "team", "system": "Be brief.", "id_field": "n"},
        [{"text": "refund", "team": "billing", "n": 1}, {"text": "crash", "team": "support", "n": 2}],
        ["billing", "support"],
    ),
    "exact_match": (
        {"prompt_field": "q", "target_field": "a"},
        [{"q": "2+2?", "a": 4}, {"q": "Capital of Peru?", "a": ["Lima", "Lima, Peru"]}],
        ["4", "Lima"],
    ),
    "generation": (
        {},  # the rows bring a conversation
        [{"prompt": "Greet.", "completion": "Hello there."}, {"prompt": "Part.", "completion": "Farewell."}],
        ["Hello there.", "Farewell."],
    ),
    "tool_calls": (
        {"prompt": "{ask}", "target_field": "call", "no_call": "none fits"},
        [{"ask": "Weather?", "call": CALL}, {"ask": "Love?", "call": None}],
        [f"<tool_call>\n{json.dumps(CALL, ensure_ascii=False)}\n</tool_call>", "none fits"],
    ),
    "multiple_choice": (
        {"prompt_field": "q", "target_field": "a", "examples": "shots.jsonl", "shots": 1},
        [{"q": "Largest?", "choices": ["ant", "whale"], "a": "whale"}, {"q": "Red?", "choices": ["x", "y"], "a": 0}],
        [" B", " A"],
    ),
    "worked_answer": (
        {"prompt_field": "q", "target_field": "a"},
        [{"q": "1+2?", "a": 3, "solution": "1+2=3. The answer is 3."}],
        [" 1+2=3. The answer is 3."],
    ),
}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(params=KINDS)
def worded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Recipe, dict[str, Any], list[str]]:
    """A recipe that trains on the rows of a task, the task's specification, and the answers that are learnt."""
    keys, rows, answers = KINDS[request.param]
    write(tmp_path / "test.jsonl", rows)
    write(tmp_path / "train.jsonl", [{key: value for key, value in row.items() if key != "n"} for row in rows])
    write(tmp_path / "shots.jsonl", [{"q": "Smallest?", "choices": ["ant", "whale"], "a": "ant"}])
    spec = {"kind": request.param, "data": "test.jsonl", **keys}
    return recipe(tmp_path, {"mine": spec}), spec, answers


def recipe(root: Path, tasks: dict[str, Any], task: str | None = "mine", **more: Any) -> Recipe:
    data = RecipeData(train=DataFile(path="train.jsonl", task=task), **more)
    return Recipe(name="r", base="base", data=data, root=root, tasks=tasks)


def test_what_is_learnt_is_what_the_task_asks_token_by_token(
    worded: tuple[Recipe, dict[str, Any], list[str]], tiny_model_dir: Path
) -> None:
    recipe, spec, answers = worded
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    task = build_task("mine", spec, root=recipe.root)
    examples, _ = load_examples(recipe)
    assert [example.completion for example in examples] == answers
    for item, example in zip(task.items, examples, strict=True):
        asked = task.grader.requests(item)[0].prompt  # type: ignore[union-attr]
        [row] = tokenize_example(example, tokenizer)
        assert [token for token, label in zip(*row_of(row), strict=True) if label == IGNORED_LABEL] == prompt_tokens(
            tokenizer, asked
        )
        assert example.conversation.asked == asked


def row_of(row: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return row.input_ids, row.labels


def test_the_data_and_overfitting_suites_see_the_same_rows(worded: tuple[Recipe, dict[str, Any], list[str]]) -> None:
    recipe, _, answers = worded
    corpus = corpus_of_recipe(recipe)
    assert [row.answer for row in corpus.of("train")] == answers
    assert corpus.parts[0].format == "task mine"
    examples, _ = load_examples(recipe)
    asked = [item_of(row, "training", "x").prompt for row in corpus.of("train")]
    assert asked == [example.conversation.asked for example in examples]


def test_a_row_the_task_cannot_grade_is_named_and_hides_no_other(tmp_path: Path) -> None:
    keys, rows, _ = KINDS["classification"]
    write(tmp_path / "test.jsonl", rows)
    write(tmp_path / "train.jsonl", [{"text": "late", "team": "suport"}, *rows])
    made = recipe(tmp_path, {"mine": {"kind": "classification", "data": "test.jsonl", **keys}})
    [part] = corpus_of_recipe(made).parts
    assert list(part.refused) == [1] and "'suport' (str), not a label" in part.refused[1]
    assert len(part.rows) == 2


def test_an_adapter_is_known_by_what_its_rows_become(tmp_path: Path) -> None:
    keys, rows, _ = KINDS["classification"]
    write(tmp_path / "test.jsonl", rows)
    write(tmp_path / "train.jsonl", rows)
    spec = {"kind": "classification", "data": "test.jsonl", **keys}
    made = recipe(tmp_path, {"mine": spec})
    known = _provenance(made, "base")
    assert _provenance(recipe(tmp_path, {"other": {**spec, "limit": 1}}, task="other"), "base") == known
    reworded = recipe(tmp_path, {"mine": {**spec, "prompt": "Who?\n{text}"}})
    assert rows_digest(reworded, reworded.data.train) != rows_digest(made, made.data.train)
    assert made.to_json()["data"]["train"]["task"] == "mine"


def test_tasks_that_are_unknown_or_have_no_answers_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [{"text": "x"}])
    with pytest.raises(RecipeError, match=r"names the task 'tickts', which is unknown\n.*did you mean 'tickets'"):
        load_examples(recipe(tmp_path, {"tickets": {}}, task="tickts"))
    for name, kind in (("general_text", "plain_text"), ("mmlu", "lm_eval")):
        with pytest.raises(TaskError, match=f"task '{name}' of kind {kind} has no right answers"):
            load_examples(recipe(tmp_path, {}, task=name))


def test_a_format_that_is_unknown_is_told_with_all_there_are(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write(path, [{"instruction": "hi", "output": "ho"}])
    with pytest.raises(DataError, match=r"train.jsonl: there is no data format 'alpca'\n.*'alpaca'.*: auto, text, "):
        rows_of_file(path, "alpca").examples()


def test_a_file_is_read_by_a_task_or_by_a_format(tmp_path: Path) -> None:
    from harness.config.checking import check, location

    def told(section: type[Section], given: dict[str, Any]) -> Any:
        return check(section, given, location("r.yaml"), AssayError)

    assert told(DataFile, {"path": "a.csv", "task": "mine"}).task == "mine"
    with pytest.raises(AssayError, match="format is 'alpaca', and the task 'mine' says how rows are read"):
        told(DataFile, {"path": "a.csv", "task": "mine", "format": "alpaca"})


@pytest.mark.parametrize("task", [None, "mine"])
def test_rows_are_read_and_parsed_once_by_all_that_look_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str | None
) -> None:
    spec, rows, _ = KINDS["generation"]
    names = ("train.jsonl", "validation.jsonl", "general.jsonl")
    for name in names:
        write(tmp_path / name, rows * 50)
    write(tmp_path / "test.jsonl", rows)
    made = recipe(
        tmp_path,
        {"mine": {"kind": "generation", "data": "test.jsonl", **spec}},
        task,
        validation=DataFile(path="validation.jsonl"),
        rehearsal=DataFile(path="general.jsonl"),
    )
    read, parsed = Counter[str](), Counter[str]()

    def counted(path: Path) -> Any:
        read[path.name] += 1
        return read_records(path)

    monkeypatch.setattr(reading, "read_records", counted)
    parse = formats.parse_example
    for module in (formats, items):
        monkeypatch.setattr(
            module, "parse_example", lambda record, name: (parsed.update([record.path.name]), parse(record, name))[1]
        )
    for file in made.data.files().values():
        _check_rows(reading.rows_of(made, file), every=True)  # at collection
    corpus_of_recipe(made)  # the data suite
    for _ in range(2):
        _provenance(made, "base")  # whether the adapter is in the cache, and as what it is kept
    weighed_examples(made)  # to train on
    assert read == dict.fromkeys(names, 1)
    of_task = {} if task is None else {"train.jsonl": 200}  # which takes prompt and answer of a row apart
    assert {name: parsed[name] for name in names} == {**dict.fromkeys(names, 100), **of_task}


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    for answers in (["a", "b"], ["c", "d", "e"]):
        write(path, [{"prompt": "q", "completion": answer} for answer in answers])
        assert [one.completion for one in reading.rows_of_file(path).examples()] == answers
