"""The check of the tokens that begin and end a turn, and those that stop an answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.gates import Check
from harness.models.adapter_files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def special_tokens_agree(base: Path, tokenizer: PreTrainedTokenizerBase) -> Check:
    """A conversation starts with one BOS at most, and an answer's turn ends in a token that stops generation.

    A turn that ends in any other token teaches no end: answers run on to their limit. Where pad equals EOS, training
    that masks padding masks the end too; `stops_with_eos` tells whether it did.

    Args:
        tokenizer: the base's, which is what is trained, measured and served with.
    """
    from harness.engines.rendering import prompt_tokens
    from harness.engines.requests import Message, Prompt

    stops = stop_tokens(base, tokenizer)
    details: dict[str, Any] = {
        "stops_at": tokenizer.convert_ids_to_tokens(sorted(stops)),
        "bos": tokenizer.bos_token,
        "pad_is_eos": tokenizer.pad_token_id == tokenizer.eos_token_id,
    }
    if not stops:
        return _tokens_fault("the base has no EOS token", "give it one in generation_config.json", details)
    if not tokenizer.chat_template:
        return Check("special_tokens", holds=True, reason="the base has no chat template to check", details=details)
    asked = "Which train goes to the coast?"
    ids = prompt_tokens(tokenizer, Prompt(messages=(Message("user", asked),)))
    if tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
        return _tokens_fault(
            f"a conversation starts with {tokenizer.bos_token!r} twice: the template writes it, and so does the tokenizer",
            "take it out of the chat template, or set add_bos_token to false in tokenizer_config.json",
            details,
        )
    turn = [{"role": "user", "content": asked}, {"role": "assistant", "content": "At nine."}]
    text = str(tokenizer.apply_chat_template(turn, tokenize=False))
    rest = tokenizer(text.rpartition("At nine.")[2], add_special_tokens=False)["input_ids"]
    details["answer_ends_with"] = tokenizer.convert_ids_to_tokens(rest)
    if not stops & set(rest):
        return _tokens_fault(
            f"an answer's turn ends in {details['answer_ends_with']}, and generation stops at {details['stops_at']}: "
            "answers learn no end",
            "set eos_token_id in the base's generation_config.json to the token its chat template ends turns with",
            details,
        )
    pad = "; pad equals EOS" if details["pad_is_eos"] else ""
    return Check(
        "special_tokens",
        holds=True,
        reason=f"an answer's turn ends in {', '.join(details['stops_at'])}{pad}",
        details=details,
    )


def stop_tokens(base: Path, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids that end a generation: the tokenizer's EOS and those of generation_config.json."""
    file = base / "generation_config.json"
    configured = read_json(file).get("eos_token_id") if file.is_file() else None
    ids = configured if isinstance(configured, list) else [configured]
    return {int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None}


def _tokens_fault(reason: str, remedy: str, details: Mapping[str, Any]) -> Check:
    return Check("special_tokens", holds=False, reason=reason, remedy=remedy, details=details)
