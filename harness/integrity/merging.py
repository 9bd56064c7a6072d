"""Checks that the adapter acts the same once merged: here in memory, and in a merged copy that was saved."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AssayError
from harness.gates import Check
from harness.integrity.observed import Observed
from harness.integrity.probe import mean_kl, probe_log_probs

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel, LoadOptions

_SHARE = 0.1


def merges_cleanly(
    loaded: LoadedModel, *, most_kl: float, most_share: float = _SHARE, observed: Observed | None = None
) -> Check:
    """Merged into the base weights, in the precision in use, the adapter acts as it does unmerged.

    The base weights are put back bit for bit afterwards.

    Args:
        most_kl: largest mean KL(unmerged || merged) on the probe texts, nats a token.
        most_share: largest share of it in KL(unmerged || base), which is what the adapter does at all: a merge at twice
            the strength of a mild adapter is a small distance too.
        observed: what base and candidate said, if they were asked already.
    """
    seen = observed or Observed(loaded)
    base, unmerged = seen.base, seen.candidate
    with _merged(loaded.model):
        overflown = _nonfinite_weights(loaded.model)
        merged = probe_log_probs(loaded, loaded.model)
    if overflown:
        return Check(
            "merge",
            holds=False,
            reason=f"merged, {len(overflown)} weights hold NaN or infinities, first {overflown[0]}",
            remedy="the change does not fit the precision it is served in: serve in bfloat16, or unmerged",
            details={"weights": overflown},
        )
    return _judged("merge", "merged", base, unmerged, merged, most_kl=most_kl, most_share=most_share)


def merged_copy_is_the_candidate(
    loaded: LoadedModel,
    directory: Path,
    options: LoadOptions,
    *,
    most_kl: float,
    most_share: float = _SHARE,
    observed: Observed | None = None,
) -> Check:
    """A merged model that was saved to be served acts as the adapter on its base.

    Args:
        directory: of the merged model.
        options: how to load it.
        most_kl: as for `merges_cleanly`.
        most_share: as for `merges_cleanly`.
        observed: as for `merges_cleanly`.
    """
    from harness.models.loading import load_model

    try:
        served = load_model(directory, options)
    except AssayError as exc:
        return Check("merged_copy", holds=False, reason=f"{directory}: {exc.problem}", remedy=exc.remedy)
    seen = observed or Observed(loaded)
    base, unmerged = seen.base, seen.candidate
    if served.tokenizer.get_vocab() != loaded.tokenizer.get_vocab():
        return Check(
            "merged_copy",
            holds=False,
            reason=f"the tokenizer in {directory} has another vocabulary ({len(served.tokenizer)} tokens) than the base's "
            f"({len(loaded.tokenizer)})",
            remedy="save the base's tokenizer with the merged model",
        )
    merged = probe_log_probs(served, served.model)
    if merged.shape != unmerged.shape:
        return Check(
            "merged_copy",
            holds=False,
            reason=f"{directory} predicts {merged.shape[-1]} tokens, adapter and base {unmerged.shape[-1]}",
            remedy="merge this adapter into this base again",
        )
    return _judged("merged_copy", str(directory), base, unmerged, merged, most_kl=most_kl, most_share=most_share)


def _judged(
    name: str,
    what: str,
    base: torch.Tensor,
    unmerged: torch.Tensor,
    merged: torch.Tensor,
    *,
    most_kl: float,
    most_share: float,
) -> Check:
    kl, effect = mean_kl(unmerged, merged), mean_kl(unmerged, base)
    share = kl / effect if effect > 0 else float("inf") if kl else 0.0
    details = {
        "kl_nats_per_token": kl,
        "limit": most_kl,
        "share_of_effect": share,
        "share_limit": most_share,
        "effect_nats_per_token": effect,
        "positions": len(merged),
    }
    seen = f"mean KL {kl:.2g} nats a token, {share:.1%} of what the adapter changes"
    if not (kl <= most_kl and share <= most_share):
        return Check(
            name,
            holds=False,
            reason=f"{what}, the adapter acts differently ({seen}; allowed are {most_kl:.2g} and {most_share:.0%})",
            remedy="serve it unmerged, or merge in a higher precision onto the base it was trained on",
            details=details,
        )
    return Check(name, holds=True, reason=f"{what} equals unmerged ({seen})", details=details)


def _nonfinite_weights(model: Any) -> list[str]:
    return [
        name
        for name, parameter in model.named_parameters()
        if ".base_layer." in name and parameter.is_floating_point() and not bool(parameter.isfinite().all())
    ]


@contextlib.contextmanager
def _merged(model: Any) -> Iterator[None]:
    """The adapter merged into its base layers, and the exact base weights back on leaving.

    PEFT's own unmerge subtracts what it added, which does not restore bfloat16 weights.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    quantized = [(m, m.base_layer) for m in layers if any(not p.is_floating_point() for p in m.base_layer.parameters())]
    dense = [p for m in layers for p in m.base_layer.parameters() if p.is_floating_point()]
    kept = [p.detach().clone() for p in dense]
    for layer, weights in quantized:
        layer.base_layer = copy.deepcopy(weights)  # a merge quantises anew and replaces scales and all
    try:
        model.merge_adapter()
        yield
    finally:
        try:
            model.unmerge_adapter()
        finally:
            for parameter, value in zip(dense, kept, strict=True):
                parameter.data.copy_(value)
            for layer, weights in quantized:
                layer.base_layer = weights
