"""Who a model is: the digest of everything that can change an answer."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.digests import digest_bytes, digest_file, digest_json, file_stamp
from harness.errors import ModelError
from harness.json_files import keep_json, kept_json, read_json_object
from harness.models.chat_templates import read_chat_templates
from harness.models.stored_quantization import as_computed, stored_quantization
from harness.paths import cache_dir

# Raised when a change of this package's engine changes answers; older cached answers then miss.
ENGINE_REVISION = 2

_RESTORE = "restore the file from its source"
_SMALL_BYTES = 8 << 20
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "tokenizer_config.json", "vocab.txt", "spiece.model",
)  # fmt: skip
# Written by tools about themselves; they do not change what the weights compute.
_VOLATILE_KEYS = frozenset({
    "_name_or_path", "_commit_hash", "transformers_version", "base_model_name_or_path", "peft_version",
    "auto_mapping", "revision", "inference_mode", "dtype", "torch_dtype",
})  # fmt: skip
# PEFT saves these sets in hash order.
_SET_KEYS = frozenset({"target_modules", "modules_to_save", "exclude_modules"})
# What must agree for two subjects to be computed by one model in memory.
_OF_WEIGHTS = ("weights", "config", "dtype", "quantization", "code")


@dataclass(frozen=True)
class Identity:
    """The parts that decide a model's answers, each a digest or a setting, and the digest of them all."""

    parts: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the parts and the engine's revision."""
        return digest_json({"engine": ENGINE_REVISION, **self.parts})

    def shares_weights_with(self, other: Identity) -> bool:
        """Whether one model in memory computes both, if they are on disk: same weights, configuration, precision, quantization
        and code."""
        return all(self.parts.get(part) == other.parts.get(part) for part in _OF_WEIGHTS)


def model_identity(
    base: Path,
    *,
    dtype: str,
    quantization: str,
    device: str = "cpu",
    trust_remote_code: bool = False,
    adapter: Path | None = None,
) -> Identity:
    """Identity of a base model, or with `adapter` of a candidate.

    Args:
        base: model directory.
        dtype: resolved precision name ("bfloat16"), not "auto".
        quantization: "none", "nf4" or "int8".
        device: that computes it, where that makes it another function.
    """
    parts = {
        "weights": weights_digest(base),
        "config": _canonical_json_digest(base / "config.json"),
        "tokenizer": _files_digest(base, _TOKENIZER_FILES),
        "chat_template": chat_template_digest(base),
        "generation_config": _canonical_json_digest(base / "generation_config.json"),
        "dtype": dtype,
        "quantization": as_computed(stored_quantization(base) or quantization, device),
    }
    if trust_remote_code:
        parts["code"] = _files_digest(base, (path.name for path in base.glob("*.py")))
    if adapter is not None:
        parts["adapter"] = adapter_digest(adapter)
    return Identity(parts)


def base_digest(directory: Path) -> str:
    """Digest of what training starts from: weights, configuration, tokenizer and chat template of a base."""
    return digest_json([
        weights_digest(directory),
        _canonical_json_digest(directory / "config.json"),
        _files_digest(directory, _TOKENIZER_FILES),
        chat_template_digest(directory),
    ])  # fmt: skip


def weights_digest(directory: Path) -> str:
    """Digest over the directory's safetensors files, by name and content."""
    return digest_json({p.name: cached_file_digest(p) for p in sorted(directory.glob("*.safetensors"))})


def adapter_digest(directory: Path) -> str:
    """Digest of an adapter: its weight files and its configuration, whatever order sets were written in."""
    return digest_json([weights_digest(directory), _canonical_json_digest(directory / "adapter_config.json")])


def chat_template_digest(directory: Path) -> str:
    """Digest of the chat templates alone, wherever the tokenizer keeps them; "none" without one."""
    templates = read_chat_templates(directory)
    if not templates:
        return "none"
    if templates.keys() == {"default"}:
        return digest_bytes(templates["default"].encode())
    return digest_json(templates)


def cached_file_digest(path: Path) -> str:
    """SHA-256 of a file; for large files remembered by (path, size, mtime, inode)."""
    stamp = file_stamp(path)
    if stamp is None or path.stat().st_size < _SMALL_BYTES:
        return digest_file(path)
    note = cache_dir() / "digests" / f"{digest_bytes(os.fsencode(path.resolve()))}.json"
    known = kept_json(note)
    if isinstance(known, dict) and known.get("stamp") == [*stamp] and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    sha = digest_file(path)
    keep_json(note, {"stamp": stamp, "sha256": sha})
    return sha


def _files_digest(directory: Path, names: Iterable[str]) -> str:
    return digest_json({name: cached_file_digest(directory / name) for name in names if (directory / name).is_file()})


def _canonical_json_digest(path: Path) -> str:
    if not path.is_file():
        return "none"
    return digest_json(_canonical(read_json_object(path, ModelError, _RESTORE)))


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {
            k: sorted(v) if k in _SET_KEYS and isinstance(v, list) else _canonical(v)
            for k, v in value.items()
            if k not in _VOLATILE_KEYS
        }
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    if isinstance(value, float):
        return repr(value)  # NaN and infinities included
    return value
