"""How far the candidate's predictions are from the base's along a text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.engines.requests import Divergence

if TYPE_CHECKING:
    from harness.engines.work import TokenPair
    from harness.models.loading import LoadedModel

# Two full sets of logits are alive at once.
WINDOW_TOKENS = 512


def divergence(loaded: LoadedModel, windows: Sequence[TokenPair], *, adapter: bool) -> Divergence:
    """KL(base || model), summed over all positions that predict a token of the text.

    Args:
        windows: (context, continuation) token ids that cover the text.
        adapter: whether the model is the candidate; that of the base is 0.
    """
    import torch

    started = time.perf_counter()
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for context, tail in windows:
            ids = torch.tensor([[*context, *tail][:-1]], device=loaded.device)
            log_probs = []
            for on in (False, adapter):
                with loaded.adapter(on=on) as model:
                    logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(tail)).logits[0]
                log_probs.append(torch.log_softmax(logits.float(), dim=-1))
            base, candidate = log_probs
            total += float((base.exp() * (base - candidate)).sum())
            tokens += len(tail)
    return Divergence(total, tokens, time.perf_counter() - started)
