"""Does one model act as another? By their next-token distributions on the same texts, beside a third: the base of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.gates import Check

if TYPE_CHECKING:
    import torch


def mean_kl(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence KL(reference || other) over positions, in nats a token.

    Args:
        reference: log-probabilities of shape (positions, vocabulary).
        other: the same shape.
    """
    # what is impossible adds nothing; rounding may put equal distributions just below zero; NaN stays NaN
    terms = (reference.exp() * (reference - other)).masked_fill(reference == -math.inf, 0.0)
    return float(terms.sum(dim=-1).mean().clamp(min=0))


def strength(base: torch.Tensor, candidate: torch.Tensor, other: torch.Tensor) -> float:
    """How much of the candidate's change over the base another model makes: 1 for all, 0 for none.

    The slope of one model's change in log-probabilities on the other's, around each position's mean, tokens weighted by the
    candidate's probabilities. Rounding, whatever its size, has no direction and leaves it at 1.

    Args:
        base, candidate, other: log-probabilities of shape (positions, vocabulary).
    """
    weights = candidate.exp()

    def change(model: torch.Tensor) -> torch.Tensor:
        difference = (model - base).masked_fill(candidate == -math.inf, 0.0)
        return difference - (weights * difference).sum(dim=-1, keepdim=True)

    own = change(candidate)
    scale = float((weights * own.square()).sum())
    return float((weights * own * change(other)).sum()) / scale if scale > 0 else 1.0


_CLEAR = math.log(2)


def clear_flips(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Share of positions at which `other` would go on with another token than `reference`, which prefers its own at odds
    of 2 to 1 or more: a near tie that rounding breaks is no flip.

    Args:
        reference: log-probabilities of shape (positions, vocabulary).
        other: the same shape.
    """
    chosen, instead = reference.max(dim=-1).values, reference.gather(-1, other.argmax(dim=-1, keepdim=True)).squeeze(-1)
    return float((chosen - instead >= _CLEAR).float().mean())


def nan_predictions(name: str, said: Mapping[str, torch.Tensor]) -> Check | None:
    """The failed check that there is nothing to compare, where predictions are NaN; None where none is.

    Args:
        name: of the check.
        said: who -> log-probabilities of shape (positions, vocabulary); the first who is at fault is named.
    """
    for who, log_probs in said.items():
        count = int(log_probs.isnan().any(dim=-1).sum())
        if count:
            return Check(
                name,
                holds=False,
                reason=f"{count} of {len(log_probs)} predictions of the {who} are NaN: there is nothing to compare",
                remedy="values overflow in the precision in use: measure with --dtype=bfloat16 or float32; if they still "
                "do, the weights are too large: train again with a lower learning rate",
                details={"nan_positions": count, "positions": len(log_probs)},
            )
    return None


@dataclass(frozen=True)
class Limits:
    """How far what a candidate was made into may be from it.

    Attributes:
        share: largest share of KL(candidate || other) in KL(candidate || base), which is what it does at all.
        flips: largest share of positions whose next token is another one, though the candidate prefers its own at odds
            of 2 to 1 or more: rounding breaks ties, and no more.
        kl: largest mean KL(candidate || other), nats a token, for who wants an absolute limit; it says little by itself,
            for it grows with what the candidate does.
    """

    share: float = 0.25
    flips: float = 0.05
    kl: float | None = None


def acts_as(
    name: str,
    what: str,
    base: torch.Tensor,
    candidate: torch.Tensor,
    other: torch.Tensor,
    limits: Limits,
    *,
    like: str,
    remedy: str,
) -> Check:
    """The check that another model's predictions are the candidate's, within limits.

    Args:
        name: of the check.
        what: the other one is, in words, and `like` what the candidate is beside it.
        base, candidate, other: log-probabilities of shape (positions, vocabulary).
    """
    if nan := nan_predictions(name, {"base": base, "candidate": candidate, f"model {what}": other}):
        return nan
    kl, effect = mean_kl(candidate, other), mean_kl(candidate, base)
    share = kl / effect if effect > 0 else float("inf") if kl else 0.0
    flips = clear_flips(candidate, other)
    broken = [
        text
        for text, value, limit in (
            (f"{limits.share:.0%} of that", share, limits.share),
            (f"{limits.flips:.0%} flipped", flips, limits.flips),
            (f"{limits.kl or 0:.2g} nats", kl, limits.kl),
        )
        if limit is not None and not value <= limit
    ]
    found = (
        f"mean KL {kl:.2g} nats a token, {share:.1%} of what the adapter changes; {flips:.1%} of next tokens flipped"
    )
    return Check(
        name,
        holds=not broken,
        reason=f"{what} acts differently from {like} ({found}; allowed are {' and '.join(broken)})"
        if broken
        else f"{what} equals {like} ({found})",
        remedy=remedy,
        details={
            "kl_nats_per_token": kl,
            "limit": limits.kl,
            "share_of_effect": share,
            "share_limit": limits.share,
            "flipped": flips,
            "flipped_limit": limits.flips,
            "effect_nats_per_token": effect,
            "positions": len(candidate),
        },
    )
