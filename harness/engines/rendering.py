"""From prompts to token ids: the chat template applied once, special tokens once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.requests import Message, Prompt, ScoreRequest
from harness.errors import AssayError, EngineError, ModelError, first_line
from harness.models.chat_templates import render_turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The tokenizer's threads share a batch; it also keeps offsets and masks of all of it until the batch is done.
_ENCODED_AT_ONCE = 256

REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")
"""What data and templates call an assistant's reasoning."""


def render_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """The text the model sees.

    Raises:
        ModelError: the prompt is a conversation that the tokenizer's chat template cannot render (`render_chat`).
    """
    if prompt.text is not None:
        return prompt.text
    return render_chat(tokenizer, prompt.messages, prompt.tools)


def render_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    tools: str | None = None,
    *,
    open_ended: bool = True,
) -> str:
    """A conversation by the tokenizer's chat template: all of it, or nothing.

    Args:
        tools: as in `Prompt`.
        open_ended: ends in the opening of an answer, as at inference.

    Raises:
        ModelError: there is no template, it refuses the turns, or it renders no tools where some are given.
    """
    if not tokenizer.chat_template:
        raise ModelError(
            "the task asks in conversations, and this model's tokenizer has no chat template",
            "use an instruction-tuned base, or add chat_template.jinja to the model directory",
        )
    import jinja2

    schemas = None if tools is None else json.loads(tools)
    template = str(tokenizer.get_chat_template(tools=schemas))
    turns = [_turn(message, template) for message in messages]

    def render(offered: list[dict[str, Any]] | None) -> str:
        return render_turns(tokenizer, turns, tools=offered, open_ended=open_ended)

    try:
        text = render(schemas)
        ignored = schemas is not None and text == render(None)
    except AssayError:
        raise
    except Exception as exc:  # a template is a program of someone else's: it may raise anything
        faults = jinja2.TemplateSyntaxError | jinja2.exceptions.SecurityError
        if isinstance(exc, jinja2.TemplateError) and not isinstance(exc, faults):
            roles = ", ".join(m.role for m in messages)
            raise ModelError(
                f"the chat template refuses roles ({roles}): {exc}", "change the system prompt or the turns"
            ) from exc
        problem = f"the chat template cannot be used: {type(exc).__name__}: {first_line(exc)}"
        raise ModelError(problem, "correct it, or name another one: --template=FILE") from exc
    if ignored:
        raise ModelError(
            "field 'tools' would be lost: the base's chat template renders no tools",
            "write the tools into the system turn, as they are served, and remove the field",
        )
    return text


def _turn(message: Message, template: str) -> dict[str, str]:
    """A turn as this template reads it."""
    known = message.role != "developer" or "developer" in template
    turn = {"role": message.role if known else "system", "content": message.content}
    if message.reasoning:
        key = next((key for key in REASONING_KEYS if re.search(rf"\b{key}\b", template)), REASONING_KEYS[0])
        turn[key] = message.reasoning
    return turn


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Token ids of a prompt. A rendered template brings its own special tokens, so none are added to it."""
    text = render_text(tokenizer, prompt)
    add_special = prompt.text is not None and not _starts_with_bos(tokenizer, text)
    ids: list[int] = tokenizer(text, add_special_tokens=add_special)["input_ids"]
    if not ids:
        raise EngineError("a prompt has no tokens", "give every item a prompt that is not empty")
    return ids


def score_tokens(
    tokenizer: PreTrainedTokenizerBase, requests: Sequence[ScoreRequest]
) -> list[tuple[list[int], list[int]]]:
    """Token ids of each context and continuation, as lm-evaluation-harness divides them (`TemplateLM._encode_pair`).

    The context is encoded alone; the continuation is what the joint encoding has beyond as many tokens, also
    where the two encodings differ at the seam. Trailing spaces of a raw-text context belong to the
    continuation: " Paris" is one token, " " + "Paris" is not.

    Raises:
        EngineError: a continuation adds no token.
    """
    divided = [_divide(tokenizer, request) for request in requests]
    contexts = _encode_distinct(tokenizer, [(text, special) for text, _, special in divided])
    wholes = _encode_distinct(tokenizer, [(text + tail, special and bool(text)) for text, tail, special in divided])
    first = [prefix_token(tokenizer)]
    pairs = []
    for request, (text, _, _), context, whole in zip(requests, divided, contexts, wholes, strict=True):
        if text:
            tail = whole[len(context) :]
        else:
            context, tail = first, whole[1:] if whole[:1] == first else whole
        if not tail:
            raise EngineError(
                f"continuation {request.continuation!r} adds no token to its context",
                "score continuations that are not empty",
            )
        pairs.append((context, tail))
    return pairs


def _divide(tokenizer: PreTrainedTokenizerBase, request: ScoreRequest) -> tuple[str, str, bool]:
    """Context, continuation, and whether special tokens are added to them."""
    text = render_text(tokenizer, request.prompt)
    if request.prompt.text is None:
        return text, request.continuation, False
    kept = text.rstrip()
    return kept, text[len(kept) :] + request.continuation, not _starts_with_bos(tokenizer, text)


def _encode_distinct(tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
    """Token ids of (text, whether to add special tokens); equal ones are encoded once and share a list."""
    found: dict[tuple[str, bool], list[int]] = {}
    for special in (False, True):
        distinct = list(dict.fromkeys(text for text, wanted in texts if wanted == special))
        for start in range(0, len(distinct), _ENCODED_AT_ONCE):
            part = distinct[start : start + _ENCODED_AT_ONCE]
            encoded = tokenizer(part, add_special_tokens=special)["input_ids"]
            found.update({(text, special): ids for text, ids in zip(part, encoded, strict=True)})
    return [found[text] for text in texts]


def rolling_windows(
    tokenizer: PreTrainedTokenizerBase, text: str, context_length: int
) -> list[tuple[list[int], list[int]]]:
    """A text cut into (context, continuation) pairs that score each of its tokens once.

    The first token follows the tokenizer's BOS (or EOS); each later window is filled up with the tokens before
    it, as in lm-evaluation-harness (`get_rolling_token_windows` with context_len=1, then `make_disjoint_window`).

    Raises:
        EngineError: the text is empty.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=not _starts_with_bos(tokenizer, text))["input_ids"]
    if not ids:
        raise EngineError("an empty text has no likelihood", "give every item a text")
    return windows_of(ids, prefix_token(tokenizer), context_length)


def windows_of(ids: list[int], first: int, context_length: int) -> list[tuple[list[int], list[int]]]:
    """The tokens of a text as such pairs.

    Args:
        first: the token that the text follows.
    """
    windows = [([first], ids[:context_length])]
    for done in range(context_length, len(ids), context_length):
        stop = min(done + context_length, len(ids))
        windows.append((ids[stop - context_length - 1 : done], ids[done:stop]))
    return windows


def prefix_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """What stands before the first token of a text: BOS, or EOS where the tokenizer has none."""
    found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return int(found)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    return bool(tokenizer.bos_token) and text.startswith(str(tokenizer.bos_token))
