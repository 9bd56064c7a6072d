"""Checks that conversations are put as the base's are, and end where they should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, ModelError, first_line
from harness.gates import Check
from harness.models.adapters.files import read_json
from harness.models.chat_templates import read_chat_templates, render_turns, template_for

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ASKED = {"role": "user", "content": "Which train goes to the coast?"}
_ANSWERED = {"role": "assistant", "content": "The one at half past nine."}
TOOL: Mapping[str, Any] = {
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
    _Conversation("a question with tools", [_ASKED], open_ended=True, tools=[TOOL]),
    _Conversation("a tool's call and its result", [_ASKED, _CALL, _RESULT], open_ended=True, tools=[TOOL]),
    _Conversation("a finished tool call", [_ASKED, _CALL], open_ended=False, tools=[TOOL]),
)


def chat_template_is_the_bases(
    adapter: Path, base: Path, tokenizer: PreTrainedTokenizerBase, chosen: str | None = None
) -> Check:
    """A chat template saved beside the adapter puts conversations as the base's does, with tools and without.

    Templates are compared by what they render: a marker for training or another spelling is no difference, nor is a
    conversation that both refuse. Of several templates transformers takes `tool_use` for tools, else `default`.

    Args:
        tokenizer: the base's; templates use its special tokens.
        chosen: which template was chosen to measure under; None where nobody chose, and then a difference fails.
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
        try:
            (before, refused), (now, refused_too) = (_render(tokenizer, each, conversation) for each in (own, theirs))
        except ModelError as exc:
            return Check("chat_template", holds=False, reason=exc.problem, remedy=exc.remedy)
        if before != now and not (refused and refused_too):
            differences[conversation.what] = [before, now]
    if not differences:
        return Check("chat_template", holds=True, reason="its chat template renders as the base's does")
    what, (before, now) = next(iter(differences.items()))
    measured = "" if chosen is None else f"; measured under the one that was chosen: {chosen}"
    return Check(
        "chat_template",
        holds=chosen is not None,
        reason=f"its chat template differs from the base's on {what}: {now!r} in place of {before!r}{measured}",
        remedy="choose the one that it will be served with: --template=adapter measures it as it was trained, "
        "--template=base as the base is served (`template:` in assay.yaml)",
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
        text = render_turns(
            tokenizer,
            conversation.messages,
            template=template,
            tools=conversation.tools or None,
            open_ended=conversation.open_ended,
        )
    except ModelError:
        raise
    except Exception as exc:  # a template is a program of someone else's: it may raise anything
        return f"(refused: {first_line(exc)})", True
    return text, False


@dataclass(frozen=True)
class Stops:
    """Who stops generation at which ids.

    Attributes:
        generation: `model.generate`, and servers that read the same files: by generation_config.json, or without it by
            config.json.
        tokenizer: what goes by the tokenizer's EOS.
        source: the file that `generation` is of.
    """

    generation: frozenset[int]
    tokenizer: frozenset[int]
    source: str

    @property
    def all(self) -> frozenset[int]:
        """What ends an answer here: either."""
        return self.generation | self.tokenizer


def special_tokens_agree(base: Path, tokenizer: PreTrainedTokenizerBase) -> Check:
    """A conversation starts with one BOS at most, and an answer's turn ends in a token that stops generation everywhere.

    A turn that ends in any other token teaches no end: answers run on to their limit. So they do where the token is the
    tokenizer's EOS and `model.generate`, which goes by generation_config.json, does not know it. Where the latter knows
    it and the tokenizer has another EOS, as many families have it, the check holds and says so. Where pad equals EOS,
    training that masks padding masks the end too; `stops_with_eos` shows whether it did.

    Args:
        tokenizer: the base's, which is what is trained, measured and served with.
    """
    from harness.engines.rendering import prompt_tokens
    from harness.engines.requests import Message, Prompt

    stops = stop_tokens(base, tokenizer)

    def named(ids: Sequence[int]) -> list[str]:
        # of an id beyond the vocabulary, the id
        return [str(token or one) for one, token in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)]

    details: dict[str, Any] = {
        "stops_at": named(sorted(stops.all)),
        "generation_stops_at": named(sorted(stops.generation)),
        "generation_stops_by": stops.source,
        "bos": tokenizer.bos_token,
        "eos": tokenizer.eos_token,
        "pad_is_eos": tokenizer.pad_token_id == tokenizer.eos_token_id,
    }
    if not stops.all:
        return _tokens_fault("the base has no EOS token", "give it one in generation_config.json", details)
    if not tokenizer.chat_template:
        return _ends_where_generation_stops(tokenizer.eos_token_id, "a text", stops, tokenizer, details)
    asked = "Which train goes to the coast?"
    ids = prompt_tokens(tokenizer, Prompt(messages=(Message("user", asked),)))
    if tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
        return _tokens_fault(
            f"a conversation starts with {tokenizer.bos_token!r} twice: the template writes it, and so does the tokenizer",
            "take it out of the chat template, or set add_bos_token to false in tokenizer_config.json",
            details,
        )
    turn = [{"role": "user", "content": asked}, {"role": "assistant", "content": "At nine."}]
    text = render_turns(tokenizer, turn)
    rest = tokenizer(text.rpartition("At nine.")[2], add_special_tokens=False)["input_ids"]
    details["answer_ends_with"] = named(rest)
    end = next((token for token in rest if token in stops.all), None)
    if end is None:
        return _tokens_fault(
            f"an answer's turn ends in {details['answer_ends_with']}, and generation stops at {details['stops_at']}: "
            "answers learn no end",
            "set eos_token_id in the base's generation_config.json to the token its chat template ends turns with",
            details,
        )
    return _ends_where_generation_stops(end, "an answer's turn", stops, tokenizer, details)


def _ends_where_generation_stops(
    end: int | None, what: str, stops: Stops, tokenizer: PreTrainedTokenizerBase, details: Mapping[str, Any]
) -> Check:
    """Whether all that generate know the token that ends a turn, or a text."""
    token = None if end is None else tokenizer.convert_ids_to_tokens(end)
    at = ", ".join(details["generation_stops_at"])
    if end is not None and end not in stops.generation:
        return _tokens_fault(
            f"{what} ends in {token}, the tokenizer's EOS; model.generate stops "
            f"{f'at {at} alone' if at else 'nowhere'}, by {stops.source}: there, answers run on",
            f"add {end} ({token}) to eos_token_id in the base's generation_config.json",
            details,
        )
    notes = "; pad equals EOS" if details["pad_is_eos"] else ""
    if end not in stops.tokenizer:
        own = f"the tokenizer's EOS is {tokenizer.eos_token}" if tokenizer.eos_token else "the tokenizer has no EOS"
        notes += f"; {own}: what stops at that alone runs on"
    ends = f"{what} ends in {token}, and " if token else ""
    return Check("special_tokens", holds=True, reason=f"{ends}generation stops at {at}{notes}", details=details)


_LARGEST_ID = 2**31 - 1


def stop_tokens(base: Path, tokenizer: PreTrainedTokenizerBase) -> Stops:
    """Ids that end a generation, by who goes by them."""
    source = "generation_config.json" if (base / "generation_config.json").is_file() else "config.json"
    file = base / source
    config = read_json(file) if file.is_file() else {}
    text = config.get("text_config")
    configured = config.get("eos_token_id", text.get("eos_token_id") if isinstance(text, Mapping) else None)
    ids = [one for one in (configured if isinstance(configured, list) else [configured]) if one is not None]
    if not all(type(one) is int and 0 <= one <= _LARGEST_ID for one in ids):
        raise ModelError(f"{file} gives eos_token_id {configured!r}", "give ids of tokens, as in the base")
    own = tokenizer.eos_token_id
    return Stops(
        generation=frozenset(ids),
        tokenizer=frozenset() if own is None else frozenset([int(own)]),
        source=source,
    )


def _tokens_fault(reason: str, remedy: str, details: Mapping[str, Any]) -> Check:
    return Check("special_tokens", holds=False, reason=reason, remedy=remedy, details=details)
