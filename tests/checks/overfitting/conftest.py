"""Small training data, and what base and candidate say to them by rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from scripted import Rule, scripted_engine

from harness.checks.data import Corpus, corpus_of_files
from harness.gates import Comparison
from harness.tasks import Task

MakeCorpus = Callable[..., Corpus]


@pytest.fixture
def corpus(tmp_path: Path) -> MakeCorpus:
    """`corpus(train, validation=None)`: rows are (prompt, answer) pairs."""

    def make(train: Sequence[tuple[str, str]], validation: Sequence[tuple[str, str]] | None = None) -> Corpus:
        def write(name: str, rows: Sequence[tuple[str, str]]) -> Path:
            lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows]
            (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
            return tmp_path / name

        held_out = None if validation is None else write("validation.jsonl", validation)
        return corpus_of_files(write("train.jsonl", train), held_out)

    return make


def compared(task: Task, base: Rule, candidate: Rule) -> Comparison:
    """A task put to two scripted models."""
    return Comparison(
        task,
        task.evaluate(scripted_engine(base), "base"),
        task.evaluate(scripted_engine(candidate), "candidate"),
    )
