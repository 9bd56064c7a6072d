"""Does an adapter ship on the weights it was approved on, or merged into them?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checks.integrity import ModelFiles
from harness.checks.release.shipping import Shipping
from harness.gates import Check
from harness.models.adapters.files import WEIGHTS
from harness.models.adapters.misfit import EMBEDDINGS
from harness.models.adapters.names import PREFIX, canonical_names

if TYPE_CHECKING:
    import torch


def is_on_the_candidates_weights(shipping: Shipping) -> Check:
    """Each tensor under an adapter is that of the candidate, but for rounding to a type; of a model that the adapter was merged
    into, each that the adapter leaves alone. Packed weights are left to what is computed with them.
    """
    candidate, subject = shipping.models.candidate, shipping.subject
    same = Check("files", holds=True, reason="it is on the candidate's weights")
    if candidate.adapter is None or subject.weights.location == candidate.weights.location:
        return same
    options = shipping.models.load_options_of(subject)
    files = ModelFiles(subject.weights.directory, shipping.candidate_weights, options)
    approved = ModelFiles(shipping.candidate_weights, None, options)
    if files.is_quantized or approved.is_quantized:
        return same
    if subject.adapter is not None:
        looked_at, how = set(approved.headers), "put on"
    elif candidate.quantization == "none":
        looked_at, how = _left_alone(approved.headers, candidate.adapter.directory), "merged into"
    else:
        return same  # the weights that its packed ones stand for
    rows = {one.config.get("vocab_size") for one in (files, approved)}
    pairs = ((one, its) for one, its in _alike(files.headers, approved.headers).items() if its in looked_at)
    other = next((one for one, its in pairs if not _is_rounded(files.tensor(one), approved.tensor(its), rows)), None)
    if other is None:
        return same
    return Check(
        "files",
        holds=False,
        reason=f"it is {how} other weights than the candidate: {other} of {files.directory} is not that of "
        f"{approved.directory}",
        remedy="ship it with the base that it was approved on, or measure it as the candidate on this one",
        details={"tensor": other},
    )


def _left_alone(names: Collection[str], adapter: Path) -> set[str]:
    """Those of a model's tensors that an adapter does not change, embeddings and heads apart, which may be tied.

    None where the files call modules otherwise than the model in memory, which adapters go by, as those of several experts.
    """
    modules = {name.rpartition(".")[0]: name for name in names}
    changed = set()
    for name in canonical_names(adapter / WEIGHTS).values():
        path = name.removeprefix(PREFIX).split(".")
        owner = next((one for n in range(len(path), 0, -1) if (one := ".".join(path[:n])) in modules), None)
        if owner is None and not EMBEDDINGS.search(name):
            return set()
        changed.add(owner)
    return {name for name in names if name.rpartition(".")[0] not in changed and not EMBEDDINGS.search(f".{name}")}


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
    """Whether two tensors are the same in the type of one of them, or in one that a converter may have held them in.

    Args:
        vocabularies: sizes of the two models' vocabularies: rows that pad the smaller one are no token's.
    """
    import torch

    if one.shape != other.shape and {*one.shape[:1], *other.shape[:1]} == {*vocabularies}:
        rows = min(one.shape[0], other.shape[0])
        one, other = one[:rows], other[:rows]
    kinds = dict.fromkeys((one.dtype, other.dtype, torch.bfloat16, torch.float16))
    return one.shape == other.shape and any(
        bool((one.to(kind).float() == other.to(kind).float()).all()) for kind in kinds
    )
