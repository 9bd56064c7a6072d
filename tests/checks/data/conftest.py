"""Small corpora, written to files and read as the suite reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.checks.data import Corpus, corpus_of_files

Rows = Sequence[Mapping[str, Any]]
MakeCorpus = Callable[..., Corpus]


@pytest.fixture
def corpus(tmp_path: Path) -> MakeCorpus:
    """`corpus(train_rows, validation_rows=None, layout="auto")`: rows are objects, or (prompt, completion) pairs."""

    def make(train: Sequence[Any], validation: Sequence[Any] | None = None, layout: str = "auto") -> Corpus:
        paths = [_write(tmp_path / "train.jsonl", train)]
        if validation is not None:
            paths.append(_write(tmp_path / "validation.jsonl", validation))
        return corpus_of_files(*paths, layout=layout)

    return make


def _write(path: Path, rows: Sequence[Any]) -> Path:
    objects = [{"prompt": row[0], "completion": row[1]} if isinstance(row, tuple) else row for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in objects), encoding="utf-8")
    return path
