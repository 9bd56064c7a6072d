"""The tool-calling data set is what its program says, and an honest test of generalisation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from harness.config import load_config
from harness.tasks import build_task
from harness.tasks.tool_calls import find_call
from harness.training.reading import rows_of_file

DATA = Path(__file__).parents[2] / "fixtures" / "data"
SPLITS = ("train", "validation", "test")
Row = dict[str, Any]
WORDS = tomllib.loads((DATA / "tool_calls.toml").read_text(encoding="utf-8"))
ENUM_WORDS = {
    word
    for function in WORDS["functions"].values()
    for parameter in function["parameters"]
    for word in parameter.get("values", ())
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return {
        split: [json.loads(line) for line in (DATA / "tool_calls" / f"{split}.jsonl").open(encoding="utf-8")]
        for split in SPLITS
    }


def request(row: Row) -> str:
    return str(row["messages"][1]["content"])


def arguments(row: Row) -> dict[str, Any]:
    return row["target"]["arguments"] if row["target"] else {}


def skeleton(row: Row) -> str:
    """The request with its argument values masked."""
    text = request(row)
    for value in sorted((str(v) for v in arguments(row).values() if not isinstance(v, bool)), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "_", text)
    return text


def open_values(row: Row) -> list[Any]:
    """The values of an item that come from an open vocabulary: all but booleans and words of an enum."""
    return [v for v in arguments(row).values() if not isinstance(v, bool) and v not in ENUM_WORDS]


def test_committed_files_are_what_the_program_generates() -> None:
    done = subprocess.run(
        [sys.executable, DATA / "make_tool_calls.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_check_notices_a_changed_file(tmp_path: Path) -> None:
    for name in ("make_tool_calls.py", "tool_calls.toml"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    program = [sys.executable, str(tmp_path / "make_tool_calls.py")]
    assert subprocess.run([*program, "--check"], capture_output=True, check=False).returncode == 1
    subprocess.run(program, check=True)
    assert subprocess.run([*program, "--check"], capture_output=True, check=False).returncode == 0
    with (tmp_path / "tool_calls" / "test.jsonl").open("a") as stream:
        stream.write("\n")
    assert subprocess.run([*program, "--check"], capture_output=True, check=False).returncode == 1


def test_sizes_functions_and_phrasings_are_as_promised(rows: dict[str, list[Row]]) -> None:
    assert [len(rows[split]) for split in SPLITS] == [1600, 160, 320]
    for split, least in zip(SPLITS, (24, 3, 6), strict=True):
        phrasings = {r["phrasing"] for r in rows[split] if r["case"] != "off_topic"}
        per_function = Counter(p.split(".")[0] for p in phrasings)
        assert len(per_function) == 14
        assert min(per_function.values()) >= least
    assert len({r["function"] for r in rows["train"] if r["function"]}) == 12


def test_every_parameter_type_occurs_and_optional_ones_are_left_out_at_times(rows: dict[str, list[Row]]) -> None:
    kinds = {type(v) for r in rows["train"] for v in arguments(r).values()}
    assert kinds == {str, int, float, bool}
    given = {tuple(arguments(r)) for r in rows["train"] if r["function"] == "get_weather"}
    assert given == {("city", "days"), ("city", "days", "unit")}


def test_a_tenth_of_each_split_has_no_fitting_function(rows: dict[str, list[Row]]) -> None:
    for split in SPLITS:
        cases = Counter(r["case"] for r in rows[split])
        assert cases["unlisted"] == cases["off_topic"] == len(rows[split]) // 20
        assert all(
            (r["case"] == "call") == (r["target"] is not None) == (r["function"] is not None) for r in rows[split]
        )


def test_requests_for_functions_never_on_offer_are_declined(rows: dict[str, list[Row]]) -> None:
    never = {name for name, function in WORDS["functions"].items() if not function.get("listed", True)}
    assert len(never) == 2
    for row in (r for split in SPLITS for r in rows[split]):
        assert (row["phrasing"].split(".")[0] in never) == (row["case"] == "unlisted")


def test_splits_share_no_phrasing_and_no_wording(rows: dict[str, list[Row]]) -> None:
    for key in (lambda r: r["phrasing"], skeleton, lambda r: r["id"]):
        seen = [{key(r) for r in rows[split]} for split in SPLITS]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_test_wordings_are_not_train_wordings_with_a_word_changed(rows: dict[str, list[Row]]) -> None:
    for name in {r["function"] for r in rows["test"] if r["function"]}:
        train = {skeleton(r) for r in rows["train"] if r["function"] == name}
        for wording in {skeleton(r) for r in rows["test"] if r["function"] == name}:
            nearest = max(SequenceMatcher(None, wording.split(), t.split()).ratio() for t in train)
            assert nearest <= 0.75, wording


def test_unseen_values_occur_nowhere_in_training(rows: dict[str, list[Row]]) -> None:
    trained = {v for r in rows["train"] for v in arguments(r).values() if not isinstance(v, bool)}
    texts = "\n".join(request(r) for r in rows["train"]).casefold()
    for split, count in (("test", 107), ("validation", 53)):
        assert len([r for r in rows[split] if r["values"] == "unseen"]) == count
    unseen = [r for split in ("validation", "test") for r in rows[split] if r["values"] == "unseen" and r["target"]]
    for value in (v for r in unseen for v in open_values(r)):
        assert value not in trained
        if isinstance(value, str):
            assert not re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", texts), value
    assert all(open_values(r) for r in unseen)


def test_values_tagged_seen_occur_in_training(rows: dict[str, list[Row]]) -> None:
    trained = {v for r in rows["train"] for v in arguments(r).values()}
    held_out = [*rows["validation"], *rows["test"]]
    assert {v for r in held_out if r["values"] == "seen" for v in arguments(r).values()} <= trained
    assert {r["values"] for r in rows["train"]} == {"seen"}


def test_unseen_test_values_do_not_occur_in_validation_either(rows: dict[str, list[Row]]) -> None:
    judged_by = {v for r in rows["validation"] for v in open_values(r)}
    assert not judged_by & {v for r in rows["test"] if r["values"] == "unseen" for v in open_values(r)}


def test_every_value_can_be_copied_from_the_request(rows: dict[str, list[Row]]) -> None:
    for row in (r for split in SPLITS for r in rows[split]):
        for value in arguments(row).values():
            assert isinstance(value, bool) or str(value) in request(row)
        assert not re.search(r"[\[\]{}|]", request(row))


def test_no_request_is_given_twice_with_different_answers(rows: dict[str, list[Row]]) -> None:
    answers: dict[tuple[str, str], set[str]] = {}
    for row in (r for split in SPLITS for r in rows[split]):
        system, user, answer = (m["content"] for m in row["messages"])
        answers.setdefault((system, user), set()).add(answer)
    assert max(map(len, answers.values())) == 1


def test_answers_are_the_targets_as_calls(rows: dict[str, list[Row]]) -> None:
    for row in (r for split in SPLITS for r in rows[split]):
        found = find_call(row["messages"][2]["content"])
        assert found is not None
        assert found.alone
        assert found.call.to_json() == (row["target"] or {"name": "none", "arguments": {}})


def test_the_gold_answers_score_full_marks_as_a_task() -> None:
    from harness.engines.requests import Generation

    project = DATA.parents[1]
    spec = load_config(project / "assay.yaml").tasks["tool_calls"]
    task = build_task("tool_calls", spec, root=project)
    examples = rows_of_file(DATA / "tool_calls" / "test.jsonl").examples()
    assert [item.prompt.messages for item in task.items] == [e.prompt for e in examples]
    for item, example in zip(task.items, examples, strict=True):
        grade = task.grader.grade(item, [Generation(example.completion, "eos", 1, 1, 0.0)])
        assert {s for s in grade.scores.values() if s is not None} == {1.0}
    assert len({item.cluster for item in task.items}) == 100
