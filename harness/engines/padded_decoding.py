"""Generation of one left-padded batch, for models that prefix sharing does not fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import choose_tokens, finished_answer, new_row
from harness.engines.padding import pad_left
from harness.engines.requests import GenerateRequest, Generation

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


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
        new_row(i, r, len(p), context_length=context_length, device=device)
        for i, (r, p) in enumerate(zip(requests, prompts, strict=True))
    ]
    batch = pad_left(prompts, pad_id=tokenizer.pad_token_id, device=device)
    mask, positions = batch.attention_mask, batch.position_ids
    output = model(
        input_ids=batch.input_ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1
    )
    while True:
        chosen = choose_tokens(output.logits[:, -1], rows)
        staying: list[int] = []
        for place, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
            row.tokens.append(token)
            answer = finished_answer(row, tokenizer, eos_ids, started)
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
            input_ids=chosen[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
