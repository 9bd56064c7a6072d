"""Checks that the adapter acts the same once merged, in memory; `checks.release` holds the file that ships against it."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.checks.integrity.probe import Observed
from harness.checks.likeness import Limits, acts_as
from harness.errors import first_line
from harness.gates import Check
from harness.models.probing import probe_log_probs

if TYPE_CHECKING:
    from torch import nn

    from harness.models.loading import LoadedModel
    from harness.models.quantization import Packing


_UNMERGED = "serve it unmerged, or merge in a higher precision onto the base it was trained on"


class MergeRefusedError(Exception):
    """PEFT has no merge for this adapter on this base; the message is its own."""


def unmergeable(loaded: LoadedModel) -> str | None:
    """Why no merge is tried of this adapter: its method adds what no weight can hold. None where PEFT may try."""
    return loaded.method.unmergeable if loaded.method is not None else None


@contextlib.contextmanager
def merged_in_place(loaded: LoadedModel) -> Iterator[Mapping[nn.Module, Packing]]:
    """The adapter merged into its base layers, and the exact base weights back on leaving.

    A base that bitsandbytes packs takes the change into dense weights, those which its packed ones stand for. `round_anew`
    of the layers yielded then gives what PEFT's merge into packed weights does: dequantise, add, quantise anew.

    PEFT's own unmerge subtracts what it added, which does not restore bfloat16 weights.

    Yields:
        Of such a base the layers that were merged into, now dense, and how their weights were rounded; else none.

    Raises:
        MergeRefusedError: PEFT does not merge it.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    from harness.models.quantization import dense_copy, is_packed, packing_of

    if (why := unmergeable(loaded)) is not None:
        raise MergeRefusedError(why)
    weights = loaded.in_memory()
    layers = [module for module in weights.model.modules() if isinstance(module, BaseTunerLayer)]
    # some methods' merge puts other modules or parameters into the place of the base's
    parts = [(part, dict(part._modules), dict(part._parameters)) for layer in layers for part in layer.modules()]
    packed = [(m, m.base_layer) for m in layers if any(not p.is_floating_point() for p in m.base_layer.parameters())]
    dense = [p for m in layers for p in m.base_layer.parameters() if p.is_floating_point()]
    kept = [p.detach().clone() for p in dense]
    unpacked = [layer for layer, base in packed if is_packed(base)]
    try:
        for layer, base in packed:
            layer.base_layer = dense_copy(base, weights.model.dtype) if is_packed(base) else copy.deepcopy(base)
        _merge(weights.model, unpacked)
        bases = {layer.get_base_layer() for layer in layers}
        yield {base: packing for base in bases if (packing := packing_of(base)) is not None}
    finally:
        for layer in layers:
            layer.merged_adapters.clear()
        for part, modules, parameters in parts:
            part._modules.update(modules)
            part._parameters.update(parameters)
        for parameter, value in zip(dense, kept, strict=True):
            parameter.data.copy_(value)


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
            raise MergeRefusedError(first_line(exc) or "it has no merge for its method") from exc


class MergeWarning(UserWarning):
    """Merged, the adapter would act differently; nobody said whether it is going to be merged."""


def merges_cleanly(
    loaded: LoadedModel,
    *,
    most_kl: float | None = None,
    most_share: float = Limits.share,
    most_flips: float = Limits.flips,
    served_merged: bool | None = None,
    observed: Observed | None = None,
) -> Check:
    """Merged into the base weights, in the precision in use, the adapter acts as it does unmerged.

    Only of an adapter that is going to be served merged is that a reason against its release: of any other the check
    holds, and its reason says what a merge would lose.

    Of a base that bitsandbytes packs there are two merged models. Merged into the dense weights that the packed ones stand
    for, and left in that precision, the adapter loses rounding alone. Quantised anew, as a merge into packed weights does,
    changes smaller than a step of the grid are lost: in 4 bits nearly all of a healthy QLoRA adapter. So the second is what
    is gated where a merged model is to be served; elsewhere the first is, and the reason says what the second loses.

    The base weights are put back bit for bit afterwards.

    Args:
        most_kl, most_share, most_flips: see `Limits`; all on the probe texts.
        served_merged: None where nothing is known of that; a warning is given then where it acts differently.
        observed: what base and candidate said, if they were asked already.
    """
    check = _merge_check(loaded, Limits(most_share, most_flips, most_kl), served_merged, observed)
    if served_merged or check.holds:
        return check
    told = "serve it unmerged, as it was measured"
    if served_merged is None:
        told = f"{told}, and say so (`serving: {{merged: false}}` in assay.yaml; true judges the merge)"
        warnings.warn(MergeWarning(f"{check.reason}: {told}"), stacklevel=2)
    return replace(check, holds=True, reason=f"{check.reason}: {told}")


def _merge_check(loaded: LoadedModel, limits: Limits, served_merged: bool | None, observed: Observed | None) -> Check:
    """The check as of an adapter that is served merged."""
    from harness.models.quantization import round_anew

    seen = observed or Observed(loaded)
    _ = seen.base, seen.candidate  # asked before anything is merged
    try:
        with merged_in_place(loaded) as rounded:
            model = loaded.in_memory().model
            overflown = _nonfinite_weights(model)
            merged = probe_log_probs(model, loaded.tokenizer, after=loaded.invocation)
            if rounded and not overflown:
                round_anew(rounded)
                packed = probe_log_probs(model, loaded.tokenizer, after=loaded.invocation)
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
    check = acts_as("merge", "merged", seen.base, seen.candidate, merged, limits, like="unmerged", remedy=_UNMERGED)
    if not rounded:
        return check
    bits = next(iter(rounded.values())).bits
    anew = acts_as(
        "merge",
        f"merged and quantised anew to {bits} bits",
        seen.base,
        seen.candidate,
        packed,
        limits,
        like="unmerged",
        remedy=_UNMERGED,
    )
    if served_merged:
        return replace(anew, details={**anew.details, "left_dense": check.details})
    lost = f"; quantised anew to {bits} bits, it would differ by {anew.details['share_of_effect']:.0%} of that"
    reason = check.reason if anew.holds else check.reason + lost
    return replace(check, reason=reason, details={**check.details, "quantised_anew": anew.details})


def _nonfinite_weights(model: Any) -> list[str]:
    weights = [(n, p) for n, p in model.named_parameters() if ".base_layer." in n and p.is_floating_point()]
    # `isfinite` does not know every float8
    return [n for n, p in weights if not (p.float() if p.element_size() == 1 else p).isfinite().all()]
