"""Does an adapter ship on the weights it was approved on?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checks.integrity import ModelFiles
from harness.checks.release.shipping import Shipping
from harness.gates import Check

if TYPE_CHECKING:
    import torch


def is_on_the_candidates_weights(shipping: Shipping) -> Check:
    """Each tensor under the adapter is that of the candidate, in the coarser of their types. Packed weights are left to what is
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
    shared = sorted(files.headers.keys() & approved.headers.keys())
    other = next((name for name in shared if not _is_rounded(files.tensor(name), approved.tensor(name))), None)
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


def _is_rounded(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same in the coarser of their types."""
    coarser = min(one.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
    return one.shape == other.shape and bool((one.to(coarser) == other.to(coarser)).all())
