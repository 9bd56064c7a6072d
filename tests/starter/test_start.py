"""`assay init`: what it writes loads, asks and trains as it stands, whatever the table, and refuses what it cannot use."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.config import load_config
from harness.gates.config import gates_from_config
from harness.scaffold import shipped
from harness.starter.table import read_table, split
from harness.tasks import Task, build_task
from harness.training.drawing import load_examples, of_role, weighed_examples
from harness.training.recipe import Recipe
from harness.training.recipe_files import find_recipe

INTENTS = [
    {"Customer.Text": f"{verb} my {thing}?", "intent": verb} for verb in ("lose", "buy {it}") for thing in "abcdefghij"
]
ANSWERS = [
    {"q": f"What is {i}?", "a": f"It is a whole number, {i}, and it comes after {i - 1} and before {i + 1}."}
    for i in range(20)
]
SUMS = [{"q": f"{i}+1?", "a": i + 1} for i in range(20)]
CHATS = [
    {"messages": [{"role": "user", "content": f"Say {i}."}, {"role": "assistant", "content": f"{i}!"}]}
    for i in range(20)
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(rows: Sequence[dict[str, Any]], name: str) -> str:
    path = Path(name)
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def loaded(root: Path = Path()) -> tuple[Task, Recipe]:
    """The task and the recipe of a project, which belong to each other; its gates are read too."""
    config = load_config(root / "assay.yaml")
    [(name, spec)] = config.tasks.items()
    assert gates_from_config(name, spec["gates"])
    assert config.recipe == name
    return build_task(name, spec, root=config.root), find_recipe(config.recipe, config.root, config.tasks)


@pytest.mark.parametrize(
    ("rows", "name", "options", "kind"),
    [
        (INTENTS, "Bank intents.csv", ["--from-csv", "--text=Customer.Text", "--label=intent"], "classification"),
        (INTENTS, "intents.jsonl", ["--from-jsonl", "--text=Customer.Text", "--label=intent"], "classification"),
        (ANSWERS, "faq.jsonl", ["--from-jsonl", "--text=q", "--label=a"], "generation"),
        (SUMS, "sums.jsonl", ["--from-jsonl", "--text=q", "--label=a"], "exact_match"),
        (SUMS, "sums.csv", ["--from-csv", "--text=q", "--label=a", "--kind=generation"], "generation"),
        (CHATS, "chats.jsonl", ["--from-jsonl"], "generation"),
    ],
)
def test_a_table_becomes_a_task_and_a_recipe_that_work(
    rows: list[dict[str, Any]], name: str, options: list[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, (source, *others) = write(rows, name), options
    assert main(["init", "project", source, file, *others]) == 0
    shown = capsys.readouterr().out
    assert f"({kind}): 14 rows to train on, 2 rows to judge checkpoints by, 4 rows to hold out" in shown
    assert shown.endswith("next: cd project && assay check && pytest suites/\n")
    task, recipe = loaded(Path("project"))
    train, validation = load_examples(recipe)
    assert (len(task.items), len(train), len(validation)) == (4, 14, 2)
    asked = [task.grader.requests(item)[0].prompt.messages for item in task.items]  # type: ignore[union-attr]
    taught = [example.prompt for example in (*train, *validation)]
    assert not set(asked) & set(taught)
    assert {prompt[0].content.partition("\n\n")[0] for prompt in asked if kind == "classification"} <= {
        prompt[0].content.partition("\n\n")[0] for prompt in taught
    }
    if kind == "classification":
        assert {example.completion for example in train} == {"lose", "buy {it}"}
    assert of_role(weighed_examples(recipe), "rehearsal")


def test_without_a_file_there_is_an_example_that_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert capsys.readouterr().out.endswith("next: assay check && pytest suites/\n")
    task, recipe = loaded()
    assert (len(task.items), len(load_examples(recipe)[0])) == (50, 170)
    assert len((here / "assay.yaml").read_text().splitlines()) <= 20
    assert len((here / "fixtures/recipes/tickets.yaml").read_text().splitlines()) <= 24
    assert (here / "suites/test_task.py").is_file() and (here / ".github/workflows/assay.yml").is_file()
    assert main(["init"]) == 2
    assert "would be overwritten" in capsys.readouterr().err


def test_the_example_is_what_its_program_writes(here: Path) -> None:
    program = here / "make_tickets.py"
    program.write_bytes(shipped("fixtures/data/make_tickets.py").read_bytes())
    subprocess.run([sys.executable, program], check=True)
    assert (here / "tickets.csv").read_bytes() == shipped("fixtures/data/tickets.csv").read_bytes()


def test_git_ignores_what_runs_write_and_what_it_did(here: Path) -> None:
    (here / ".gitignore").write_text("*.pyc\nreports/\n")
    main(["init"])
    assert (here / ".gitignore").read_text() == "*.pyc\nreports/\n.assay-cache/\n"


def test_another_base_is_trained_without_answers_of_the_embedded_one(here: Path, tiny_model_dir: Path) -> None:
    assert main(["init", f"--model={tiny_model_dir}"]) == 0
    _, recipe = loaded()
    assert recipe.base == str(tiny_model_dir)
    assert recipe.data.rehearsal is None
    assert not (here / "data/rehearsal.jsonl").exists()
    assert "activation_checkpointing" not in recipe.trainer  # of a size that is not known


@pytest.mark.parametrize(("characters", "kept"), [(10, True), (5000, False)])
def test_activations_are_kept_where_rows_are_short(here: Path, characters: int, kept: bool) -> None:
    rows = [{"q": f"{i}+1?" + " please" * (characters // 7), "a": i + 1} for i in range(20)]
    assert main(["init", "--from-jsonl", write(rows, "sums.jsonl"), "--text=q", "--label=a"]) == 0
    assert loaded()[1].trainer.get("activation_checkpointing", True) is not kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--from-csv=t.csv", "--text=txt", "--label=team"],
            "t.csv has no such column\n  remedy: did you mean 'text'?",
        ),
        (
            ["--from-csv=t.csv", "--text=text"],
            "--label is missing\n  remedy: name the column with the right answer",
        ),
        (
            ["--from-csv=t.csv"],
            "rows are no conversations that could be trained on as they are\n  remedy: name the columns",
        ),
        (["--from-csv=t.csv", "--text=text", "--label=note"], "t.csv: row 3 has no text in column 'note'"),
        (
            ["--from-csv=t.csv", "--text=text", "--label=one", "--kind=classification"],
            "needs two labels or more, got ['x']",
        ),
        (["--from-csv=t.csv", "--text=one", "--label=team"], "all rows ask the same"),
        (["--from-csv=nowhere.csv", "--text=a", "--label=b"], "nowhere.csv"),
        (["--text=a"], "--text says something of a table, and no file was given"),
        (["--full", "--model=x"], "--model says something of a table, and --full was given"),
        (["--model=openai:x@http://localhost:1/v1"], "is served, and a recipe trains on weights"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        [{"text": f"t{i}", "team": f"l{i % 2}", "note": "" if i == 1 else "n", "one": "x"} for i in range(20)], "t.csv"
    )
    assert main(["init", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["t.csv"]


def parts_of(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Text -> what it is for."""
    parts = split(read_table(Path(write(rows, "rows.jsonl")), "text", "team"))
    found: dict[str, str] = {}
    for part in ("train", "validation", "test"):
        for question in getattr(parts, part):
            assert found.setdefault(question.text, part) == part, "one text is in two parts"
    return found


def test_rows_are_held_out_by_what_they_say() -> None:
    rows = [{"text": f"text {i // 2}", "team": "ab"[i // 2 % 2]} for i in range(200)]
    first = parts_of(rows)
    assert parts_of(rows[::-1]) == first
    assert sorted(first.values()).count("test") == 20 and sorted(first.values()).count("validation") == 10
    rare = parts_of([*rows, *({"text": f"rare {i}", "team": "c"} for i in range(2)), {"text": "alone", "team": "d"}])
    assert sorted(part for text, part in rare.items() if text.startswith("rare")) == ["test", "train"]
    assert rare["alone"] == "train"
    assert {text: rare[text] for text in first} == first
