"""An answer in progress: how its next token is chosen, and when it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.engines.processing import processors_of
from harness.engines.requests import GenerateRequest, Generation, StopReason
from harness.engines.strategy import context_length, eos_ids

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from harness.models.loading import LoadedModel


@dataclass
class Row:
    """The state of one answer in progress.

    Attributes:
        index: of the request, as the caller numbers them.
        room: tokens the answer may have.
        process: what the rules of serving make of the logits of its next token; None where there are none.
    """

    index: int
    request: GenerateRequest
    prompt_length: int
    room: int
    generator: torch.Generator | None
    tokens: list[int] = field(default_factory=list)
    process: Callable[[Sequence[int], torch.Tensor], torch.Tensor] | None = None


def new_row(index: int, request: GenerateRequest, prompt: Sequence[int], loaded: LoadedModel) -> Row:
    """The empty answer to a request with that prompt, as token ids; capped where the context ends."""
    import torch

    generator = torch.Generator(loaded.device).manual_seed(request.seed) if request.temperature > 0 else None
    room = min(request.max_new_tokens, context_length(loaded) - len(prompt))
    rules = loaded.decoding
    process = processors_of(rules, prompt, room, eos_ids(loaded), loaded.device) if rules else None
    return Row(index, request, len(prompt), room, generator, process=process)


def choose_tokens(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """The next token of every row: the most likely one, or a draw for rows that sample."""
    chosen = logits.argmax(dim=-1)
    for index, row in enumerate(rows):
        own = logits[index] if row.process is None else row.process(row.tokens, logits[index])
        if row.generator is not None:
            chosen[index] = _sample(own, row)
        elif row.process is not None:
            chosen[index] = own.argmax()
    return chosen


def _sample(logits: torch.Tensor, row: Row) -> torch.Tensor:
    """One draw at the request's temperature from its nucleus (Holtzman et al. 2020, arXiv 1904.09751)."""
    import torch

    probabilities = torch.softmax(logits.float() / row.request.temperature, dim=-1)
    ordered, order = probabilities.sort(descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= row.request.top_p
    draw = torch.multinomial(ordered.masked_fill(outside, 0.0), 1, generator=row.generator)
    return order[draw[0]]


def finished_answer(
    row: Row, tokenizer: PreTrainedTokenizerBase, eos_ids: frozenset[int], started: float
) -> Generation | None:
    """The row's answer once it has ended, by EOS, by a stop text, or by its cap.

    A stop text may be spelled by special tokens ("<|im_end|>"), which are no part of the answer's text.
    """
    reason: StopReason | None = None
    tokens = row.tokens
    if tokens[-1] in eos_ids:
        reason, tokens = "eos", tokens[:-1]
    if row.request.stop:
        spelled = tokenizer.decode(tokens, skip_special_tokens=False)
        if any(stop in spelled for stop in row.request.stop):
            reason = "stop"
    if reason is None and len(row.tokens) >= row.room:
        reason = "length"
    if reason is None:
        return None
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    for stop in row.request.stop:
        # In their order, as lm-evaluation-harness cuts: it matters where stop texts overlap.
        text = text.split(stop)[0]
    return Generation(text, reason, row.prompt_length, len(row.tokens), time.perf_counter() - started)
