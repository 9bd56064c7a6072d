"""Does what ships act as the candidate? The next tokens it expects, along texts and along the candidate's own answers."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.likeness import Limits, acts_as, mean_kl, strength
from harness.checks.release.shipping import Shipping
from harness.errors import AdapterError, ModelError
from harness.gates import Check

_REMEDY = (
    "make it again, of the adapter that was approved, on the base it was trained on (`assay export`): converters lose an "
    "adapter's strength (rsLoRA, alpha_pattern) and whole modules (modules_to_save), merging into 4 bits loses its change, "
    "and a small model does not stand a small quantisation"
)


def acts_as_the_candidate(
    shipping: Shipping,
    *,
    most_share: float,
    most_flips: float,
    least_strength: float,
    most_kl: float | None = None,
) -> Check:
    """What ships expects the tokens that the approved candidate expects, on the probe texts and along the candidate's answers.

    The divergence is judged as a share of what the candidate changes over the base: rounding is a small part of that, and a
    conversion that lost something is not. Where a part of the change is lost evenly, as by a wrong scale, its strength tells it
    from rounding. A GGUF file tells its likeliest tokens at each position, so that its divergence is a
    lower bound.

    Args:
        most_share, most_flips, most_kl: see `Limits`.
        least_strength: smallest share of the candidate's change that it makes, and the largest is as far above 1.
    """
    try:
        base, candidate, shipped = shipping.expected
    except (AdapterError, ModelError) as exc:  # what cannot be loaded is not what was approved
        return Check("drift", holds=False, reason=f"{shipping.place}: {exc.problem}", remedy=exc.remedy)
    limits = Limits(most_share, most_flips, most_kl)
    check = acts_as("drift", shipping.place, base, candidate, shipped, limits, like="the candidate", remedy=_REMEDY)
    kept = strength(base, candidate, shipped)
    if check.holds and not abs(kept - 1) <= 1 - least_strength:
        wrong = f"{shipping.place} makes {kept:.0%} of the candidate's change, where at least {least_strength:.0%} is asked for"
        check = replace(check, holds=False, reason=f"{wrong}; {check.reason}")
    split = sum(len(passage.tail) for passage in shipping.probes)
    parts = {
        name: {"kl_nats_per_token": mean_kl(candidate[part], shipped[part]), "positions": len(candidate[part])}
        for name, part in (("probe_texts", slice(None, split)), ("answers", slice(split, None)))
        if len(candidate[part])
    }
    return replace(check, details={**check.details, "strength": kept, **parts})
