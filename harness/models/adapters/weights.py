"""An adapter's safetensors file: its header, checked before anything of it is loaded, and values that are no numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.digests import file_stamp
from harness.errors import AdapterError
from harness.json_files import load_json
from harness.models.adapters.contents import is_lfs_pointer, lfs_pull

_MAX_HEADER_BYTES = 100 << 20  # safetensors' own limit
_KEPT_HEADERS = 64
# Bytes of one value, by the format's names for types (https://github.com/huggingface/safetensors).
_VALUE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
RESTORE = "copy the adapter again from where it was trained"


@dataclass(frozen=True)
class TensorHeader:
    """One tensor of a safetensors file, from its header."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Whether its values are floating-point numbers."""
        return self.dtype.startswith(("F", "BF"))


def read_tensor_headers(path: Path) -> Mapping[str, TensorHeader]:
    """Names, types and shapes in a safetensors file, without reading its data; read once while the file stays as it is.

    Raises:
        AdapterError: the header is damaged, does not agree with itself (a tensor's bytes with its shape, overlapping
            tensors, gaps, a name twice), or not with the size of the file.
    """
    if is_lfs_pointer(path):
        raise AdapterError(*lfs_pull(path))
    stamp = file_stamp(path) if path.is_file() else None
    return _parse(path) if stamp is None else _parse_once(path.absolute(), stamp)


@lru_cache(maxsize=_KEPT_HEADERS)
def _parse_once(path: Path, stamp: tuple[int, int, int]) -> Mapping[str, TensorHeader]:
    """As `_parse`; the stamp says which state of the file it was."""
    return _parse(path)


def _parse(path: Path) -> Mapping[str, TensorHeader]:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size - 8, _MAX_HEADER_BYTES):
                raise AdapterError(f"{path}: header says {length} bytes in a file of {size}", RESTORE)
            header = load_json(stream.read(length), object_pairs_hook=_distinct)
        metadata = header.pop("__metadata__", None)
        metadata = {} if metadata is None else metadata
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError(f"__metadata__ is {metadata!r}, not texts by their names")
        "".join(header).encode()  # as safetensors reads them, names are UTF-8
        headers = {name: TensorHeader(str(e["dtype"]), _integers(e["shape"])) for name, e in header.items()}
        spans = sorted((*_integers(e["data_offsets"]), name) for name, e in header.items())
        end = _end_of_tensors(path, spans, headers)
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise AdapterError(f"{path} is not a readable safetensors file: {exc}", RESTORE) from exc
    if 8 + length + end != size:
        raise AdapterError(f"{path} is truncated or padded: {size} bytes, its header wants {8 + length + end}", RESTORE)
    return MappingProxyType(headers)


def _end_of_tensors(path: Path, spans: list[tuple[Any, ...]], headers: Mapping[str, TensorHeader]) -> int:
    """Where the last tensor ends, in bytes from the end of the header; tensors must lie one after the other."""
    done = 0
    for start, end, name in spans:
        header = headers[name]
        if header.dtype not in _VALUE_BYTES or min(header.shape, default=0) < 0:
            raise AdapterError(f"{path}: {name} has type {header.dtype} and shape {list(header.shape)}", RESTORE)
        need = math.prod(header.shape) * _VALUE_BYTES[header.dtype]
        if end - start != need:
            raise AdapterError(
                f"{path}: {name} ({header.dtype}, {list(header.shape)}) takes {need} bytes, its header gives it "
                f"{end - start}",
                RESTORE,
            )
        if start != done:
            fault = "overlaps the tensor before it" if start < done else "leaves a gap before it"
            raise AdapterError(f"{path}: {name} {fault} (it starts at byte {start}, not {done})", RESTORE)
        done = end
    return done


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or any(type(value) is not int for value in values):
        raise ValueError(f"{values!r} is no list of integers")
    return tuple(values)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different; readers disagree on which of two equal ones counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} stands twice in the header")
        found[name] = value
    return found


@dataclass(frozen=True)
class BadValues:
    """Tensor -> how many of its values are bad, only those that have any.

    Attributes:
        nonfinite: NaN or infinite.
        saturated: in half precision, within 1% of the largest float16. Values that did not fit are often clipped to it,
            rather than saved as infinities.
    """

    nonfinite: Mapping[str, int]
    saturated: Mapping[str, int]


def bad_values(*paths: Path) -> BadValues:
    """Read every tensor of some safetensors files for values that are no numbers, or stand at the end of their range."""
    import torch
    from safetensors import safe_open

    limit = 0.99 * torch.finfo(torch.float16).max
    nonfinite, saturated = {}, {}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name)
                finite = (tensor.float() if tensor.itemsize == 1 else tensor).isfinite()  # which knows no float8
                if count := int((~finite).sum()):
                    nonfinite[name] = count
                if tensor.dtype == torch.float16 and (count := int(((tensor.float().abs() >= limit) & finite).sum())):
                    saturated[name] = count
    return BadValues(nonfinite, saturated)
