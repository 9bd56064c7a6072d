"""Rows of Parquet and Arrow files as JSON objects."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DataError, first_line
from harness.tasks.data_files import MAX_BYTES

_BATCH_ROWS = 1024
_ROWS_AT_ONCE = 16
_ROW_BYTES = 256
"""What a row counts beside its texts: millions of empty ones fit in a file of a few bytes."""


@dataclass
class _Room:
    """What may still be read: a file of a few bytes can name one long text in millions of rows."""

    path: Path
    bytes_left: int

    def take(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise DataError(
                f"{self.path}: holds more than {MAX_BYTES >> 20} MiB of rows", "give fewer rows, or fewer columns"
            )


def read_table(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a `.parquet` or `.arrow` file. Times become ISO 8601 text, decimals numbers, NaN null; bytes stay.

    Raises:
        DataError: the file is damaged, two columns have one name, or it holds more than `MAX_BYTES`.
    """
    import pyarrow as pa

    room = _Room(path, MAX_BYTES)
    try:
        for batch in _batches(path, room):
            names = batch.schema.names
            if len(set(names)) < len(names):
                raise DataError(f"{path}: two columns have one name: {', '.join(names)}", "rename one")
            # what a damaged or hostile file says of its own layout is not believed
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                for row in batch.slice(start, _ROWS_AT_ONCE).to_pylist(maps_as_pydicts="strict"):
                    room.take(_ROW_BYTES)
                    yield {name: _as_json(value, room) for name, value in row.items()}
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
        problem = f"{path}: cannot be read as {kind}: {first_line(error)}"
        raise DataError(problem, "write it again, or save it as JSON lines") from None


def _batches(path: Path, room: _Room) -> Iterator[Any]:
    import pyarrow as pa

    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            _Room(path, room.bytes_left).take(_ROW_BYTES * file.metadata.num_rows)  # at once, where the file says so
            yield from file.iter_batches(batch_size=_BATCH_ROWS)
        return
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:  # the format with a footer, which begins otherwise
            with pa.ipc.open_file(source) as indexed:
                yield from (indexed.get_batch(number) for number in range(indexed.num_record_batches))
            return
        with reader:
            yield from reader


def _as_json(value: Any, room: _Room) -> Any:
    match value:
        case str() | bytes():
            room.take(len(value))
            return value
        case dict():
            return {str(key): _as_json(one, room) for key, one in value.items()}
        case list():
            return [_as_json(one, room) for one in value]
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case decimal.Decimal():
            return float(value)
        case float() if value != value:
            return None
        case _:
            return value
