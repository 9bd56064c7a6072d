"""The files of a new project, written all or none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config.spec import EMBEDDED_NAME, parse_model_spec
from harness.errors import ConfigError
from harness.scaffold import WORKFLOW, copy_new, shipped, write_new
from harness.starter.table import Kind, Parts, Table, read_table, split

_TEMPLATES = Path(__file__).with_name("templates")
_IGNORED = ("reports/", ".assay-cache/")
_LISTED_LABELS = 400
_BATCH = 4
_PASSES, _FEWEST_STEPS, _MOST_STEPS = 1, 42, 400
_EVALUATIONS = 3
_KEPT_TOKENS = 2048  # of a batch, at the most, whose activations are kept: 4 GiB with the embedded model
_EXAMPLE, _EXAMPLE_COLUMNS = "fixtures/data/tickets.csv", ("text", "team")
_REHEARSAL = "fixtures/data/rehearsal/rows.jsonl"


@dataclass(frozen=True)
class Start:
    """What was written.

    Attributes:
        files: files and directories.
        kind: of the task.
        counts: rows by what they are for.
    """

    files: list[Path]
    task: str
    kind: Kind
    counts: Mapping[str, int]


def start_project(
    directory: Path,
    table: Path | None = None,
    *,
    text: str | None = None,
    label: str | None = None,
    kind: Kind | None = None,
    model: str = EMBEDDED_NAME,
) -> Start:
    """Write a project that gates an adapter trained on a table's rows.

    Args:
        table: file of questions and right answers; None takes the package's own, tickets to the teams of a shop.
        text, label: its columns; None for both where rows bring a conversation.
        kind: of the task; None chooses it by the answers.
        model: the base, as `--model` takes it.

    Raises:
        ConfigError: a file exists already, or a column does not; nothing is written then.
        DataError, TaskError: the table cannot be read or made a task.
    """
    base = _base(model)
    if table is None:
        table, (text, label) = shipped(_EXAMPLE), _EXAMPLE_COLUMNS
    read = read_table(table, text, label, kind)
    parts, name = split(read), _name(table)
    data = Path("data") / name
    texts = {
        Path("assay.yaml"): _render("assay.yaml.j2", read, parts, name, base),
        Path("fixtures/recipes") / f"{name}.yaml": _render("recipe.yaml.j2", read, parts, name, base),
        WORKFLOW: shipped("workflow.yml").read_text(encoding="utf-8"),
        **{
            data / f"{part}.jsonl": _lines(read, parts, part)
            for part in ("train", "validation", "test")
            if getattr(parts, part)
        },
    }
    copied = {Path("suites"): shipped("suites")}
    if base == EMBEDDED_NAME:
        copied[Path("data/rehearsal.jsonl")] = shipped(_REHEARSAL)
    taken = [str(directory / path) for path in (*texts, *copied) if (directory / path).exists()]
    if taken:
        raise ConfigError(f"{', '.join(taken)} would be overwritten", "run `assay init` in another directory")
    for path, source in copied.items():
        copy_new(source, directory / path)
    for path, content in texts.items():
        write_new(directory / path, content)
    ignored = _ignore(directory / ".gitignore")
    counts = {part: len(getattr(parts, part)) for part in ("train", "validation", "test")}
    return Start([directory / path for path in (*texts, *copied)] + ignored, name, read.kind, counts)


def _base(model: str) -> str:
    spec = parse_model_spec(model)
    if spec.served is not None:
        raise ConfigError(f"--model={model} is served, and a recipe trains on weights", "name a directory or a hub id")
    return spec.value


def _name(table: Path) -> str:
    """The task's name: the file's, in what a name is made of."""
    return re.sub(r"\W+", "_", table.name.partition(".")[0]).strip("_").lower() or "answers"


def _lines(table: Table, parts: Parts, part: str) -> str:
    return "".join(json.dumps(table.fields(one), ensure_ascii=False) + "\n" for one in getattr(parts, part))


def _render(template: str, table: Table, parts: Parts, name: str, model: str) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,  # YAML; what stands in it is written as JSON, which YAML takes
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    wanted = max(_FEWEST_STEPS, min(_MOST_STEPS, round(_PASSES * len(parts.train) / _BATCH)))
    interval = -(-wanted // _EVALUATIONS)
    steps = _EVALUATIONS * interval  # so that the last one is judged too
    return environment.get_template(template).render(
        table=table,
        name=name,
        model=model,
        embedded=model == EMBEDDED_NAME,
        prompt=_prompt(table),
        most_tokens=_most_tokens(table),
        validated=bool(parts.validation),
        batch=_BATCH,
        steps=steps,
        rehearsed=min(124, steps // 4),
        longest=_longest_row(table),
        kept=_KEPT_TOKENS,
        interval=interval,
    )


def _prompt(table: Table) -> str | None:
    if table.field is None:
        return None
    if table.kind != "classification":
        return f"{{{table.field}}}"
    listed, asked = ", ".join(table.labels), f"Which {table.answer} fits this text?"
    answer = f"Answer with one of: {listed}." if len(listed) <= _LISTED_LABELS else "Answer with its name alone."
    return f"{asked} {answer}".replace("{", "{{").replace("}", "}}") + f"\n\n{{{table.field}}}"


def _most_tokens(table: Table) -> int:
    """Cap on an answer's tokens: room for the longest right one, at two characters a token."""
    return min(512, max(16, table.longest_answer // 2 + 8))


def _longest_row(table: Table) -> int:
    """No row is longer, in tokens; rows of rehearsal are, and may be cut. Two bytes a token are fewer than texts have."""
    asked = len((_prompt(table) or "").encode())
    return 64 + (asked + max(len(f"{one.text}{one.answer}".encode()) for one in table.questions)) // 2


def _ignore(file: Path) -> list[Path]:
    """Adds what runs write to what git leaves out; a file that is there keeps what it says."""
    there = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    missing = [line for line in _IGNORED if line not in there]
    if not missing:
        return []
    file.write_text("\n".join([*there, *missing]) + "\n", encoding="utf-8")
    return [file]
