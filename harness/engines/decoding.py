"""Generation of one batch: prefill once, then a token a step; finished rows leave the batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.engines.padding import pad_left
from harness.engines.requests import GenerateRequest, Generation, StopReason

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass
class _Row:
    """The state of one answer in progress."""

    index: int
    request: GenerateRequest
    prompt_length: int
    room: int
    generator: torch.Generator | None
    tokens: list[int] = field(default_factory=list)


def decode_batch(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[GenerateRequest],
    prompts: Sequence[Sequence[int]],
    *,
    eos_ids: frozenset[int],
    context_length: int,
    device: torch.device,
) -> Iterator[tuple[int, Generation]]:
    """Answer the requests, yielding (index in the batch, answer) as each finishes.

    Args:
        prompts: token ids, one row a request.
        eos_ids: tokens that end an answer; they are no part of its text.
        context_length: an answer is capped where prompt and answer reach it.
    """
    import torch

    started = time.perf_counter()
    rows = [
        _Row(i, r, len(p), min(r.max_new_tokens, context_length - len(p)), _generator(r, device))
        for i, (r, p) in enumerate(zip(requests, prompts, strict=True))
    ]
    batch = pad_left(prompts, pad_id=tokenizer.pad_token_id, device=device)
    mask, positions = batch.attention_mask, batch.position_ids
    output = model(
        input_ids=batch.input_ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1
    )
    while True:
        chosen = _choose(output.logits[:, -1], rows)
        staying: list[int] = []
        for place, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
            row.tokens.append(token)
            answer = _finished(row, tokenizer, eos_ids, started)
            if answer is None:
                staying.append(place)
            else:
                yield row.index, answer
        if not staying:
            return
        cache = output.past_key_values
        if len(staying) < len(rows):
            keep = torch.tensor(staying, device=device)
            cache.batch_select_indices(keep)
            rows = [rows[place] for place in staying]
            mask, positions, chosen = mask[keep], positions[keep], chosen[keep]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        positions = positions[:, -1:] + 1
        output = model(
            input_ids=chosen[:, None], attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )


def _generator(request: GenerateRequest, device: torch.device) -> torch.Generator | None:
    import torch

    return torch.Generator(device).manual_seed(request.seed) if request.temperature > 0 else None


def _choose(logits: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
    """The next token of every row: the most likely one, or a draw for rows that sample."""
    chosen = logits.argmax(dim=-1)
    for place, row in enumerate(rows):
        if row.generator is not None:
            chosen[place] = _sample(logits[place], row)
    return chosen


def _sample(logits: torch.Tensor, row: _Row) -> torch.Tensor:
    """One draw at the request's temperature from its nucleus (Holtzman et al. 2020, arXiv 1904.09751)."""
    import torch

    probabilities = torch.softmax(logits.float() / row.request.temperature, dim=-1)
    ordered, order = probabilities.sort(descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= row.request.top_p
    draw = torch.multinomial(ordered.masked_fill(outside, 0.0), 1, generator=row.generator)
    return order[draw[0]]


def _finished(
    row: _Row, tokenizer: PreTrainedTokenizerBase, eos_ids: frozenset[int], started: float
) -> Generation | None:
    """The row's answer once it has ended, by EOS, by a stop text, or by its cap."""
    reason: StopReason | None = None
    tokens = row.tokens
    if tokens[-1] in eos_ids:
        reason, tokens = "eos", tokens[:-1]
    text = None
    if row.request.stop:
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        cut = min((at for at in (text.find(stop) for stop in row.request.stop) if at >= 0), default=-1)
        if cut >= 0:
            reason, text = "stop", text[:cut]
    if reason is None and len(row.tokens) >= row.room:
        reason = "length"
    if reason is None:
        return None
    if text is None:
        text = tokenizer.decode(tokens, skip_special_tokens=True)
    return Generation(text, reason, row.prompt_length, len(row.tokens), time.perf_counter() - started)
