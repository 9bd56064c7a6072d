"""What a GGUF file says of itself: its metadata, read without its tensors."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.errors import ModelError, first_line

SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
# By the number that the format gives each type (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_NUMBERS = (".context_length", ".file_type", "os_token_id")
_TOKEN_TYPES = "tokenizer.ggml.token_type"
# Normal tokens and bytes; all others may end an answer or are never written.
_PLAIN_TYPES = (1, 6)
_SPLIT = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True)
class GgufHeader:
    """The metadata of a file.

    Attributes:
        metadata: its scalar and text fields by key; of an array the number of its entries.
        special_tokens: ids of those that are no plain text.
    """

    metadata: Mapping[str, Any]
    special_tokens: frozenset[int] = frozenset()

    @property
    def is_adapter(self) -> bool:
        """Whether the file holds a LoRA, and no model."""
        return bool(self.metadata.get("general.type") == "adapter")

    @property
    def context_length(self) -> int:
        """The tokens that the model was trained to read; 0 where the file does not say."""
        return int(self.metadata.get(f"{self.metadata.get('general.architecture')}.context_length", 0))

    @property
    def file_type(self) -> str:
        """The quantisation of most of its tensors by llama.cpp's name (`Q4_K_M`); "unknown" for one that is not known here."""
        from gguf import LlamaFileType

        number = self.metadata.get("general.file_type")
        known = {int(one): one.name for one in LlamaFileType}
        return re.sub(r"^(ALL|MOSTLY)_", "", known.get(int(number), "unknown")) if number is not None else "unknown"


def read_gguf_header(path: Path) -> GgufHeader:
    """Read what stands before the tensors.

    Raises:
        ModelError: there is no such file, or it is no GGUF file, or one that was cut off or written by a newer program.
    """
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror}", "name a GGUF file that is there") from exc


def gguf_files(path: Path) -> list[Path]:
    """The files that make a model: those of a split one (`NAME-00001-of-00003.gguf`), else the file itself."""
    split = _SPLIT.fullmatch(path.name)
    if split is None:
        return [path]
    count = int(split["count"])
    return [path.with_name(f"{split['stem']}-{part:05d}-of-{count:05d}{SUFFIX}") for part in range(1, count + 1)]


@lru_cache(maxsize=64)
def _read(path: Path, mtime_ns: int, size: int) -> GgufHeader:
    with path.open("rb") as stream:
        if stream.read(4) != _MAGIC:
            raise ModelError(
                f"{path} is no GGUF file: it does not begin with {_MAGIC.decode()}", "restore or convert it"
            )
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                reader = _Reader(data)
                metadata = reader.metadata()
                _check_numbers(metadata)
            except (struct.error, LookupError, ValueError, OverflowError, MemoryError, RecursionError) as exc:
                raise ModelError(
                    f"{path} is a damaged GGUF file: {first_line(exc)}", "download or convert it again"
                ) from exc
            special = {number for number, kind in enumerate(reader.token_types) if kind not in _PLAIN_TYPES}
            return GgufHeader(metadata, frozenset(special))


def _check_numbers(metadata: Mapping[str, Any]) -> None:
    for key, value in metadata.items():
        if key.endswith(_NUMBERS) and (type(value) is not int or value < 0):
            raise ValueError(f"{key} is {value!r}, no whole number")


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4
        self.token_types: Sequence[int] = ()

    def metadata(self) -> dict[str, Any]:
        version, _, entries = self._take("I"), self._take("Q"), self._take("Q")
        if version not in _VERSIONS:
            raise ValueError(f"version {version} of the format, where {_VERSIONS} are known")
        found = {}
        for _ in range(entries):
            key = self._text()
            found[key] = self._value(self._take("I"), keep=key == _TOKEN_TYPES)
        return found

    def _value(self, kind: int, *, keep: bool = False) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._take(_SCALARS[kind])
        inner, count = self._take("I"), self._take("Q")
        if inner in _SCALARS:
            if keep:
                self.token_types = struct.unpack_from(f"<{count}{_SCALARS[inner]}", self._data, self._at)
            self._at += count * struct.calcsize(_SCALARS[inner])
            if self._at > len(self._data):
                raise ValueError("a list that is longer than the file")
        else:
            for _ in range(count):
                self._value(inner)
        return count

    def _text(self) -> str:
        length = self._take("Q")
        if length > len(self._data) - self._at:
            raise ValueError("a text that is longer than the file")
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8", "replace")

    def _take(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(form)
        return value
