"""The check that with the adapter switched off the model is the base, on which every comparison stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checks.integrity.probe import Observed
from harness.checks.likeness import mean_kl, nan_predictions
from harness.errors import ModelError
from harness.gates import Check
from harness.models.probing import largest_shift

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

_NAME = "base_intact"
# Where a device adds up in no fixed order, of two draws of its noise the second is as often the larger.
_NOISE = 2.0
_REMEDY = (
    "the adapter changes the base it is put on, so the two cannot share one: merge it, save the merged model, and pass that as "
    "--candidate"
)


def base_is_intact(loaded: LoadedModel, *, observed: Observed | None = None) -> Check:
    """Switched off, the adapter leaves the base as it answered before PEFT put the adapter on it.

    The same weights on the same path give the same answers, bit for bit. A shift within twice what rounding was seen to
    do to the base itself holds as well, and is told.

    Args:
        observed: what base and candidate said, if they were asked already.

    Raises:
        ModelError: no adapter is attached.
    """
    if loaded.plain is None:
        raise ModelError("no adapter is attached", "pass --adapter")
    plain, off = loaded.plain.log_probs, (observed or Observed(loaded)).off
    if nan := nan_predictions(_NAME, {"base without the adapter": plain, "base": off}):
        return nan
    if off.shape != plain.shape:
        reason = f"switched off, the model predicts {off.shape[-1]} tokens, the base {plain.shape[-1]}"
        return Check(_NAME, holds=False, reason=reason, remedy=_REMEDY)
    shift, rounding, kl = largest_shift(plain, off), loaded.plain.rounding, mean_kl(plain, off)
    holds, biases = shift <= _NOISE * rounding, loaded.in_memory().biases
    moved = f"log-probabilities move by up to {shift:.2g} nats, by rounding up to {rounding:.2g}; mean KL {kl:.2g} nats a token"
    same = f"is the base, but for rounding ({moved})" if shift else f"is the base in all {len(off)} predictions"
    return Check(
        _NAME,
        holds=holds,
        reason=f"switched off, the model is not the base ({moved})"
        if not holds
        else f"switched off, the model {same}{_put_back(len(biases))}",
        remedy=_REMEDY,
        details={
            "largest_shift": shift,
            "rounding": rounding,
            "kl_nats_per_token": kl,
            "biases_put_back": [bias.name for bias in biases],
        },
    )


def _put_back(biases: int) -> str:
    return (
        f", with {biases} trained biases put back to the base's: a server that switches the adapter on and off leaves "
        "them in, so serve it merged"
        if biases
        else ""
    )
