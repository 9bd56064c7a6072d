"""Samples as Parquet: one row each, the nested fields as JSON text in a column of their own."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from harness.json_files import load_json
from harness.paths import refuse_endless
from harness.records import Role, Sample
from harness.runs.codec import clean_text, dump_json, number

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = ("task", "item_id", "cluster", "role", "prompt_digest", "prompt", "answer", "stop_reason")
_JSON = ("target", "parsed", "scores", "tags")
_KEY = ("task", "item_id", "role", "prompt_digest")


def samples_table(run_id: str, samples: Iterable[Sample]) -> pa.Table:
    """Samples as an Arrow table with the run id in its first column."""
    import pyarrow as pa

    return pa.Table.from_pylist([_to_row(run_id, sample) for sample in samples], schema=_schema())


def encode_table(table: pa.Table) -> bytes:
    """The table as the bytes of a Parquet file (zstd)."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one Parquet file of samples: all of its columns, or those named.

    Raises:
        RunError: the file is missing, torn, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        refuse_endless(path, RunError, "restore the file or run again")
        names = _schema().names if columns is None else list(columns)
        return pq.ParquetFile(path).read(columns=names).select(names)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing", "the run directory is incomplete: make the run again") from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise RunError(
            f"{path} cannot be read as samples: {error}", "the file is torn or foreign: restore it or run again"
        ) from error


def merge_parts(parts: Sequence[Path]) -> pa.Table:
    """All parts as one table, in order; of rows with equal task, item, role and prompt the first is kept.

    Several workers may have measured the same item: its rows are equal answers, and counting them twice would
    overstate n.
    """
    import pyarrow as pa

    table = pa.concat_tables([_schema().empty_table(), *(read_table(part) for part in parts)])
    seen: set[tuple[str, ...]] = set()
    first = []
    for row, key in enumerate(zip(*(table[name].to_pylist() for name in _KEY), strict=True)):
        if key not in seen:
            seen.add(key)
            first.append(row)
    return table if len(first) == table.num_rows else table.take(first)


def select(table: pa.Table, *, task: str | None = None, role: Role | None = None) -> pa.Table:
    """The rows of a task, of a model, or both; None takes all."""
    import pyarrow.compute as pc

    for column, wanted in (("task", task), ("role", role)):
        if wanted is not None:
            table = table.filter(pc.equal(table[column], wanted))
    return table


def asked_of_candidate(table: pa.Table) -> dict[str, list[tuple[str, str]]]:
    """Task -> (item id, prompt digest) of each of the candidate's samples."""
    asked: dict[str, list[tuple[str, str]]] = {}
    rows = select(table, role="candidate")
    for task, item, prompt in zip(
        *(rows[name].to_pylist() for name in ("task", "item_id", "prompt_digest")), strict=True
    ):
        asked.setdefault(task, []).append((item, prompt))
    return asked


def table_samples(table: pa.Table) -> list[Sample]:
    """The inverse of `samples_table`: the rows as samples, JSON columns decoded."""
    return [_from_row(row) for row in table.drop_columns(["run"]).to_pylist()]


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = {name: pa.string() for name in ("run", *_TEXT, *_JSON)}
    counts = {"prompt_tokens": pa.int64(), "completion_tokens": pa.int64()}
    return pa.schema({**text, **counts, "latency_s": pa.float64(), "cached": pa.bool_()})


def _to_row(run_id: str, sample: Sample) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run_id}
    for name in _TEXT:
        value = getattr(sample, name)
        row[name] = None if value is None else clean_text(value)
    for name in _JSON:
        row[name] = _encode(sample, name)
    for name in ("prompt_tokens", "completion_tokens", "latency_s", "cached"):
        row[name] = getattr(sample, name)
    return row


def _encode(sample: Sample, name: str) -> str:
    try:
        return dump_json(getattr(sample, name))
    except TypeError as error:
        raise RunError(
            f"sample {sample.item_id!r} of task {sample.task!r} cannot be stored: its {name} is no JSON value: {error}",
            "return JSON values (numbers, text, lists, objects) from the grader",
        ) from error


def _from_row(row: dict[str, Any]) -> Sample:
    decoded = {name: load_json(row[name]) for name in _JSON}
    scores: Mapping[str, Any] = decoded["scores"]
    decoded["scores"] = {metric: number(score) for metric, score in scores.items()}
    return Sample(**{**row, **decoded})
