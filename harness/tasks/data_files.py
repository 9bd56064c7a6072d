"""The files that rows are read from: one, the shards of a split, or a dataset that `save_to_disk` wrote; and their text.

Nothing here runs code: pickles and dataset scripts are refused by name, and what unpacks to more than `MAX_BYTES` too.
"""

from __future__ import annotations

import codecs
import contextlib
import glob
import gzip
import re
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import IO

from harness.digests import digest_file, digest_json
from harness.errors import DataError
from harness.json_files import read_json_object
from harness.paths import refuse_endless, show_size

MAX_BYTES = 1 << 30
"""Most bytes that a packed file may hold."""

TEXTS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
TABLES = (".parquet", ".arrow")
_PACKED = (".gz", ".zst")
_RUNS_CODE = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".npy", ".npz", ".py")
_AS_JSON_LINES = (
    "save the rows as JSON lines where you trust it: Dataset.to_json('rows.jsonl'), or "
    "DataFrame.to_json('rows.jsonl', orient='records', lines=True)"
)
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_CHUNK_BYTES = 1 << 20
_READ_TAKES = 3
"""Times the size of a file: its bytes, its text, and its rows."""
_GZIP, _ZSTD, _LFS = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"version https://git-lfs"
_MARKS = (  # UTF-32 first: its mark begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def kind_of_file(path: Path) -> str:
    """The ending that says what rows a file holds, without that of its packing.

    Raises:
        DataError: it is none that is read.
    """
    ending = path.suffix.lower()
    if ending in _PACKED:
        ending = path.with_suffix("").suffix.lower()
    if ending in (*TEXTS, *TABLES):
        _refuse_pointer(path)
        return ending
    if ending in _RUNS_CODE:
        raise DataError(f"{path}: {ending} may run code when it is loaded, and is not read", _AS_JSON_LINES)
    raise DataError(
        f"{path}: unknown kind of data file {path.suffix!r}",
        f"use one of: {', '.join((*TEXTS, *TABLES))} (texts also packed: {', '.join(_PACKED)}), or a folder that "
        'Dataset.save_to_disk wrote; save a spreadsheet as CSV in UTF-8, and plain texts as a line of {"text": ...} each',
    )


def _refuse_pointer(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise DataError(f"{path}: is a pointer of Git LFS, not the data", "fetch them: git lfs pull")


def files_of(path: Path) -> list[Path]:
    """The files that hold the rows of `path`, in their order.

    Args:
        path: a file; a folder with the shards of one split, or that `save_to_disk` wrote; or the name of a split within a
            folder of several (`data/train` for `data/train-00000-of-00002.parquet` and so on).

    Raises:
        DataError: there is no such thing, a shard is missing, or there are several splits; the message names them.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        return _of_saved(path) if (path / "state.json").is_file() else _of_folder(path)
    with contextlib.suppress(OSError):
        refuse_endless(path, DataError, "write the rows into a file, and name that")
    shards = sorted(path.parent.glob(f"{glob.escape(path.name)}-[0-9]*-of-[0-9]*.*"))
    if not shards:
        raise DataError(
            f"no such data file: {path}", "check the path; a relative one starts at the directory of assay.yaml"
        )
    return _whole(path, shards)


def data_digest(path: Path) -> str:
    """Digest of the files that hold the rows of `path`; of one file that of its bytes."""
    files = files_of(path)
    return digest_file(path) if files == [path] else digest_json({file.name: digest_file(file) for file in files})


def read_text(path: Path) -> str:
    """The text of a file, unpacked, in UTF-8 or, where it begins with their mark, UTF-16 or UTF-32; lines end in "\\n".

    Raises:
        DataError: it cannot be read, unpacked or decoded, or holds more than `MAX_BYTES` unpacked.
    """
    data = _unpacked(path)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        shown = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
        raise DataError(f"{path}: not {shown} at byte {error.start}", "save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _of_saved(folder: Path) -> list[Path]:
    """The Arrow files of a dataset, as its state lists them."""
    remedy = "save it again with Dataset.save_to_disk"
    state = read_json_object(folder / "state.json", DataError, remedy)
    listed = state.get("_data_files")
    names = (
        [one.get("filename") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
    )
    # a path would lead out of the folder
    if not names or not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+\.arrow", name) for name in names):
        raise DataError(f"{folder}/state.json names no data files", remedy)
    files = [folder / str(name) for name in names]
    if missing := [file.name for file in files if not file.is_file()]:
        raise DataError(f"{folder}: state.json names {missing[0]}, which is not there", "copy the whole folder")
    return files


def _of_folder(folder: Path) -> list[Path]:
    if (folder / "dataset_dict.json").is_file():
        listed = read_json_object(folder / "dataset_dict.json", DataError, "save it again").get("splits")
        splits = (
            [one for one in listed if (folder / str(one) / "state.json").is_file()] if isinstance(listed, list) else []
        )
        if len(splits) == 1:
            return _of_saved(folder / splits[0])
        named = f"name the split that is meant, as {folder / splits[0]}" if splits else "save it again"
        raise DataError(f"{folder}: holds {len(splits)} splits: {', '.join(splits)}", named)
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        ending = file.with_suffix("").suffix if file.suffix.lower() in _PACKED else file.suffix
        if file.is_file() and ending.lower() in (*TEXTS, *TABLES) and not file.name.startswith((".", "dataset_info")):
            shard = _SHARD.fullmatch(file.name.partition(".")[0])
            groups[shard[1] if shard else file.name].append(file)
    if len(groups) == 1:
        return _whole(folder, next(iter(groups.values())))
    if groups:
        first = folder / next(iter(groups))
        raise DataError(f"{folder}: holds several sets of rows: {', '.join(groups)}", f"name one of them, as {first}")
    if any(folder.glob("*.py")):
        raise DataError(f"{folder}: holds a dataset script, and scripts are not run", _AS_JSON_LINES)
    within = ", ".join(sorted(child.name for child in folder.iterdir())[:8]) or "nothing"
    raise DataError(
        f"{folder}: is a folder without data files; it holds {within}", "name the file or the split's folder"
    )


def _whole(path: Path, shards: list[Path]) -> list[Path]:
    """The shards, if none is missing."""
    numbered = [_SHARD.fullmatch(shard.name.partition(".")[0]) for shard in shards]
    counts = {int(found[3]) for found in numbered if found}
    if counts and counts != {len(shards)}:
        raise DataError(
            f"{path}: has {len(shards)} of {max(counts)} shards", "copy the others too, or join them in one file"
        )
    return shards


def _unpacked(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            head = raw.read(len(_ZSTD))
            raw.seek(0)
            if head.startswith(_GZIP):
                with gzip.open(raw) as stream:
                    return _bounded(path, stream.read)
            if head == _ZSTD:
                return _bounded(path, _zstd(raw).read)
            _refuse_beyond_memory(path)
            return raw.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}", "pack it again: it is cut short or damaged") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _refuse_beyond_memory(path: Path) -> None:
    size = path.stat().st_size
    if size <= MAX_BYTES:
        return
    import psutil

    free = int(psutil.virtual_memory().available)
    if size * _READ_TAKES > free:
        raise DataError(
            f"{path}: holds {show_size(size)}, and {show_size(free)} of memory are free: rows are read whole",
            "give fewer rows, or name a file of some of them",
        )


def _zstd(raw: IO[bytes]) -> IO[bytes]:
    import pyarrow as pa

    unpacking: IO[bytes] = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return unpacking


def _bounded(path: Path, read: Callable[[int], bytes]) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := read(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise DataError(
                f"{path}: holds more than {MAX_BYTES >> 20} MiB unpacked", "unpack it yourself, or give fewer rows"
            )
    return b"".join(chunks)
