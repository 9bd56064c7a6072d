"""Recognises pickles by their bytes, whatever the file is called."""

from __future__ import annotations

import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import IO

from harness.errors import AdapterError

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
