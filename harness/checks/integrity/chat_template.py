"""Checks that conversations are put as the base's are, and end where they should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.gates import Check
from harness.models.adapters.files import read_json
from harness.models.chat_templates import read_chat_templates, template_for

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ASKED = {"role": "user", "content": "Which train goes to the coast?"}
_ANSWERED = {"role": "assistant", "content": "The one at half past nine."}
_TOOL = {
    "type": "function",
    "function": {
        "name": "find_trains",
        "description": "Trains to a place, by the hour.",
        "parameters": {
            "type": "object",
            "properties": {"to": {"type": "string", "description": "where to"}},
            "required": ["to"],
        },
    },
}
# nine letters and digits: Mistral's templates refuse other ids
_CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "find_trains", "arguments": {"to": "coast"}}}
    ],
}
_RESULT = {"role": "tool", "tool_call_id": "call00001", "name": "find_trains", "content": '{"departs": "09:30"}'}


@dataclass(frozen=True)
class _Conversation:
    """One probe; `open_ended` asks for the opening of an answer, as at inference."""

    what: str
    messages: Sequence[Mapping[str, Any]]
    open_ended: bool
    tools: Sequence[Mapping[str, Any]] = ()


_CONVERSATIONS = (
    _Conversation("a question", [_ASKED], open_ended=True),
    _Conversation(
        "a system prompt and a finished answer",
        [{"role": "system", "content": "Answer in one sentence."}, _ASKED, _ANSWERED],
        open_ended=False,
    ),
    _Conversation("two turns", [_ASKED, _ANSWERED, {"role": "user", "content": "From where?"}], open_ended=True),
    _Conversation("a question with tools", [_ASKED], open_ended=True, tools=[_TOOL]),
    _Conversation("a tool's call and its result", [_ASKED, _CALL, _RESULT], open_ended=True, tools=[_TOOL]),
    _Conversation("a finished tool call", [_ASKED, _CALL], open_ended=False, tools=[_TOOL]),
)


def chat_template_is_the_bases(adapter: Path, base: Path, tokenizer: PreTrainedTokenizerBase) -> Check:
    """A chat template saved beside the adapter puts conversations as the base's does, with tools and without.

    Templates are compared by what they render: a marker for training or another spelling is no difference, nor is a
    conversation that both refuse. Of several templates transformers takes `tool_use` for tools, else `default`.

    Args:
        tokenizer: the base's; templates use its special tokens.
    """
    try:
        theirs, own = read_chat_templates(adapter), read_chat_templates(base)
    except AdapterError as exc:
        return Check("chat_template", holds=False, reason=exc.problem, remedy=exc.remedy)
    if not theirs or theirs == own:
        which = "it is the base's" if theirs else "none lies beside the adapter"
        return Check("chat_template", holds=True, reason=f"no other chat template: {which}")
    differences = {}
    for conversation in _CONVERSATIONS:
        (before, refused), (now, refused_too) = (_render(tokenizer, each, conversation) for each in (own, theirs))
        if before != now and not (refused and refused_too):
            differences[conversation.what] = [before, now]
    if not differences:
        return Check("chat_template", holds=True, reason="its chat template renders as the base's does")
    what, (before, now) = next(iter(differences.items()))
    return Check(
        "chat_template",
        holds=False,
        reason=f"its chat template differs from the base's on {what}: {now!r} in place of {before!r}",
        remedy="evaluate and serve with the template of training: put it with the base, or train with the base's",
        details={"differences": differences},
    )


def _render(
    tokenizer: PreTrainedTokenizerBase, templates: Mapping[str, str], conversation: _Conversation
) -> tuple[str, bool]:
    """What a template makes of a conversation, and whether it refuses it: it may well refuse a system prompt, or tools."""
    template = template_for(templates, tools=bool(conversation.tools))
    if template is None:
        return "(no chat template)", False
    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in conversation.messages],
            chat_template=template,
            tools=list(conversation.tools) or None,
            add_generation_prompt=conversation.open_ended,
            tokenize=False,
        )
    except Exception as exc:  # a template is a program of someone else's: it may raise anything
        return f"(refused: {first_line(exc)})", True
    return str(text), False


def special_tokens_agree(base: Path, tokenizer: PreTrainedTokenizerBase) -> Check:
    """A conversation starts with one BOS at most, and an answer's turn ends in a token that stops generation.

    A turn that ends in any other token teaches no end: answers run on to their limit. Where pad equals EOS, training
    that masks padding masks the end too; `stops_with_eos` shows whether it did.

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
