"""The check that every adapter tensor maps to a module, and back."""

from __future__ import annotations

from pathlib import Path

from harness.errors import AdapterError
from harness.gates import Check
from harness.models.adapter_tensors import TensorMatch, match_tensors


def tensors_map_both_ways(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> Check:
    """Every tensor of the file has a module of the right shape on this base, every adapted module its tensors."""
    try:
        match = match_tensors(adapter, base, trust_remote_code=trust_remote_code)
    except AdapterError as exc:
        return Check("tensors_map", holds=False, reason=exc.problem, remedy=exc.remedy)
    return Check(
        "tensors_map",
        holds=match.holds,
        reason=match.describe(),
        remedy="" if match.holds else _remedy(match),
        details={
            "matched": match.matched,
            "missing": list(match.missing),
            "unexpected": list(match.unexpected),
            "misshapen": {name: [list(have), list(need)] for name, (have, need) in match.misshapen.items()},
            "unmatched_targets": list(match.unmatched_targets),
            "copies": list(match.copies),
            "renamed": match.renamed,
        },
    )


def _remedy(match: TensorMatch) -> str:
    if match.misfit_embeddings:
        return (
            f"{match.misfit_embeddings[0]} belongs to a base with other embeddings: tokens were added, or it was trained "
            "without modules_to_save; pass with --model the base that was saved with them and their tokenizer"
        )
    return "pass the base it was trained for with --model, or save the adapter again"
