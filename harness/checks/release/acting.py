"""Does what ships act as the candidate? The next tokens it expects, along texts and along the candidate's own answers."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.likeness import Limits, acts_as, clear_flips, mean_kl, strength
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
    conversion that lost something is not. It is judged over the texts and the tasks, and along the answers to each task and
    set of safety's prompts by itself: two models that differ in what they refuse are alike on everything else. Where a part of
    the change is lost evenly, as by a wrong scale, its strength tells it from rounding. A GGUF file tells its likeliest tokens
    at each position, so that its divergence is a lower bound.

    Args:
        most_share, most_flips, most_kl: see `Limits`.
        least_strength: smallest share of the candidate's change that it makes, and the largest is as far above 1.
    """
    try:
        base, candidate, shipped = shipping.expected
    except (AdapterError, ModelError) as exc:  # what cannot be loaded is not what was approved
        return Check("drift", holds=False, reason=f"{shipping.place}: {exc.problem}", remedy=exc.remedy)
    limits = Limits(most_share, most_flips, most_kl)
    own = slice(None, shipping.texts.own_positions)
    said = base[own], candidate[own], shipped[own]
    check = acts_as("drift", shipping.place, *said, limits=limits, like="the candidate", remedy=_REMEDY)
    kept, parts = strength(*said), _parts(shipping)
    beyond = [name for name, part in parts.items() if not part["share_of_effect"] <= most_share]
    wrong = None
    if not abs(kept - 1) <= 1 - least_strength:
        wrong = f"{shipping.place} makes {kept:.0%} of the candidate's change, where at least {least_strength:.0%} is asked for"
    elif beyond:
        worst = max(beyond, key=lambda name: parts[name]["share_of_effect"])
        kl, share = parts[worst]["kl_nats_per_token"], parts[worst]["share_of_effect"]
        wrong = (
            f"{shipping.place} acts differently from the candidate on {worst} (mean KL {kl:.2g} nats a token, {share:.1%} of "
            f"what the candidate changes; allowed are {most_share:.0%} of that)"
        )
    if check.holds and wrong:
        check = replace(check, holds=False, reason=f"{wrong}; {check.reason}")
    return replace(check, details={**check.details, "strength": kept, "parts": parts})


def _parts(shipping: Shipping) -> dict[str, dict[str, float]]:
    """The divergence on the probe texts and along the answers to each task and set of prompts.

    Where the candidate changes less than in the mean of texts and tasks, that is what the divergence is a share of: of nothing
    the smallest rounding would be all.
    """
    base, candidate, shipped = shipping.expected
    own = slice(None, shipping.texts.own_positions)
    overall = mean_kl(candidate[own], base[own])
    found, start = {}, 0
    for name, passages in shipping.texts.passages.items():
        part = slice(start, start := start + sum(len(one.tail) for one in passages))
        if start == part.start:
            continue
        kl, effect = mean_kl(candidate[part], shipped[part]), mean_kl(candidate[part], base[part])
        most = max(effect, overall)
        found[name] = {
            "kl_nats_per_token": kl,
            "effect_nats_per_token": effect,
            "share_of_effect": kl / most if most > 0 else float("inf") if kl else 0.0,
            "flipped": clear_flips(candidate[part], shipped[part]),
            "positions": start - part.start,
        }
    return found
