"""Checks that read the adapter's files alone: what lies there, and whether its numbers are numbers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness.errors import AdapterError
from harness.gates import Check
from harness.models.adapter_files import WEIGHTS, nonfinite_tensors, remote_code, saturated_tensors, unsafe_files
from harness.models.safetensors_header import read_tensor_headers

_SHOWN = 5
_ALLOW = "or name them under `integrity: allow_files:` in assay.yaml where they are meant to be there"


def adapter_is_safe(adapter: Path, *, allowed: Collection[str] = ()) -> Check:
    """No pickle, no code and no `auto_map` to it; the weights are one readable safetensors file.

    Args:
        allowed: names of files that may lie there all the same. Nothing loads them.
    """
    try:
        unsafe, code = unsafe_files(adapter, allowed=allowed), remote_code(adapter, allowed=allowed)
        tensors = read_tensor_headers(adapter / WEIGHTS) if not unsafe and not code else {}
    except AdapterError as exc:
        return Check("safetensors_only", holds=False, reason=exc.problem, remedy=exc.remedy)
    if unsafe:
        return Check(
            "safetensors_only",
            holds=False,
            reason=f"files that can run code when loaded: {', '.join(unsafe[:_SHOWN])}",
            remedy=f"save the adapter with save_pretrained (safetensors) and remove these files, {_ALLOW}",
            details={"files": unsafe},
        )
    if code:
        name, value = next(iter(code.items()))
        return Check(
            "safetensors_only",
            holds=False,
            reason=f"{name} has an auto_map ({value}): loading it would run Python code out of a repository",
            remedy=f"remove auto_map, so that the classes of transformers are used, {_ALLOW}",
            details={"auto_map": code},
        )
    return Check("safetensors_only", holds=True, reason=f"{len(tensors)} tensors in {WEIGHTS}, nothing that runs code")


def adapter_is_finite(adapter: Path) -> Check:
    """No tensor holds NaN, an infinity, or half-precision values at the end of their range.

    Raises:
        AdapterError: there are no readable weights.
    """
    count = len(read_tensor_headers(adapter / WEIGHTS))
    broken, saturated = nonfinite_tensors(adapter / WEIGHTS), saturated_tensors(adapter / WEIGHTS)
    details = {"tensors": broken, "saturated": saturated}
    retrain = "train again with a lower learning rate or in bfloat16; do not release any checkpoint after this one"
    save_wider = "values were clipped when it was saved: save it in bfloat16 or float32"
    for faulty, fault, remedy in (
        (broken, "hold NaN or infinities", retrain),
        (saturated, "reach the largest float16", save_wider),
    ):
        if faulty:
            first, bad = next(iter(faulty.items()))
            reason = f"{len(faulty)} of {count} tensors {fault}, first {first} ({bad} values)"
            return Check("finite", holds=False, reason=reason, remedy=remedy, details=details)
    return Check("finite", holds=True, reason=f"all values of {count} tensors are finite", details=details)


def adapter_is_trained(adapter: Path) -> Check:
    """LoRA's B matrices start at zero; an adapter in which all still are does nothing.

    Raises:
        AdapterError: there are no readable weights.
    """
    from safetensors import safe_open

    names = sorted(n for n in read_tensor_headers(adapter / WEIGHTS) if "lora_B" in n or "lora_embedding_B" in n)
    count = len(names)
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        zero = [name for name in names if not file.get_tensor(name).any()]
    details = {"zero_tensors": zero}
    if count and len(zero) == count:
        return Check(
            "trained",
            holds=False,
            reason=f"all {count} LoRA B matrices are zero: the adapter changes nothing",
            remedy="check that gradients reach the adapter (target_modules, learning rate, masked labels) and train again",
            details=details,
        )
    if zero:
        return Check(
            "trained",
            holds=False,
            reason=f"{len(zero)} of {count} LoRA B matrices are zero, first {zero[0]}",
            remedy="these modules were not trained, or their tensors were lost when saving: train or save again",
            details=details,
        )
    return Check("trained", holds=True, reason=f"none of {count} LoRA B matrices is zero", details=details)
