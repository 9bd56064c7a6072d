"""Assertions about answers, as `metrics:` of a task has them: what they hold of, and how they say no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import patterns
from harness.engines.requests import Answer, Generation, Score
from harness.errors import TaskError
from harness.metrics import assertions
from harness.metrics.answers import ANSWER_METRICS
from harness.metrics.assertions import Assertion, AssertionKind
from harness.tasks import Task, build_task

SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


def said(text: str, tokens: int = 3, seconds: float = 0.5) -> Generation:
    return Generation(text, "eos", prompt_tokens=5, completion_tokens=tokens, latency_s=seconds)


def made(name: str, argument: Any, root: Path = Path()) -> Assertion:
    kind = ANSWER_METRICS.get(name)
    assert isinstance(kind, AssertionKind)
    return kind.make(argument, root, task="mine")


@pytest.mark.parametrize(
    ("name", "argument", "holds", "holds_not"),
    [
        ("contains", "Kind regards", said("Yes.\nKind regards"), said("kind regards")),
        ("contains", ["a", "b"], said("b a"), said("a")),
        ("not_contains", "as an AI", said("No."), said("I, as an AI,")),
        ("not_contains", ["a", "b"], said("c"), said("cb")),
        ("regex", r"^\d{4}$", said(" 2024\n"), said("in 2024")),
        ("regex", "(?i)yes", said("Oh, YES"), said("no")),
        ("max_tokens", 4, said("", tokens=4), said("", tokens=5)),
        ("latency", 0.5, said("", seconds=0.5), said("", seconds=0.51)),
    ],
)
def test_an_assertion_is_1_where_it_holds_and_0_where_not(
    name: str, argument: Any, holds: Generation, holds_not: Generation
) -> None:
    one = made(name, argument)
    assert (one.of(holds, None), one.of(holds_not, None)) == (1.0, 0.0)
    assert one.metric.kind == "binary"


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        ('{"city": "Rome"}', True),
        (' {"city": "Rome", "more": 1}\n', True),
        ('{"city": 3}', False),
        ("{}", False),
        ('The city: {"city": "Rome"}', False),
        ('{"city": "Rome"', False),
        ('{"city": "Rome", "n": NaN}', False),
        ("[" * 100_000, False),
    ],
)
def test_json_is_held_against_a_schema_written_or_in_a_file(tmp_path: Path, answer: str, valid: bool) -> None:
    pytest.importorskip("jsonschema", reason="checks answers against schemas")
    (tmp_path / "city.json").write_text(json.dumps(SCHEMA))
    assert made("json_schema", SCHEMA).of(said(answer), None) == float(valid)
    of_file = made("json_schema", "city.json", tmp_path)
    assert of_file.of(said(answer), None) == float(valid)
    assert of_file.identity == made("json_schema", SCHEMA).identity


@pytest.mark.parametrize(
    ("name", "argument", "remedy"),
    [
        ("contains", 3, "give a text, or a list of texts"),
        ("contains", [], "give a text, or a list of texts"),
        ("regex", "(", "correct the regular expression"),
        ("max_tokens", True, "give a number of tokens"),
        ("latency", 0, "give a number of seconds above 0"),
        ("json_schema", "nowhere.json", "or the path of a file that holds one"),
        ("json_schema", {"$ref": "https://example.org/x.json"}, "nothing is fetched while grading"),
        ("json_schema", {"$schema": 3}, "not of type 'string'"),
        ("regex", "(" * 5000 + ")" * 5000, "it is nested too deep"),
    ],
)
def test_an_argument_that_is_none_is_refused_with_what_would_do(name: str, argument: Any, remedy: str) -> None:
    with pytest.raises(TaskError, match=f"task 'mine': metrics: {name} is .*\n.*{remedy}"):
        made(name, argument)


def test_a_schema_that_is_none_is_refused() -> None:
    pytest.importorskip("jsonschema", reason="checks answers against schemas")
    with pytest.raises(TaskError, match="correct the schema: 'thing' is not valid"):
        made("json_schema", {"type": "thing"})


def task(tmp_path: Path, metrics: Any, **keys: Any) -> Task:
    rows = [{"q": "1+1?", "a": 2, "solution": "It is 2."}, {"q": "2+2?", "a": 4, "solution": "It is 4."}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {"kind": "exact_match", "data": "rows.jsonl", "prompt_field": "q", "target_field": "a", **keys}
    return build_task("sums", {**spec, "metrics": metrics}, root=tmp_path)


def scores(of: Task, *answers: Answer) -> dict[str, Any]:
    return dict(of.grader.grade(of.items[0], answers).scores)


def test_a_task_takes_assertions_beside_metrics_by_name(tmp_path: Path) -> None:
    made = task(tmp_path, ["rougeL", {"contains": "2"}, {"contains": "!", "name": "loud"}])
    assert scores(made, said("it is 2")) == {
        "exact_match": 0.0, "token_f1": pytest.approx(0.5), "rougeL": pytest.approx(0.5), "contains": 1.0, "loud": 0.0
    }  # fmt: skip
    assert made.metric("loud").kind == "binary"
    assert task(tmp_path, {"contains": "2"}).digest != task(tmp_path, {"contains": "3"}).digest


def test_kinds_without_a_right_text_take_assertions_too(tmp_path: Path) -> None:
    made = task(tmp_path, [{"max_tokens": 3}], kind="worked_answer")
    assert scores(made, said("It is 2."), Score(-1.0, True, 5, 2, 0.1))["max_tokens"] == 1.0
    with pytest.raises(TaskError, match=r"'rougeL', and its right answers are no texts.*\n.*contains, not_contains"):
        task(tmp_path, ["rougeL"], kind="worked_answer")


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (["contains"], "names 'contains' without what it asserts\n.*write {contains: ...}"),
        ([{"rougeL": 1}], "metric 'rougeL' takes no argument"),
        ([{"contains": "a"}, {"contains": "b"}], "two of its metrics are called 'contains'\n.*name them apart"),
        ([{"contains": "a", "name": "answer_tokens"}], "names 'answer_tokens', which its kind has anyway"),
        ([{"contians": "a"}], "did you mean 'contains'"),
        ([{"contains": "a", "regex": "b"}], "give a list of names and assertions"),
        ([3], "give a list of names and assertions"),
    ],
)
def test_entries_that_are_none_are_refused(tmp_path: Path, metrics: Any, problem: str) -> None:
    with pytest.raises(TaskError, match=problem):
        task(tmp_path, metrics)


def test_a_digest_without_assertions_is_as_ever(tmp_path: Path) -> None:
    assert task(tmp_path, ["rougeL"]).digest == "a9fcdc2e522947714180ff68b38dcdbfce7886125a9ce1b1acf94c7d5c9aaf6b"


def test_an_expression_that_is_never_done_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_LONGEST_S", 0.05)
    with pytest.raises(TaskError, match=r"regex .* takes more than 0\.05 s on a text of 201 characters"):
        made("regex", "(a|aa)+$").of(said("a" * 200 + "!"), None)


def test_a_schema_that_is_never_done_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assertions, "_LONGEST_S", 0.05)
    with pytest.raises(TaskError, match=r"json_schema takes more than 0\.05 s against an answer of 43 characters"):
        made("json_schema", {"pattern": "^(a+)+$"}).of(said(f'"{"a" * 40}!"'), None)


@pytest.mark.parametrize(
    ("schema", "told"),
    [({"$ref": "#"}, "RecursionError"), ({"$ref": "#/nowhere"}, "'/nowhere' does not exist")],
)
def test_a_schema_that_refers_to_nothing_is_told(schema: dict[str, str], told: str) -> None:
    with pytest.raises(TaskError, match=f"json_schema cannot be held: .*{told}"):
        made("json_schema", schema).of(said("1"), None)


def test_a_number_larger_than_any_is_not_as_the_schema_says() -> None:
    assert made("json_schema", {"multipleOf": 0.1}).of(said("1" + "0" * 400), None) == 0
    assert made("json_schema", {"multipleOf": 0.1}).of(said("1e400"), None) == 0
