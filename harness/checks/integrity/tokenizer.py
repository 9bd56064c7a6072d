"""The check that the adapter's tokenizer is the base's: what is measured and served is the base's alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.digests import digest_file
from harness.errors import AdapterError, first_line
from harness.gates import Check
from harness.models.adapters.files import WEIGHTS, adapter_headers, read_json
from harness.models.adapters.misfit import EMBEDDINGS
from harness.models.adapters.names import canonical_names
from harness.models.probing import TOKEN_TEXTS
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
        tokenizer: None where there is none, or it cannot be read.
        added: token -> id, out of added_tokens.json.
        files: vocabulary file -> digest.
    """

    tokenizer: Tokenizer | None
    added: dict[str, int]
    files: dict[str, str]

    @property
    def is_there(self) -> bool:
        """Whether the directory has a tokenizer at all."""
        return bool(self.files or self.added)

    @cached_property
    def tokens(self) -> dict[str, int]:
        """Token -> id; of a tokenizer that cannot be read, what was added to it alone."""
        known = self.tokenizer.get_vocab(with_added_tokens=True) if self.tokenizer is not None else {}
        return {**self.added, **known}


def saved_tokenizer(directory: Path) -> SavedTokenizer:
    """Read the tokenizer in a directory: tokenizer.json, else what transformers makes of the files there are.

    Raises:
        AdapterError: tokenizer.json or added_tokens.json cannot be read.
    """
    files = {name: digest_file(directory / name) for name in (_FAST, *_SLOW) if (directory / name).is_file()}
    added = read_json(directory / _ADDED) if (directory / _ADDED).is_file() else {}
    tokenizer = _from_file(directory / _FAST) if _FAST in files else _from_transformers(directory) if files else None
    if tokenizer is not None:
        # trainers leave their batches' settings in the file
        tokenizer.no_padding()
        tokenizer.no_truncation()
    return SavedTokenizer(tokenizer, added, files)


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
    tokenizer: Tokenizer | None = getattr(loaded, "backend_tokenizer", None)
    return tokenizer


_SPECIALS = ("bos_token", "eos_token", "unk_token")
_SHOWN = 3
_CONTESTED_EACH = 4
_MOST_CONTESTED = 50_000


def tokenizer_is_the_bases(adapter: Path, base: Path) -> Check:
    """A tokenizer saved beside the adapter gives every text the tokens that the base's gives it.

    What is measured and served is the base's. Compared are the vocabulary, the encoding of the probe texts (and of the
    base's own added tokens within a text) and the special tokens. Where one of the two cannot be read, the check holds
    unless something that can be read differs, and says so. Embeddings in the adapter must not have more rows than the
    tokenizer that came with it has tokens.

    Raises:
        AdapterError: a file cannot be read.
    """
    own, theirs = saved_tokenizer(base), saved_tokenizer(adapter)
    faults = _drift(own, theirs, _named(adapter, "pad_token"))
    for special in _SPECIALS:
        before, now = _named(base, special), _named(adapter, special)
        if before and now and before != now:
            faults.append(f"{special} is {now!r} beside the adapter, {before!r} of the base")
    size = _size(own, theirs)
    base_rows = read_json(base / "config.json").get("vocab_size")
    for name, rows in _embedding_rows(adapter).items():
        # models pad their embeddings, so that rows without a token are no fault until an adapter adds some
        if size is not None and rows > max(size, base_rows or 0):
            faults.append(f"{name} has {rows} rows, and there are {size} tokens: tokens were added and not saved")
    unread = _unread(own, theirs)
    seen = (
        "its tokenizer gives the base's tokens"
        if theirs.is_there
        else "its tokenizer is the base's: none lies beside it"
    )
    if unread is not None:
        seen = f"the tokenizer beside the adapter cannot be compared with the base's: {unread}"
    return Check(
        "tokenizer",
        holds=not faults,
        reason=f"the adapter was trained with another tokenizer: {faults[0]}" if faults else seen,
        remedy="train and serve with one tokenizer: the base's, or save the new one and the resized embeddings with "
        "the base and pass that with --model",
        details={"faults": faults, "own_tokenizer": theirs.is_there, "tokens": size, "compared": unread is None},
    )


def _unread(own: SavedTokenizer, theirs: SavedTokenizer) -> str | None:
    """Which of the two cannot be read; None where nothing stands in the way of comparing them."""
    if theirs.files.items() <= own.files.items() and theirs.added.items() <= own.tokens.items():
        return None  # nothing lies beside the adapter but what the base has, byte for byte
    for whose, saved in (("adapter", theirs), ("base", own)):
        if saved.tokenizer is None:
            return f"the {whose} has {', '.join(saved.files) or 'no vocabulary'} and no readable tokenizer.json"
    return None


def _size(own: SavedTokenizer, theirs: SavedTokenizer) -> int | None:
    """How many tokens the adapter was trained with; None where that cannot be known."""
    if theirs.tokenizer is not None:
        return len(theirs.tokens)
    return len({**theirs.added, **own.tokens}) if own.tokenizer is not None else None


def _drift(own: SavedTokenizer, theirs: SavedTokenizer, padding: str | None) -> list[str]:
    """What the two do differently, as far as they can be read. An added token for padding alone is read by no model."""
    if own.tokenizer is None:
        return []
    before, now = own.tokens, theirs.tokens
    changes = {
        "added": now.keys() - before.keys() - {padding},
        "lost": before.keys() - now.keys() if theirs.tokenizer is not None else set(),
        "with another id": {token for token in now.keys() & before.keys() if now[token] != before[token]},
    }
    faults = [
        f"{len(tokens)} tokens {what}, such as {', '.join(map(repr, sorted(tokens)[:_SHOWN]))}"
        for what, tokens in changes.items()
        if tokens
    ]
    return faults if faults or theirs.tokenizer is None else encoding_faults(own.tokenizer, theirs.tokenizer)


def encoding_faults(own: Tokenizer, theirs: Tokenizer) -> list[str]:
    """Same vocabulary, another encoding: merges, normalisation, or special tokens: around a text, and how they split one.

    Where the rules by which the two split texts are not the same, the text of every token of the vocabulary is encoded too, which
    shows a normaliser, and texts in which two merges want the same letters, which show their order.
    """
    added = (token.content for token in own.get_added_tokens_decoder().values())
    texts = [*TOKEN_TEXTS, *(f"It ends {token} here.\n{token}\nNot here." for token in added)]
    rules, others = _rules(own), _rules(theirs)
    if rules != others:
        texts += sorted({own.decode([number]) for number in own.get_vocab(with_added_tokens=False).values()})
        texts += _contested(own, _merges(rules), _merges(others))
    encoded = zip(texts, own.encode_batch(texts), theirs.encode_batch(texts), strict=True)
    for text, before, now in ((text, one.tokens, other.tokens) for text, one, other in encoded):
        if before != now:
            at = next(i for i in itertools.count() if before[i : i + 1] != now[i : i + 1])
            shown = slice(at, at + _SHOWN)
            return [f"{text!r} becomes {now[shown]} where the base has {before[shown]} (token {at})"]
    return []


def _rules(tokenizer: Tokenizer) -> Mapping[str, object]:
    """Normaliser, pre-tokenizer, post-processor and model, as the installed library writes them."""
    written: dict[str, object] = json.loads(tokenizer.to_str())
    return {key: value for key, value in written.items() if key not in ("version", "truncation", "padding", "decoder")}


def _merges(rules: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    """Of a byte-pair model what it joins, the first before all others; empty for other models."""
    model = rules.get("model")
    merges = model.get("merges") if isinstance(model, Mapping) else None
    return [(left, right) for left, right in merges or ()]


def _contested(tokenizer: Tokenizer, merges: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]) -> list[str]:
    """Texts in which a merge that has another place in the other order and one beside it want the same token."""
    moved = {one for one, other in zip(merges, others, strict=False) if one != other}
    after: dict[str, list[str]] = {}
    for left, right in merges:
        after.setdefault(left, []).append(right)
    ids = tokenizer.get_vocab(with_added_tokens=False)
    found = []
    for left, right in merges:
        for last in after.get(right, ())[:_CONTESTED_EACH]:
            if ((left, right) in moved or (right, last) in moved) and {left, right, last} <= ids.keys():
                found.append(tokenizer.decode([ids[left], ids[right], ids[last]]))
                if len(found) == _MOST_CONTESTED:
                    return found
    return found


def _named(directory: Path, special: str) -> str | None:
    """A special token as the tokenizer's configuration names it; None where it does not."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        token = read_json(directory / name).get(special) if (directory / name).is_file() else None
        token = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(token, str):
            return token
    return None


def _embedding_rows(adapter: Path) -> dict[str, int]:
    """Tensor -> its rows, of whole embeddings and heads in the adapter's file."""
    headers, names = adapter_headers(adapter), canonical_names(adapter / WEIGHTS)
    return {
        name: headers[name].shape[0]
        for name, canonical in names.items()
        if EMBEDDINGS.search(canonical) and canonical.endswith(".weight") and ".lora_" not in canonical
    }
