"""The check that the adapter's tokenizer is the base's: what is measured and served is the base's alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import AdapterError, first_line
from harness.gates import Check
from harness.integrity.probe import PROBE_TEXTS
from harness.models.adapter_files import WEIGHTS, read_json
from harness.models.adapter_keys import canonical_names
from harness.models.embedding_copies import EMBEDDINGS
from harness.models.safetensors_header import read_tensor_headers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPECIALS = ("bos_token", "eos_token", "unk_token")
_SHOWN = 3


def tokenizer_is_the_bases(adapter: Path, base: Path) -> Check:
    """A tokenizer saved beside the adapter gives every text the tokens that the base's gives it.

    What is measured and served is the base's. Compared are the vocabulary, the encoding of the probe texts and the
    special tokens. Embeddings in the adapter must not have more rows than the tokenizer that came with it has tokens.

    Raises:
        AdapterError: a file cannot be read.
    """
    faults: list[str] = []
    own, theirs = _tokenizer(base), _tokenizer(adapter)
    if own is not None and theirs is not None:
        faults = _vocabulary_faults(own, theirs, _named(adapter, "pad_token")) or _encoding_faults(own, theirs)
    faults += [
        f"{name} is {now!r} beside the adapter, {before!r} of the base"
        for name, (before, now) in _changed_specials(adapter, base).items()
    ]
    known = theirs or own
    size = known.get_vocab_size(with_added_tokens=True) if known is not None else None
    base_rows = read_json(base / "config.json").get("vocab_size")
    for name, rows in _embedding_rows(adapter).items():
        # models pad their embeddings, so that rows without a token are no fault until an adapter adds some
        if size is not None and rows > max(size, base_rows or 0):
            faults.append(f"{name} has {rows} rows, and there are {size} tokens: tokens were added and not saved")
    details = {"faults": faults, "own_tokenizer": theirs is not None, "tokens": size}
    if faults:
        return Check(
            "tokenizer",
            holds=False,
            reason=f"the adapter was trained with another tokenizer: {faults[0]}",
            remedy="train and serve with one tokenizer: the base's, or save the new one and the resized embeddings with "
            "the base and pass that with --model",
            details=details,
        )
    seen = "gives the base's tokens" if theirs is not None else "is the base's: none lies beside the adapter"
    return Check("tokenizer", holds=True, reason=f"its tokenizer {seen}", details=details)


def _tokenizer(directory: Path) -> Tokenizer | None:
    """The fast tokenizer in a directory, read without any of its code; None where there is none."""
    from tokenizers import Tokenizer

    file = directory / "tokenizer.json"
    if not file.is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as exc:  # tokenizers raises bare Exception on a file it cannot parse
        raise AdapterError(
            f"{file} cannot be read: {first_line(exc)}", "save the tokenizer again, or remove it"
        ) from exc
    # trainers leave their batches' settings in the file
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _vocabulary_faults(own: Tokenizer, theirs: Tokenizer, padding: str | None) -> list[str]:
    """Tokens added, lost or moved. An added token for padding alone is read by no model."""
    before, now = own.get_vocab(with_added_tokens=True), theirs.get_vocab(with_added_tokens=True)
    added, lost = sorted(now.keys() - before.keys() - {padding}), sorted(before.keys() - now.keys())
    moved = sorted(token for token in now.keys() & before.keys() if now[token] != before[token])
    told = [("added", added), ("lost", lost), ("with another id", moved)]
    return [
        f"{len(tokens)} tokens {what}, such as {', '.join(map(repr, tokens[:_SHOWN]))}"
        for what, tokens in told
        if tokens
    ]


def _encoding_faults(own: Tokenizer, theirs: Tokenizer) -> list[str]:
    """Same vocabulary, other rules: merges, normalisation, or special tokens that are put around a text."""
    for text in PROBE_TEXTS:
        before, now = own.encode(text).tokens, theirs.encode(text).tokens
        if before != now:
            at = next(
                (i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now))
            )
            return [
                f"{text!r} becomes {now[at : at + _SHOWN]} where the base has {before[at : at + _SHOWN]} (token {at})"
            ]
    return []


def _changed_specials(adapter: Path, base: Path) -> dict[str, tuple[str, str]]:
    """Special token -> (the base's, the adapter's) where both name one and they differ."""
    pairs = {special: (_named(base, special), _named(adapter, special)) for special in _SPECIALS}
    return {special: (own, theirs) for special, (own, theirs) in pairs.items() if own and theirs and own != theirs}


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
    headers, names = read_tensor_headers(adapter / WEIGHTS), canonical_names(adapter / WEIGHTS)
    return {
        name: headers[name].shape[0]
        for name, canonical in names.items()
        if EMBEDDINGS.search(canonical) and canonical.endswith(".weight") and ".lora_" not in canonical
    }
