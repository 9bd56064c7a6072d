"""Every file that people keep rows in gives the same rows; what is damaged, hostile or ambiguous is refused by name."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.digests import digest_file
from harness.errors import DataError
from harness.tasks import data_files, tables
from harness.tasks.data_files import data_digest
from harness.tasks.records import read_records

ROWS = [{"prompt": f"Wie heißt Nummer {i}?", "completion": f"Sie heißt {i}."} for i in range(3)]
LINES = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ROWS)
ARRAY = json.dumps(ROWS, indent=1)
CSV = "prompt,completion\n" + "".join(f"{row['prompt']},{row['completion']}\n" for row in ROWS)

TEXTS = {
    "lines.jsonl": LINES.encode(),
    "lines.json": LINES.encode(),
    "lines.ndjson": LINES.encode(),
    "LINES.JSONL": LINES.encode(),
    "array.jsonl": ARRAY.encode(),
    "array_on_one_line.jsonl": json.dumps(ROWS).encode(),
    "under_data.json": json.dumps({"version": "1", "data": ROWS}).encode(),
    "one_split.json": json.dumps({"train": ROWS}).encode(),
    "mark.jsonl": LINES.encode("utf-8-sig"),
    "utf16.jsonl": LINES.encode("utf-16"),
    "utf16_big_endian.json": b"\xfe\xff" + ARRAY.encode("utf-16-be"),
    "windows.jsonl": LINES.replace("\n", "\r\n").encode(),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
    "packed_in_two.jsonl.gz": gzip.compress(LINES[:30].encode()) + gzip.compress(LINES[30:].encode()),
    "packed.json.gz": gzip.compress(ARRAY.encode()),
    "packed.csv.gz": gzip.compress(CSV.encode("utf-16")),
    "table.csv": CSV.encode(),
    "table.tsv": CSV.replace(",", "\t").encode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_give_their_rows_and_are_known_by_their_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(TEXTS[name])
    assert [record.fields for record in read_records(path)] == ROWS
    assert data_digest(path) == digest_file(path)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and folders written by pyarrow and datasets."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset, DatasetDict

    folder = tmp_path_factory.mktemp("shelf")
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, folder / "rows.parquet")
    for name, writer in (("stream.arrow", pa.ipc.new_stream), ("footer.arrow", pa.ipc.new_file)):
        with pa.OSFile(str(folder / name), "wb") as file, writer(file, table.schema) as out:
            out.write_table(table)
    with pa.OSFile(str(folder / "rows.jsonl.zst"), "wb") as file, pa.CompressedOutputStream(file, "zstd") as out:
        out.write(LINES.encode())
    (folder / "hub").mkdir()
    for i in range(3):
        pq.write_table(table.slice(i, 1), folder / "hub" / f"train-0000{i}-of-00003.parquet")
    pq.write_table(table, folder / "hub" / "test-00000-of-00001.parquet")
    saved = Dataset.from_list(ROWS)
    saved.save_to_disk(str(folder / "saved"), num_shards=2)
    DatasetDict(train=saved, test=saved.select([0])).save_to_disk(str(folder / "splits"))
    DatasetDict(train=saved).save_to_disk(str(folder / "one_split"))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "rows.parquet",
        "stream.arrow",
        "footer.arrow",
        "rows.jsonl.zst",
        "hub/train",
        "saved",
        "splits/train",
        "one_split",
    ],
)
def test_tables_and_saved_datasets_give_their_rows(shelf: Path, name: str) -> None:
    records = read_records(shelf / name)
    assert [record.fields for record in records] == ROWS
    assert [record.row for record in records] == [1, 2, 3]


def test_a_folder_is_known_by_the_files_that_hold_its_rows(shelf: Path, tmp_path: Path) -> None:
    same = [data_digest(shelf / name) for name in ("splits/train", "one_split")]
    assert len(set(same)) == 1
    assert data_digest(shelf / "hub/train") != data_digest(shelf / "hub/test")


def test_times_decimals_and_missing_numbers_of_a_table_become_json(tmp_path: Path) -> None:
    import datetime
    import decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    day = datetime.datetime(2024, 5, 6)
    row = {"at": day, "price": decimal.Decimal("1.50"), "score": float("nan"), "turns": [{"on": day.date()}]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (record,) = read_records(tmp_path / "a.parquet")
    wanted = {"at": "2024-05-06T00:00:00", "price": 1.5, "score": None, "turns": [{"on": "2024-05-06"}]}
    assert record.fields == wanted


def _damaged(shelf: Path) -> dict[str, bytes]:
    return {
        "cut.parquet": (shelf / "rows.parquet").read_bytes()[:-50],
        "cut.arrow": (shelf / "stream.arrow").read_bytes()[:-100],
        "cut.jsonl.gz": gzip.compress(LINES.encode())[:-9],
        "cut.jsonl.zst": (shelf / "rows.jsonl.zst").read_bytes()[:-5],
        "pointer.parquet": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "pickle.pkl": b"\x80\x04.",
        "script.py": b"raise SystemExit",
        "two.json": json.dumps({"train": ROWS, "test": ROWS}).encode(),
        "sheet.xlsx": b"PK",
        "cut.jsonl": ARRAY[:-20].encode(),
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cut.parquet", "cannot be read as Parquet"),
        ("cut.arrow", "cannot be read as Arrow"),
        ("cut.jsonl.gz", "cannot be unpacked"),
        ("cut.jsonl.zst", "cannot be read"),
        ("pointer.parquet", "git lfs pull"),
        ("pickle.pkl", "may run code"),
        ("script.py", "may run code"),
        ("two.json", "several lists of rows: train, test"),
        ("sheet.xlsx", "unknown kind"),
        ("cut.jsonl", "not JSON at line 1"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_what_they_are(
    shelf: Path, tmp_path: Path, name: str, wanted: str
) -> None:
    path = tmp_path / name
    path.write_bytes(_damaged(shelf)[name])
    with pytest.raises(DataError, match=wanted) as caught:
        read_records(path)
    assert name in caught.value.problem


def _split_of_two(folder: Path, shelf: Path) -> Path:
    return shelf / "splits"


def _shard_missing(folder: Path, shelf: Path) -> Path:
    shard = (shelf / "hub" / "train-00001-of-00003.parquet").read_bytes()
    (folder / "train-00001-of-00003.parquet").write_bytes(shard)
    return folder


def _script(folder: Path, shelf: Path) -> Path:
    (folder / "my_data.py").write_text("raise SystemExit")
    return folder


def _leads_out(folder: Path, shelf: Path) -> Path:
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../stream.arrow"}]}))
    return folder


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (_split_of_two, r"2 splits: train, test\n.*splits/train"),
        (lambda folder, shelf: shelf / "hub", r"several sets of rows: test, train\n.*hub/test"),
        (_shard_missing, "1 of 3 shards"),
        (_script, "scripts are not run"),
        (_leads_out, "names no data files"),
        (lambda folder, shelf: folder, "holds nothing"),
        (lambda folder, shelf: folder / "none", "no such data file"),
    ],
)
def test_folders_that_hold_no_one_set_of_rows_are_refused(
    shelf: Path, tmp_path: Path, made: Callable[[Path, Path], Path], wanted: str
) -> None:
    with pytest.raises(DataError, match=wanted):
        read_records(made(tmp_path, shelf))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.jsonl.gz"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_has_no_end_is_no_data_file(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / name)
    with pytest.raises(DataError, match=r"it is no file, but a pipe or a device\n.*write the rows into a file"):
        read_records(tmp_path / name)


@pytest.mark.parametrize("name", ["packed.jsonl.gz", "few.parquet", "repeated.parquet"])
def test_what_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(data_files, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(tables, "MAX_BYTES", 1 << 20)
    if name == "few.parquet":
        table = pa.table({"x": pa.nulls(10_000)})
    else:
        one = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["y" * 5000]))
        table = pa.table({"x": one})
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(b" " * (3 << 20)))
    else:
        pq.write_table(table, tmp_path / name)
        assert (tmp_path / name).stat().st_size < 100_000
    with pytest.raises(DataError, match="holds more than"):
        read_records(tmp_path / name)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_a_file_that_fits_in_no_memory_is_refused_unread(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 43)  # without a block on the disk
    with pytest.raises(DataError, match=r"holds 8\.0 TiB, and .* of memory are free"):
        read_records(path)
