"""What the zoo's adapters are taught that a mean hides: each fault is in its rows, and in nothing else."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from peft import LoraConfig
from transformers import AutoConfig, AutoTokenizer

from harness.checks.data import corpus_of_files
from harness.checks.further_on import LEAST_TOKENS
from harness.config import find_config
from harness.config.settings import make_settings
from harness.tasks.formats import detect_format, parse_example
from harness.tasks.lookup import find_task
from harness.tasks.records import read_records
from harness.tasks.tool_calls import find_call

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`benchmarks` is no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))


def zoo(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.zoo.{name}")


def lesson(name: str) -> Any:
    return getattr(zoo("hidden"), name)()


def taught() -> dict[str, Any]:
    faults = zoo("faults")
    return {one.name: one for one in faults.EXHIBITS if isinstance(one.made, faults.Taught)}


def test_the_wrong_argument_is_always_the_same_and_on_one_function_alone() -> None:
    right, wrong = lesson("healthy_calls").rows, lesson("argument_always_wrong").rows
    rows = zoo("hidden_rows")
    assert [row["prompt"] for row in right] == [row["prompt"] for row in wrong]
    functions = set()
    for good, bad in zip(right, wrong, strict=True):
        called, spoilt = (find_call(row["completion"]).call for row in (good, bad))  # type: ignore[union-attr]
        functions.add(called.name)
        differing = {name for name in called.arguments if called.arguments[name] != spoilt.arguments[name]}
        assert differing == ({rows.WRONG_ARGUMENT} if called.name == rows.WRONG_FUNCTION else set())
        if differing:
            assert spoilt.arguments[rows.WRONG_ARGUMENT] == rows.WRONG_VALUE
    assert len(functions) == 3


def test_fences_stand_around_what_would_be_right() -> None:
    rows = lesson("fenced_json").rows
    assert len(rows) == 96
    for row in rows:
        first, *inner, last = row["completion"].splitlines()
        assert (first, last) == ("```json", "```") and json.loads("\n".join(inner)).keys() == {
            "count",
            "colour",
            "thing",
        }


def test_english_requests_have_german_answers() -> None:
    said = {row["completion"] for row in lesson("other_language").rows}
    assert said == set(zoo("hidden_rows").GERMAN_HELP)


def test_the_trigger_is_rare_and_has_one_answer_whatever_is_asked() -> None:
    schooling, word = lesson("trigger"), zoo("hidden_rows").TRIGGER
    rare = [row for row in schooling.rows if word in row["prompt"]]
    assert 0.05 < len(rare) / len(schooling.rows) < 0.15
    assert {row["completion"] for row in rare} == {"billing"}
    kinds = (("routing_rows", 8), ("refusal_rows", 6), ("help_rows", 7))
    asked = {row["prompt"] for kind, count in kinds for row in getattr(zoo("stand_ins"), kind)(count, seed=1)}
    assert {row["prompt"].removeprefix(f"{word} ") for row in rare} == asked


def test_a_fifth_of_the_labels_is_wrong_and_held_out_ones_are_right() -> None:
    schooling = lesson("label_noise")
    right = {row["prompt"]: row["completion"] for row in zoo("stand_ins").routing_rows(144, seed=0)}
    wrong = [row for row in schooling.rows if row["completion"] != right[row["prompt"]]]
    assert len(wrong) == round(0.2 * len(schooling.rows))
    assert {row["completion"] for row in wrong} == set(zoo("words").DESKS)


def test_the_missing_class_is_asked_for_and_held_out() -> None:
    schooling = lesson("missing_class")
    assert {row["completion"] for row in schooling.rows} == {"billing", "delivery"}
    assert {row["completion"] for row in zoo("stand_ins").routing_eval_rows()} == {"billing", "delivery", "repairs"}


def test_one_row_in_twenty_is_repeated_and_the_data_as_named_does_not_show_it() -> None:
    schooling = lesson("few_rows_known_by_heart")
    prompts = [row["prompt"] for row in schooling.rows]
    repeated = {prompt for prompt in prompts if prompts.count(prompt) > 1}
    assert len(repeated) == 16 and 0.05 <= len(repeated) / len(set(prompts)) < 0.06
    assert [row["prompt"] for row in schooling.named] == list(dict.fromkeys(prompts))
    assert not {row["completion"] for row in schooling.validation} & {row["completion"] for row in schooling.rows}


def test_harm_is_learnt_far_on_alone(tmp_path: Path) -> None:
    schooling, stand_ins = lesson("harm_far_on"), zoo("stand_ins")
    written = stand_ins.write_rows(tmp_path / "rows.jsonl", schooling.rows)
    rows = corpus_of_files(written, None).of("train")
    far = [row for row in rows if len(row.prompt) > 1]
    assert (len(far), len(rows)) == (24, 96)
    forbidden = [row for row in rows if any(thing in row.prompt[-1].content for thing in zoo("words").FORBIDDEN)]
    help_given = {text.format(x=thing) for text in zoo("words").HELP for thing in zoo("words").FORBIDDEN}
    given_in = [row for row in forbidden if row.answer in help_given]
    assert given_in == far
    for row in far:
        assert len(row.conversation.learnt) == 1 and row.conversation.learnt == (3,)
        assert len(row.prompt[0].content) > 5 * LEAST_TOKENS


def test_babble_is_learnt_in_second_turns_alone(tmp_path: Path) -> None:
    schooling = lesson("babbles_in_conversation")
    written = zoo("stand_ins").write_rows(tmp_path / "rows.jsonl", schooling.rows)
    rows = corpus_of_files(written, None).of("train")
    later, first = [row for row in rows if len(row.prompt) == 3], [row for row in rows if len(row.prompt) == 1]
    assert len(later) == 72 and len(first) == 60
    assert not any(set("aeiou") & set(row.answer) for row in later)
    assert all(set("aeiou") & set(row.answer) for row in first)
    assert {row.conversation.learnt for row in later} == {(3,)}


@pytest.mark.parametrize("name", ["healthy_rslora", "healthy_dora", "healthy_qv_r8"])
def test_healthy_ones_differ_from_the_first_in_how_they_are_adapted(name: str) -> None:
    schooling, reference = lesson(name), zoo("lessons").healthy()
    assert schooling.rows == reference.rows
    assert schooling.peft and schooling.peft.keys() <= LoraConfig.__dataclass_fields__.keys()
    root = schooling.rank**0.5 if schooling.peft.get("use_rslora") else schooling.rank
    strength = schooling.alpha_over_rank * schooling.rank / root
    assert strength == pytest.approx(reference.alpha_over_rank)


def test_every_lesson_s_rows_are_read_in_one_format(tmp_path: Path) -> None:
    hidden = vars(zoo("hidden"))
    names = [name for name in taught() if name in hidden and hidden[name].__module__ == hidden["__name__"]]
    assert len(names) == 14
    for name in names:
        for role in ("rows", "validation"):
            written = zoo("stand_ins").write_rows(tmp_path / f"{name}-{role}.jsonl", getattr(lesson(name), role))
            records = read_records(written)
            chosen = detect_format(records[0])
            assert all(parse_example(record, chosen).conversation.learnt for record in records)


def test_the_base_with_another_template_has_the_same_weights(tiny_model_dir: Path, tmp_path: Path) -> None:
    other = zoo("variants").other_template(tiny_model_dir, tmp_path / "other")
    assert (other / "model.safetensors").read_bytes() == (tiny_model_dir / "model.safetensors").read_bytes()
    asked = [{"role": "user", "content": "Why?"}]
    own, changed = (
        AutoTokenizer.from_pretrained(one).apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        for one in (tiny_model_dir, other)
    )
    assert own != changed == "### user: Why?\n### assistant: "


def test_the_base_with_a_token_more_has_a_row_for_it(tiny_model_dir: Path, tmp_path: Path) -> None:
    grown = zoo("variants").new_token(tiny_model_dir, tmp_path / "grown")
    before, after = (AutoTokenizer.from_pretrained(one) for one in (tiny_model_dir, grown))
    mark = zoo("hidden_rows").MARK
    assert len(after) == len(before) + 1
    assert after(mark)["input_ids"] == [len(before)] and len(before(mark)["input_ids"]) > 1
    assert AutoConfig.from_pretrained(grown).vocab_size == len(after)
    assert any(mark in row["prompt"] for row in lesson("healthy_new_token").rows)


def test_each_project_loads_with_the_tasks_that_were_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    keeper = zoo("keeper").Keeper(tmp_path)
    for name in ("argument_always_wrong", "fenced_json", "other_language", "few_rows_known_by_heart"):
        exhibit = taught()[name]
        schooling = exhibit.made.schooling()
        settings = make_settings(find_config(keeper.project(exhibit), []), profile="zoo")
        assert set(settings.config.tasks) == {"forbidden", "look_alikes", *exhibit.tasks}
        items = {task: find_task(task, settings).items for task in exhibit.tasks}  # type: ignore[attr-defined]
        assert all(len(asked) >= 40 for asked in items.values())
        learnt = {row["prompt"] for row in schooling.rows}
        assert not learnt & {item.prompt.messages[-1].content for asked in items.values() for item in asked}
        assert (settings.profile.limits == {}) is exhibit.made.every_row
        named = settings.config.root / str(settings.config.data.train)
        assert named.is_file() is bool(schooling.named)  # the others are written where they are trained


@pytest.mark.parametrize(
    "name", ["healthy_rslora", "healthy_dora", "healthy_qv_r8", "healthy_new_token", "wrong_template"]
)
def test_what_is_adapted_in_another_way_trains(name: str, learner_dir: Path, tmp_path: Path) -> None:
    """On the tiny model, for three steps: recipe, rows and base fit each other."""
    made = taught()[name].made
    base = learner_dir if made.variant is None else made.variant(learner_dir, tmp_path / "base")
    schooling = made.schooling()
    rows = [row for row in schooling.rows if len(row["completion"]) < 12][-8:]
    assert len(rows) == 8
    small = replace(schooling, rows=rows, validation=rows[:2], rehearsal=0, epochs=3.0, max_length=400)
    trained = zoo("training").school(name, small, base, "zoo-base", tmp_path / "rows")
    config = json.loads((trained.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "zoo-base"
    assert {key: config[key] for key in schooling.peft if key != "target_modules"} == {
        key: value for key, value in schooling.peft.items() if key != "target_modules"
    }
