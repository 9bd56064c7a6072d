"""Does an adapter ship on the weights it was approved on?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from harness.checks.integrity import ModelFiles
from harness.checks.release.shipping import Shipping
from harness.gates import Check

if TYPE_CHECKING:
    import torch


def is_on_the_candidates_weights(shipping: Shipping) -> Check:
    """Each tensor under the adapter is that of the candidate, in the type of one of them. Packed weights are left to what is
    computed with them.
    """
    candidate = shipping.models.candidate
    same = Check("files", holds=True, reason="it is on the candidate's weights")
    if candidate.adapter is None or shipping.subject.weights.location == candidate.weights.location:
        return same
    options = shipping.models.load_options_of(shipping.subject)
    files = ModelFiles(shipping.subject.weights.directory, shipping.candidate_weights, options)
    approved = ModelFiles(shipping.candidate_weights, None, options)
    if files.is_quantized or approved.is_quantized:
        return same
    rows = {one.config.get("vocab_size") for one in (files, approved)}
    shared = _alike(files.headers.keys(), approved.headers.keys())
    other = next(
        (one for one, its in shared.items() if not _is_rounded(files.tensor(one), approved.tensor(its), rows)), None
    )
    if other is None:
        return same
    return Check(
        "files",
        holds=False,
        reason=f"it is put on other weights than the candidate: {other} of {files.directory} is not that of "
        f"{approved.directory}",
        remedy="ship it with the base that it was approved on, or measure it as the candidate on this one",
        details={"tensor": other},
    )


def _alike(names: Collection[str], others: Collection[str]) -> Mapping[str, str]:
    """Names of one model's tensors -> those of another's: the same, or without the first part, which a model that was saved
    without its head lacks."""
    tails = {other.partition(".")[2]: other for other in others}
    found = {
        name: next((one for one in (name, name.partition(".")[2]) if one in others), tails.get(name))
        for name in sorted(names)
    }
    return {name: other for name, other in found.items() if other is not None}


def _is_rounded(one: torch.Tensor, other: torch.Tensor, vocabularies: Collection[object]) -> bool:
    """Whether two tensors are the same in the type of one of them.

    Args:
        vocabularies: sizes of the two models' vocabularies: rows that pad the smaller one are no token's.
    """
    if one.shape != other.shape and {*one.shape[:1], *other.shape[:1]} == {*vocabularies}:
        rows = min(one.shape[0], other.shape[0])
        one, other = one[:rows], other[:rows]
    kinds = {one.dtype, other.dtype}
    return one.shape == other.shape and any(
        bool((one.to(kind).float() == other.to(kind).float()).all()) for kind in kinds
    )
