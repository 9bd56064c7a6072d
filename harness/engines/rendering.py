"""From prompts to token ids: the chat template applied once, special tokens once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.engines.requests import Prompt, ScoreRequest
from harness.errors import EngineError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def render_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """The text the model sees.

    Raises:
        ModelError: the prompt is a conversation and the tokenizer has no chat template, or the
            template refuses it.
    """
    if prompt.text is not None:
        return prompt.text
    if not tokenizer.chat_template:
        raise ModelError(
            "the task asks in conversations, and this model's tokenizer has no chat template",
            "use an instruction-tuned base, or add chat_template.jinja to the model directory",
        )
    import jinja2

    try:
        text = tokenizer.apply_chat_template(prompt.as_messages(), add_generation_prompt=True, tokenize=False)
    except jinja2.TemplateError as exc:
        roles = ", ".join(m.role for m in prompt.messages)
        raise ModelError(
            f"the chat template refuses roles ({roles}): {exc}", "change the task's `system` or turns"
        ) from exc
    return str(text)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Token ids of a prompt. A rendered template brings its own special tokens, so none are added to it."""
    text = render_text(tokenizer, prompt)
    add_special = prompt.text is not None and not _starts_with_bos(tokenizer, text)
    ids: list[int] = tokenizer(text, add_special_tokens=add_special)["input_ids"]
    if not ids:
        raise EngineError("a prompt has no tokens", "give every item a prompt that is not empty")
    return ids


def score_tokens(tokenizer: PreTrainedTokenizerBase, request: ScoreRequest) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation, split where the joint tokenisation splits.

    Trailing spaces of a raw-text context belong to the continuation, as in lm-evaluation-harness
    (`TemplateLM._encode_pair`): " Paris" is one token, " " + "Paris" is not.
    """
    text, continuation = render_text(tokenizer, request.prompt), request.continuation
    if request.prompt.text is not None:
        spaces = len(text) - len(text.rstrip())
        if spaces and spaces < len(text):
            text, continuation = text[:-spaces], text[-spaces:] + continuation
    if not text:
        whole = [prefix_token(tokenizer), *tokenizer(continuation, add_special_tokens=False)["input_ids"]]
        length = 1
    else:
        add_special = request.prompt.text is not None and not _starts_with_bos(tokenizer, text)
        length = len(tokenizer(text, add_special_tokens=add_special)["input_ids"])
        whole = tokenizer(text + continuation, add_special_tokens=add_special)["input_ids"]
    if len(whole) == length:
        raise EngineError(
            f"continuation {request.continuation!r} adds no token to its context",
            "score continuations that are not empty",
        )
    return whole[:length], whole[length:]


def rolling_windows(
    tokenizer: PreTrainedTokenizerBase, text: str, context_length: int
) -> list[tuple[list[int], list[int]]]:
    """A text cut into (context, continuation) pairs that score each of its tokens once.

    The first token follows the tokenizer's BOS (or EOS); each later window has the token before it as
    its context, as in lm-evaluation-harness (`get_rolling_token_windows` with context_len=1).
    """
    ids = [prefix_token(tokenizer), *tokenizer(text, add_special_tokens=False)["input_ids"]]
    if len(ids) == 1:
        raise EngineError("an empty text has no likelihood", "give every item a text")
    step = context_length - 1
    return [(ids[start : start + 1], ids[start + 1 : start + 1 + step]) for start in range(0, len(ids) - 1, step)]


def prefix_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """What stands before the first token of a text: BOS, or EOS where the tokenizer has none."""
    found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return int(found)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    return bool(tokenizer.bos_token) and text.startswith(str(tokenizer.bos_token))
