"""An answer as a row of the cache: packed small; one that is torn or foreign is recognised when it is unpacked."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, get_args

from harness.engines.requests import Answer
from harness.json_files import load_json

_KINDS: dict[str, type[Answer]] = {answer_type.kind: answer_type for answer_type in get_args(Answer)}
_FIELDS = {
    kind: [f.name for f in fields(answer_type) if f.name not in ("cached", "thought")]
    for kind, answer_type in _KINDS.items()
}

# Raw deflate with the text all rows share given beforehand: half the size of plain zlib. The small window and memory
# level are for speed: zlib clears its tables for every row, 50 us at its defaults and 5 us at these.
# Part of the file's format: change any of it and raise SCHEMA_VERSION of file.py.
_SHARED = (
    b'{"text":"<tool_call>{\\"name\\": \\"","arguments\\": {\\"","stop_reason":"length","stop","eos","kl":0.0,"tokens":'
    b'"logprob":-0.,"is_greedy":true,false,"prompt_tokens":1,"completion_tokens":1,"latency_s":0.'
)
_LEVEL = 6
_WINDOW_BITS = -12
_MEMORY_LEVEL = 4
_CHECKSUM_BYTES = 8
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Row:
    """An answer, packed.

    Attributes:
        key: 32 bytes.
        checksum: over all the others.
        answer: deflated JSON of the answer's fields.
    """

    key: bytes
    kind: str
    checksum: bytes
    answer: bytes


def pack(key: bytes, answer: Answer) -> Row:
    """An answer as a row."""
    values = {name: getattr(answer, name) for name in _FIELDS[answer.kind]}
    text = _ENCODER.encode(values).encode("utf-8", "surrogatepass")
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zdict=_SHARED)
    packed = deflate.compress(text) + deflate.flush()
    return Row(key, answer.kind, _checksum(key, answer.kind, packed), packed)


def unpack(key: Any, kind: Any, checksum: Any, answer: Any) -> Answer | None:
    """The answer of a row as SQLite gives it, marked as cached; None where anything about it is wrong."""
    try:
        if checksum != _checksum(key, kind, answer):
            return None
        text = zlib.decompressobj(_WINDOW_BITS, zdict=_SHARED).decompress(answer)
        return _KINDS[kind](**load_json(text.decode("utf-8", "surrogatepass")), cached=True)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError):
        return None


def _checksum(key: bytes, kind: str, answer: bytes) -> bytes:
    return blake2b(key + kind.encode() + answer, digest_size=_CHECKSUM_BYTES).digest()
