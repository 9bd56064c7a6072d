"""Log-likelihoods of one left-padded batch, for models that prefix sharing does not fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.padding import pad_left
from harness.engines.requests import Score
from harness.engines.work import TokenPair

if TYPE_CHECKING:
    import torch


def score_batch(
    model: Any, pairs: Sequence[TokenPair], *, pad_id: int, device: torch.device
) -> Iterator[tuple[int, Score]]:
    """Score each continuation after its context, yielding (index in the batch, score).

    The vocabulary-sized logits are asked for only where a continuation stands: rows are padded on
    the left, so all continuations end in the last column.
    """
    import torch

    started = time.perf_counter()
    # The last token predicts nothing that is asked for, so it is not fed.
    batch = pad_left([[*context, *tail][:-1] for context, tail in pairs], pad_id=pad_id, device=device)
    kept = max(len(tail) for _, tail in pairs)
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
        logits_to_keep=kept,
    ).logits
    for row, (context, tail) in enumerate(pairs):
        log_probs = torch.log_softmax(logits[row, -len(tail) :].float(), dim=-1)
        targets = torch.tensor(tail, device=device)
        total = log_probs.gather(1, targets[:, None]).sum().item()
        greedy = bool((log_probs.argmax(dim=-1) == targets).all())
        yield row, Score(total, greedy, len(context), len(tail), time.perf_counter() - started)
