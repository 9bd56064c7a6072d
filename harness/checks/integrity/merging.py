"""Checks that the adapter acts the same once merged: here in memory, and in a merged copy that was saved."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks.integrity.model import MODEL_CHECKS
from harness.checks.integrity.model_files import ModelFiles
from harness.checks.integrity.probe import Observed, clear_flips, mean_kl, nan_predictions
from harness.errors import AssayError, first_line
from harness.gates import Check
from harness.models.probing import probe_log_probs

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.models.loading import LoadedModel, LoadOptions


class MergeRefusedError(Exception):
    """PEFT has no merge for this adapter on this base; the message is its own."""


@contextlib.contextmanager
def merged_in_place(loaded: LoadedModel) -> Iterator[Sequence[nn.Module]]:
    """The adapter merged into its base layers, and the exact base weights back on leaving.

    A 4-bit base takes the change into dense weights, those which its packed ones stand for. `round_to_nf4` of the
    layers yielded then gives what PEFT's merge into packed weights does: dequantise, add, quantise anew.

    PEFT's own unmerge subtracts what it added, which does not restore bfloat16 weights.

    Yields:
        Of a 4-bit base the layers that were merged into, now dense; else none.

    Raises:
        MergeRefusedError: PEFT does not merge it.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    from harness.models.quantization import dense_copy

    layers = [module for module in loaded.model.modules() if isinstance(module, BaseTunerLayer)]
    packed = [(m, m.base_layer) for m in layers if any(not p.is_floating_point() for p in m.base_layer.parameters())]
    dense = [p for m in layers for p in m.base_layer.parameters() if p.is_floating_point()]
    kept = [p.detach().clone() for p in dense]
    unpacked = [layer for layer, _ in packed] if loaded.quantization == "nf4" else []
    try:
        for layer, base in packed:
            # a merge into 8 bits quantises anew and replaces scales and all
            layer.base_layer = dense_copy(base, loaded.model.dtype) if unpacked else copy.deepcopy(base)
        _merge(loaded.model, unpacked)
        adapted = {id(layer.get_base_layer()) for layer in layers}
        rounded = [layer for layer in loaded.rounded_layers if id(layer) in adapted]
        yield [*rounded, *(layer.get_base_layer() for layer in unpacked)]
    finally:
        for layer in layers:
            layer.merged_adapters.clear()
        for parameter, value in zip(dense, kept, strict=True):
            parameter.data.copy_(value)
        for layer, base in packed:
            layer.base_layer = base


def _merge(model: Any, unpacked: Sequence[Any]) -> None:
    """Merge by PEFT. `unpacked` are layers it made for packed weights, and which have dense ones now."""
    import torch
    from peft.tuners.lora import Linear

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounding, which is what is measured, and of layers that are merged already
        try:
            for layer in unpacked:
                Linear.merge(layer)
            model.merge_adapter()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, NotImplementedError, AttributeError) as exc:
            raise MergeRefusedError(first_line(exc)) from exc


@dataclass(frozen=True)
class MergeLimits:
    """How far a merged model may be from the unmerged candidate.

    Attributes:
        share: largest share of KL(unmerged || merged) in KL(unmerged || base), which is what the adapter does at all.
        flips: largest share of positions whose next token is another one, though unmerged prefers its own at odds of 2 to 1
            or more: rounding breaks ties, and no more.
        kl: largest mean KL(unmerged || merged), nats a token, for who wants an absolute limit; it says little by itself,
            for it grows with what the adapter does.
    """

    share: float = 0.25
    flips: float = 0.05
    kl: float | None = None


class MergeWarning(UserWarning):
    """Merged, the adapter would act differently; nobody said whether it is going to be merged."""


def merges_cleanly(
    loaded: LoadedModel,
    *,
    most_kl: float | None = None,
    most_share: float = MergeLimits.share,
    most_flips: float = MergeLimits.flips,
    served_merged: bool | None = None,
    observed: Observed | None = None,
) -> Check:
    """Merged into the base weights, in the precision in use, the adapter acts as it does unmerged.

    Only of an adapter that is going to be served merged is that a reason against its release: of any other the check
    holds, and its reason says what a merge would lose.

    Of a 4-bit base there are two merged models. Merged into the dense weights that the packed ones stand for, and left
    in that precision, the adapter loses rounding alone. Quantised anew, as a merge into packed weights does, changes
    smaller than a step of the 4-bit grid are lost: nearly all of a healthy QLoRA adapter. So the second is what is gated
    where a merged model is to be served; elsewhere the first is, and the reason says what the second loses.

    The base weights are put back bit for bit afterwards.

    Args:
        most_kl, most_share, most_flips: see `MergeLimits`; all on the probe texts.
        served_merged: None where nothing is known of that; a warning is given then where it acts differently.
        observed: what base and candidate said, if they were asked already.
    """
    check = _merge_check(loaded, MergeLimits(most_share, most_flips, most_kl), served_merged, observed)
    if served_merged or check.holds:
        return check
    told = "serve it unmerged, as it was measured"
    if served_merged is None:
        told = f"{told}, and say so (`serving: {{merged: false}}` in assay.yaml; true judges the merge)"
        warnings.warn(MergeWarning(f"{check.reason}: {told}"), stacklevel=2)
    return replace(check, holds=True, reason=f"{check.reason}: {told}")


def _merge_check(
    loaded: LoadedModel, limits: MergeLimits, served_merged: bool | None, observed: Observed | None
) -> Check:
    """The check as of an adapter that is served merged."""
    from harness.models.quantization import round_to_nf4

    seen = observed or Observed(loaded)
    _ = seen.base, seen.candidate  # asked before anything is merged
    try:
        with merged_in_place(loaded) as four_bit:
            overflown = _nonfinite_weights(loaded.model)
            merged = probe_log_probs(loaded.model, loaded.tokenizer)
            if four_bit and not overflown:
                round_to_nf4(four_bit)
                packed = probe_log_probs(loaded.model, loaded.tokenizer)
    except MergeRefusedError as exc:
        return Check(
            "merge",
            holds=False,
            reason=f"PEFT cannot merge it ({exc}), so it can only be served unmerged",
            remedy="serve it unmerged, and say so: `serving: {merged: false}` in assay.yaml",
        )
    if overflown:
        return Check(
            "merge",
            holds=False,
            reason=f"merged, {len(overflown)} weights hold NaN or infinities, first {overflown[0]}",
            remedy="the change does not fit the precision it is served in: serve in bfloat16, or unmerged",
            details={"weights": overflown},
        )
    check = _compare("merge", "merged", seen, merged, limits)
    if not four_bit:
        return check
    anew = _compare("merge", "merged and quantised anew to 4 bits", seen, packed, limits)
    if served_merged:
        return replace(anew, details={**anew.details, "left_dense": check.details})
    lost = f"; quantised anew to 4 bits, it would differ by {anew.details['share_of_effect']:.0%} of that"
    reason = check.reason if anew.holds else check.reason + lost
    return replace(check, reason=reason, details={**check.details, "quantised_anew": anew.details})


def merged_copy_is_the_candidate(
    loaded: LoadedModel,
    directory: Path,
    options: LoadOptions,
    *,
    most_kl: float | None = None,
    most_share: float = MergeLimits.share,
    most_flips: float = MergeLimits.flips,
    observed: Observed | None = None,
    base: Path | None = None,
) -> Check:
    """A merged model that was saved to be served is whole, and acts as the adapter on its base.

    Args:
        directory: of the merged model, and `base` of what it was merged into.
        options: how to load it.
        most_kl, most_share, most_flips: as for `merges_cleanly`.
        observed: as for `merges_cleanly`.
    """
    from harness.models.loading import load_model

    files = ModelFiles(directory, base, options)
    try:
        found = next((one for one in (check(files) for check in MODEL_CHECKS) if not one.holds), None)
        if found is not None and found.name != "model_change":  # how far it may differ is decided below
            return replace(found, name="merged_copy", reason=f"{directory}: {found.reason}")
        served = load_model(directory, options)
    except AssayError as exc:
        return Check("merged_copy", holds=False, reason=f"{directory}: {exc.problem}", remedy=exc.remedy)
    seen = observed or Observed(loaded)
    merged = probe_log_probs(served.model, served.tokenizer)
    if merged.shape != seen.candidate.shape:
        return Check(
            "merged_copy",
            holds=False,
            reason=f"{directory} predicts {merged.shape[-1]} tokens, adapter and base {seen.candidate.shape[-1]}",
            remedy="merge this adapter into this base again",
        )
    return _compare("merged_copy", str(directory), seen, merged, MergeLimits(most_share, most_flips, most_kl))


def _compare(name: str, what: str, seen: Observed, merged: torch.Tensor, limits: MergeLimits) -> Check:
    """The check that a merged model's predictions are the candidate's, within limits."""
    if nan := nan_predictions(name, {"base": seen.base, "candidate": seen.candidate, "merged model": merged}):
        return nan
    candidate = seen.candidate
    kl, effect = mean_kl(candidate, merged), mean_kl(candidate, seen.base)
    share = kl / effect if effect > 0 else float("inf") if kl else 0.0
    flips = clear_flips(candidate, merged)
    broken = [
        text
        for text, value, limit in (
            (f"{limits.share:.0%} of that", share, limits.share),
            (f"{limits.flips:.0%} flipped", flips, limits.flips),
            (f"{limits.kl or 0:.2g} nats", kl, limits.kl),
        )
        if limit is not None and value > limit
    ]
    found = (
        f"mean KL {kl:.2g} nats a token, {share:.1%} of what the adapter changes; {flips:.1%} of next tokens flipped"
    )
    return Check(
        name,
        holds=not broken,
        reason=f"{what}, the adapter acts differently ({found}; allowed are {' and '.join(broken)})"
        if broken
        else f"{what} equals unmerged ({found})",
        remedy="serve it unmerged, or merge in a higher precision onto the base it was trained on",
        details={
            "kl_nats_per_token": kl,
            "limit": limits.kl,
            "share_of_effect": share,
            "share_limit": limits.share,
            "flipped": flips,
            "flipped_limit": limits.flips,
            "effect_nats_per_token": effect,
            "positions": len(merged),
        },
    )


def _nonfinite_weights(model: Any) -> list[str]:
    weights = [(n, p) for n, p in model.named_parameters() if ".base_layer." in n and p.is_floating_point()]
    # `isfinite` does not know every float8
    return [n for n, p in weights if not (p.float() if p.element_size() == 1 else p).isfinite().all()]
