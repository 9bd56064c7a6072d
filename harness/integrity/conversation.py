"""Checks of what conversations are made of: the chat template, and the tokens that begin and end a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import first_line
from harness.gates import Check
from harness.models.adapter_files import read_json
from harness.models.identity import read_chat_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONVERSATIONS: Sequence[tuple[str, list[dict[str, str]], bool]] = (
    ("a question", [{"role": "user", "content": "Which train goes to the coast?"}], True),
    (
        "a system prompt and a finished answer",
        [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Which train goes to the coast?"},
            {"role": "assistant", "content": "The one at half past nine."},
        ],
        False,
    ),
    (
        "two turns",
        [
            {"role": "user", "content": "Which train goes to the coast?"},
            {"role": "assistant", "content": "The one at half past nine."},
            {"role": "user", "content": "From where?"},
        ],
        True,
    ),
)


def chat_template_is_the_bases(adapter: Path, base: Path, tokenizer: PreTrainedTokenizerBase) -> Check:
    """A chat template saved beside the adapter puts conversations as the base's does.

    Templates are compared by what they render: a marker for training or another spelling is no difference.

    Args:
        tokenizer: the base's; templates use its special tokens.
    """
    theirs, own = read_chat_template(adapter), read_chat_template(base)
    if theirs is None or theirs == own:
        told = "none lies beside the adapter" if theirs is None else "it is the base's"
        return Check("chat_template", holds=True, reason=f"no other chat template: {told}")
    differences = _rendered_differences(tokenizer, theirs, own)
    if differences:
        what, (before, now) = next(iter(differences.items()))
        return Check(
            "chat_template",
            holds=False,
            reason=f"its chat template differs from the base's on {what}: {now!r} in place of {before!r}",
            remedy="evaluate and serve with the template of training: put it with the base, or train with the base's",
            details={"differences": {name: list(both) for name, both in differences.items()}},
        )
    return Check("chat_template", holds=True, reason="its chat template renders as the base's does")


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


def _rendered_differences(
    tokenizer: PreTrainedTokenizerBase, theirs: str, own: str | None
) -> dict[str, tuple[str, str]]:
    """Conversation -> (by the base's template, by the adapter's), where they differ."""
    found = {}
    for what, messages, open_ended in _CONVERSATIONS:
        both = _render(tokenizer, own, messages, open_ended), _render(tokenizer, theirs, messages, open_ended)
        if both[0] != both[1]:
            found[what] = both
    return found


def _render(
    tokenizer: PreTrainedTokenizerBase, template: str | None, messages: list[dict[str, str]], open_ended: bool
) -> str:
    """What a template makes of a conversation, or that it refuses it: a template may well refuse a system prompt."""
    import jinja2

    if template is None:
        return "(no chat template)"
    try:
        text = tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=open_ended, tokenize=False
        )
    except (jinja2.TemplateError, ValueError) as exc:
        return f"(refused: {first_line(exc)})"
    return str(text)
