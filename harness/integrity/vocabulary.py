"""The tokenizer that lies in a directory: its tokens and its rules, read without any code of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.digests import digest_file
from harness.errors import AdapterError, first_line
from harness.models.adapter_files import read_json
from harness.models.quiet import quiet_loading

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FAST, _ADDED = "tokenizer.json", "added_tokens.json"
# What tokenizers keep their vocabulary in where they were saved without tokenizer.json.
_SLOW = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt", "tekken.json")


@dataclass(frozen=True)
class SavedTokenizer:
    """What lies in a directory of a tokenizer.

    Attributes:
        rules: None where there is none, or it cannot be read.
        added: token -> id, out of added_tokens.json.
        files: vocabulary file -> digest.
    """

    rules: Tokenizer | None
    added: dict[str, int]
    files: dict[str, str]

    @property
    def is_there(self) -> bool:
        """Whether the directory has a tokenizer at all."""
        return bool(self.files or self.added)

    @cached_property
    def tokens(self) -> dict[str, int]:
        """Token -> id; of a tokenizer that cannot be read, what was added to it alone."""
        known = self.rules.get_vocab(with_added_tokens=True) if self.rules is not None else {}
        return {**self.added, **known}


def saved_tokenizer(directory: Path) -> SavedTokenizer:
    """Read the tokenizer in a directory: tokenizer.json, else what transformers makes of the files there are.

    Raises:
        AdapterError: tokenizer.json or added_tokens.json cannot be read.
    """
    files = {name: digest_file(directory / name) for name in (_FAST, *_SLOW) if (directory / name).is_file()}
    added = read_json(directory / _ADDED) if (directory / _ADDED).is_file() else {}
    rules = _from_file(directory / _FAST) if _FAST in files else _from_transformers(directory) if files else None
    if rules is not None:
        # trainers leave their batches' settings in the file
        rules.no_padding()
        rules.no_truncation()
    return SavedTokenizer(rules, added, files)


def _from_file(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as exc:  # tokenizers raises bare Exception on a file it cannot parse
        raise AdapterError(
            f"{file} cannot be read: {first_line(exc)}", "save the tokenizer again, or remove it"
        ) from exc


def _from_transformers(directory: Path) -> Tokenizer | None:
    """What transformers makes of older files; None where it cannot (a library is missing, or a file)."""
    from transformers import AutoTokenizer

    try:
        with quiet_loading():
            loaded = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except Exception:  # its converters raise whatever their libraries do; the check then says that it cannot compare
        return None
    rules: Tokenizer | None = getattr(loaded, "backend_tokenizer", None)
    return rules
