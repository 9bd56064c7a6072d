"""A task is built from a specification, and a wrong one is refused with its key and value."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.engines.requests import Generation, Message
from harness.errors import DataError, TaskError
from harness.metrics.base import Metric
from harness.tasks import Grade, build_task

ROWS = [{"text": f"review {i}", "label": "good" if i % 3 else "bad", "who": f"c{i % 7}"} for i in range(42)]
SPEC = {"kind": "classification", "data": "a.jsonl", "prompt": "Sort: {text}", "target_field": "label"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS), encoding="utf-8")
    return tmp_path


def rows(root: Path, *values: dict[str, Any]) -> None:
    (root / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in values), encoding="utf-8")


def test_classification_from_fields(root: Path) -> None:
    task = build_task("sort", {**SPEC, "system": "Be brief.", "cluster_field": "who", "gates": {}}, root=root)
    first = task.items[0]
    assert first.prompt.messages == (Message("system", "Be brief."), Message("user", "Sort: review 0"))
    assert (first.id, first.target, first.cluster) == ("row-1", "bad", "c0")
    assert task.metric("accuracy") == Metric("accuracy", kind="binary", floor=2 / 3)
    assert len(task.data_digest) == 64


def test_csv_and_prompt_field_give_the_same_items(root: Path) -> None:
    (root / "a.csv").write_text("text,label\ngreat,1\nawful,0\n", encoding="utf-8")
    spec = {"kind": "classification", "data": "a.csv", "prompt_field": "text", "target_field": "label"}
    items = build_task("sort", spec, root=root).items
    assert [(i.id, i.prompt.messages[0].content, i.target) for i in items] == [
        ("row-2", "great", "1"),
        ("row-3", "awful", "0"),
    ]


def test_conversation_format_gives_prompt_and_target_without_more_keys(root: Path) -> None:
    rows(root, {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]})
    task = build_task("sums", {"kind": "exact_match", "data": "a.jsonl", "system": "Count."}, root=root)
    assert task.items[0].prompt.messages == (Message("system", "Count."), Message("user", "2+2?"))
    assert task.items[0].target == "4"


def test_metric_named_by_the_task_scores_beside_those_of_its_kind(root: Path) -> None:
    plain = build_task("sort", SPEC, root=root)
    task = build_task("sort", {**SPEC, "metrics": ["token_f1"]}, root=root)
    item = task.items[1]
    answers = [Generation("\n good indeed", "eos", 1, 2, 0.0)]
    own = plain.grader.grade(item, answers)
    assert task.grader.grade(item, answers) == Grade({**own.scores, "token_f1": pytest.approx(2 / 3)}, own.parsed)
    assert task.metric("token_f1").bounds == (0.0, 1.0)
    assert task.main_metric == plain.main_metric
    assert task.digest != plain.digest


def test_format_may_be_called_layout_as_before_and_that_is_told(root: Path) -> None:
    rows(root, {"instruction": "2+2?", "output": "4"})
    spec = {"kind": "generation", "data": "a.jsonl"}
    with pytest.warns(FutureWarning, match="'layout' is called 'format' now"):
        old = build_task("t", {**spec, "layout": "alpaca"}, root=root)
    assert old.items == build_task("t", {**spec, "format": "alpaca"}, root=root).items


def test_all_complaints_about_a_task_are_told_at_once_each_with_its_remedy(root: Path) -> None:
    wrong = {**SPEC, "data": None, "limit": 0, "taget_field": "label", "tag_fields": [1]}
    with pytest.raises(TaskError) as caught:
        build_task("sort", wrong, root=root)
    said = str(caught.value)
    for words in (
        "task 'sort': data is missing",
        "task 'sort': limit is 0",
        "'taget_field'",
        "tag_fields is [1] (list)",
    ):
        assert words in said
    assert said.count("remedy: ") == 4
    assert "or null; limit: at most so many items" in said


def test_system_prompt_of_the_row_wins(root: Path) -> None:
    turns = [{"role": r, "content": c} for r, c in (("system", "Own."), ("user", "q"), ("assistant", "a"))]
    rows(root, {"messages": turns})
    task = build_task("t", {"kind": "generation", "data": "a.jsonl", "system": "Other."}, root=root)
    assert task.items[0].prompt.messages[0] == Message("system", "Own.")


def test_several_gold_answers_and_number_targets(root: Path) -> None:
    rows(root, {"q": "x", "a": ["one", 1]}, {"q": "y", "a": 2.5})
    spec = {"kind": "exact_match", "data": "a.jsonl", "prompt": "{q}", "target_field": "a"}
    assert [i.target for i in build_task("t", spec, root=root).items] == [["one", "1"], "2.5"]


@pytest.mark.parametrize(
    ("change", "problem", "remedy"),
    [
        ({"kind": "clasification"}, "kind is 'clasification'", "did you mean 'classification'?"),
        ({"kind": None}, "kind is missing", "add `kind:`"),
        ({"kind": 3}, "kind is 3 (int)", "give a text"),
        ({"data": None}, "data is missing", "add `data:`"),
        ({"taget_field": "x"}, "unknown key 'taget_field'", "did you mean 'target_field'?"),
        ({"normalize": "squad"}, "unknown key 'normalize'", ""),
        ({"kind": "exact_match", "normalize": "skuad"}, "normalize is 'skuad'", "did you mean 'squad'?"),
        ({"format": "sharegtp"}, "format is 'sharegtp'", "did you mean 'sharegpt'?"),
        ({"format": 3}, "format is 3 (int)", "give a text"),
        ({"format": "alpaca"}, "format alpaca brings its own", ""),
        ({"prompt": None, "format": "fields"}, "has no 'prompt'", "prompt: ..."),
        ({"metrics": ["chfr"]}, "metrics names 'chfr'", "sentence_chrf"),
        ({"metrics": ["accuracy"]}, "metrics names 'accuracy', which its kind has anyway", "leave it out"),
        ({"prompt_field": "text"}, "both 'prompt' and 'prompt_field'", ""),
        ({"target_field": None}, "has no 'target_field'", ""),
        ({"labels": [True, False]}, "labels is [True, False] (list)", 'quote words such as "yes"'),
        ({"labels": ["good"]}, "two labels or more", ""),
        ({"max_new_tokens": 0}, "max_new_tokens is 0", "whole number"),
        ({"limit": "10"}, "limit is '10' (str)", "whole number"),
        ({"limit": True}, "limit is True (bool)", "whole number"),
        ({"stop": [1]}, "stop is [1] (list)", "list of texts"),
        ({"prompt": "Sort it"}, "prompt is 'Sort it'", "at least one {field}"),
        ({"prompt": "{text.__class__}"}, "{text.__class__} is not a plain field name", "only a field name"),
        ({"prompt": "{text[0]}"}, "{text[0]} is not a plain field name", ""),
        ({"prompt": "{text!r}"}, "is not a plain field name", ""),
        ({"prompt": "{text:>9}"}, "is not a plain field name", ""),
        ({"prompt": "{}"}, "is not a plain field name", ""),
        ({"prompt": "{text"}, "prompt is '{text': ", "literal braces"),
    ],
)
def test_wrong_specification_names_key_and_value(root: Path, change: dict[str, Any], problem: str, remedy: str) -> None:
    spec = {key: value for key, value in {**SPEC, **change}.items() if value is not None}
    with pytest.raises(TaskError) as caught:
        build_task("sort", spec, root=root)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "change", [{"prompt": "{group}"}, {"target_field": "group"}, {"cluster_field": "group"}, {"tag_fields": ["group"]}]
)
def test_a_field_that_no_row_has_is_named_with_the_key_that_names_it(root: Path, change: dict[str, Any]) -> None:
    with pytest.raises(TaskError) as caught:
        build_task("sort", {**SPEC, **change}, root=root)
    assert f"{next(iter(change))} names the field 'group', which no row of" in caught.value.problem
    assert "the rows' fields are" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"data": "none.jsonl"}, "no such data file"),
        ({"labels": ["good", "poor"]}, "row 1 field 'label' is 'bad' (str), not a label"),
        ({"id_field": "label"}, "row 3 field 'label' repeats the id 'good' of row 2"),
        ({"kind": "tool_calls"}, "row 1 field 'label' is 'bad' (str), not a call"),
    ],
)
def test_row_that_does_not_fit_is_named(root: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        build_task("sort", {**SPEC, **change}, root=root)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"q": None, "a": "x"}, "field 'q' is None (NoneType), not text or a number"),
        ({"q": ["x"], "a": "x"}, "field 'q' is ['x'] (list)"),
        ({"q": " ", "a": "x"}, "gives an empty prompt"),
        ({"q": "x", "a": ""}, "field 'a' is empty"),
        ({"q": "x", "a": []}, "field 'a' is an empty list"),
        ({"q": "x", "a": ["y", None]}, "field 'a[1]' is None"),
        ({"q": "x", "a": {}}, "field 'a' is {} (dict), not a gold answer"),
    ],
)
def test_row_with_a_wrong_value_is_named(root: Path, row: dict[str, Any], problem: str) -> None:
    rows(root, {"q": "fine", "a": "fine"}, row)
    spec = {"kind": "generation", "data": "a.jsonl", "prompt": "{q}", "target_field": "a"}
    with pytest.raises(DataError) as caught:
        build_task("t", spec, root=root)
    assert f"row 2 {problem}" in caught.value.problem


def test_template_keeps_literal_braces_and_fields_with_spaces(root: Path) -> None:
    rows(root, {"Review Text": "x{label}", "a": "y"})
    spec = {"kind": "generation", "data": "a.jsonl", "prompt": "{{json}} {Review Text}", "target_field": "a"}
    assert build_task("t", spec, root=root).items[0].prompt.messages[0].content == "{json} x{label}"


def test_limit_keeps_the_mix_the_order_and_the_same_items(root: Path) -> None:
    spec = {**SPEC, "tag_fields": ["label"], "cluster_field": "who"}
    every = [item.id for item in build_task("t", spec, root=root).items]
    task = build_task("t", spec, root=root, limit=21)
    chosen = [item.id for item in task.items]
    assert Counter(item.tags["label"] for item in task.items) == {"good": 14, "bad": 7}
    assert set(Counter((i.tags["label"], i.cluster) for i in task.items).values()) == {1, 2}
    assert chosen == [i for i in every if i in set(chosen)]
    assert chosen == [item.id for item in build_task("t", spec, root=root, limit=21).items]
    assert chosen != [item.id for item in build_task("t", spec, root=root, limit=21, seed=1).items]


def test_smaller_limit_is_a_subset_of_a_larger(root: Path) -> None:
    spec = {**SPEC, "tag_fields": ["label"], "cluster_field": "who"}
    chosen = [{i.id for i in build_task("t", spec, root=root, limit=n).items} for n in (5, 13, 30, 100)]
    assert [len(ids) for ids in chosen] == [5, 13, 30, 42]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]


def test_the_smaller_of_both_limits_holds(root: Path) -> None:
    assert len(build_task("t", {**SPEC, "limit": 5}, root=root, limit=9).items) == 5
    assert len(build_task("t", {**SPEC, "limit": 9}, root=root, limit=5).items) == 5


def test_data_digest_follows_the_file(root: Path) -> None:
    before = build_task("t", SPEC, root=root).data_digest
    with (root / "a.jsonl").open("a") as stream:
        stream.write("\n")
    assert build_task("t", SPEC, root=root).data_digest != before


def test_importing_tasks_stays_light() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'transformers', 'pandas', 'sklearn', 'sacrebleu', 'rouge_score', 'numpy'}"
    code = f"import harness.tasks, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
