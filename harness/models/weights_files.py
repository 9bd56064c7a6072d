"""The header of a safetensors file: read and checked before anything of the file is loaded."""

from __future__ import annotations

import json
import math
import pickletools
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.errors import AdapterError

_MAX_HEADER_BYTES = 100 << 20
# Bytes of one value, by the format's names for types (https://github.com/huggingface/safetensors).
_VALUE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
_REMEDY = "copy the adapter again from where it was trained"


@dataclass(frozen=True)
class TensorHeader:
    """One tensor of a safetensors file, from its header."""

    dtype: str
    shape: tuple[int, ...]


def read_tensor_headers(path: Path) -> Mapping[str, TensorHeader]:
    """Names, types and shapes in a safetensors file, without reading its data.

    Raises:
        AdapterError: the header is damaged, does not agree with itself (a tensor's bytes with its shape, overlapping
            tensors, gaps, a name twice), or not with the size of the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size - 8, _MAX_HEADER_BYTES):
                raise AdapterError(f"{path}: header says {length} bytes in a file of {size}", _REMEDY)
            header = json.loads(stream.read(length), object_pairs_hook=_distinct)
        _check_metadata(header.get("__metadata__"))
        entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
        headers = {name: TensorHeader(str(e["dtype"]), _integers(e["shape"])) for name, e in entries}
        spans = sorted((*_integers(e["data_offsets"]), name) for name, e in entries)
        end = _end_of_tensors(path, spans, headers)
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
        raise AdapterError(f"{path} is not a readable safetensors file: {exc}", _REMEDY) from exc
    if 8 + length + end != size:
        raise AdapterError(f"{path} is truncated or padded: {size} bytes, its header wants {8 + length + end}", _REMEDY)
    return headers


def _end_of_tensors(path: Path, spans: list[tuple[Any, ...]], headers: Mapping[str, TensorHeader]) -> int:
    """Where the last tensor ends, in bytes from the end of the header; tensors must lie one after the other."""
    done = 0
    for start, end, name in spans:
        header = headers[name]
        if header.dtype not in _VALUE_BYTES or min(header.shape, default=0) < 0:
            raise AdapterError(f"{path}: {name} has type {header.dtype} and shape {list(header.shape)}", _REMEDY)
        need = math.prod(header.shape) * _VALUE_BYTES[header.dtype]
        if end - start != need:
            raise AdapterError(
                f"{path}: {name} ({header.dtype}, {list(header.shape)}) takes {need} bytes, its header gives it "
                f"{end - start}",
                _REMEDY,
            )
        if start != done:
            fault = "overlaps the tensor before it" if start < done else "leaves a gap before it"
            raise AdapterError(f"{path}: {name} {fault} (it starts at byte {start}, not {done})", _REMEDY)
        done = end
    return done


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or any(type(value) is not int for value in values):
        raise ValueError(f"{values!r} is no list of integers")
    return tuple(values)


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"__metadata__ is {metadata!r}, not texts by their names")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different; readers disagree on which of two equal ones counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)} stands twice in the header")
    return found


# Opcodes that fetch a function or a class: what makes a pickle a program (https://docs.python.org/3/library/pickletools.html).
_IMPORTS = frozenset({"GLOBAL", "INST", "STACK_GLOBAL"})
_IMPORTED = re.compile(r"[\w.]+ [\w.]+|None")
_ARRAY_MAGIC, _OBJECT_TYPE = b"\x93NUMPY", b"|O"
_ARRAY_HEADER_BYTES = 1 << 16
# "N." and "0." are whole pickles, and how many a text begins
_TRIVIAL_OPCODES = 2


def holds_pickle(path: Path) -> bool:
    """Whether a file is a pickle: bare, in the archive that torch.save makes, or as numpy saves arrays of objects.

    Raises:
        AdapterError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(2) == b"PK" and zipfile.is_zipfile(path):
                return _archive_holds_pickle(path)
            stream.seek(0)
            return _is_object_array(stream) or _is_pickle(stream)
    except OSError as exc:
        raise AdapterError(f"{path} cannot be read: {exc.strerror}", "make it readable, or take it away") from exc


def _archive_holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(
                name.endswith(".pkl") or (name.endswith(".npy") and _is_object_array(archive.open(name)))
                for name in archive.namelist()
            )
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return True  # encrypted or damaged: what it holds cannot be seen


def _is_object_array(stream: IO[bytes]) -> bool:
    """Whether a `.npy` file holds Python objects, which numpy pickles; leaves the stream where it was."""
    start = stream.read(_ARRAY_HEADER_BYTES)
    stream.seek(0)
    return start.startswith(_ARRAY_MAGIC) and _OBJECT_TYPE in start.partition(b"\n")[0]


def _is_pickle(stream: IO[bytes]) -> bool:
    """A pickle of protocol 2 or later by its first bytes, an older one, which has no mark, by its opcodes.

    Of these counts what imports anything, or is a pickle from its first byte to its last.
    """
    start = stream.read(2)
    if len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5:
        return True
    stream.seek(0)
    try:
        opcodes = list(pickletools.genops(stream))
    except (ValueError, IndexError, OverflowError, struct.error):
        return False
    imports = any(opcode.name in _IMPORTS and _IMPORTED.fullmatch(str(argument)) for opcode, argument, _ in opcodes)
    return imports or (len(opcodes) > _TRIVIAL_OPCODES and not stream.read().strip())
