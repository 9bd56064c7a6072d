"""The check that the adapter acts, and where in the model it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.gates import Check
from harness.integrity.observed import Observed
from harness.integrity.probe import mean_kl, nan_predictions

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel


def changes_the_base(loaded: LoadedModel, *, least_kl: float, observed: Observed | None = None) -> Check:
    """The candidate's next-token distributions differ from the base's.

    The details tell, for each layer, how large what the adapter adds to its modules' outputs is beside those outputs.

    Args:
        least_kl: mean KL(base || candidate) on the probe texts, nats a token, that counts as a difference.
        observed: what the two said, if they were asked already.
    """
    seen = observed or Observed(loaded)
    if nan := nan_predictions("effect", {"base": seen.base, "candidate": seen.candidate}):
        return nan
    kl, layers = mean_kl(seen.base, seen.candidate), dict(seen.layers)
    details = {"kl_nats_per_token": kl, "limit": least_kl, "positions": len(seen.base), "layers": layers}
    if not kl >= least_kl:  # NaN does not hold either
        return Check(
            "effect",
            holds=False,
            reason=f"the adapter leaves the base's predictions as they are (mean KL {kl:.2g} nats a token)",
            remedy="check the scale (alpha/r), that B is trained, and that the adapter was made for this base",
            details=details,
        )
    most = f", most in layer {max(layers, key=lambda layer: layers[layer])}" if layers else ""
    return Check("effect", holds=True, reason=f"mean KL from the base is {kl:.2g} nats a token{most}", details=details)
