"""Checks that read the adapter's files alone."""

from __future__ import annotations

from pathlib import Path

from harness.errors import AdapterError
from harness.gates import Check
from harness.models.adapter_files import WEIGHTS, nonfinite_tensors, read_tensor_headers, unsafe_files

_SHOWN = 5


def adapter_is_safe(adapter: Path) -> Check:
    """No pickle and no Python source; the weights are one readable safetensors file."""
    unsafe = unsafe_files(adapter)
    if unsafe:
        return Check(
            "safetensors_only",
            holds=False,
            reason=f"files that can run code when loaded: {', '.join(unsafe[:_SHOWN])}",
            remedy="save the adapter with save_pretrained (safetensors) and remove these files",
            details={"files": unsafe},
        )
    try:
        tensors = read_tensor_headers(adapter / WEIGHTS)
    except AdapterError as exc:
        return Check("safetensors_only", holds=False, reason=exc.problem, remedy=exc.remedy)
    return Check("safetensors_only", holds=True, reason=f"{len(tensors)} tensors in {WEIGHTS}, nothing that runs code")


def adapter_is_finite(adapter: Path) -> Check:
    """No tensor holds NaN or an infinity.

    Raises:
        AdapterError: there are no readable weights.
    """
    count = len(read_tensor_headers(adapter / WEIGHTS))
    broken = nonfinite_tensors(adapter / WEIGHTS)
    if broken:
        first, bad = next(iter(broken.items()))
        return Check(
            "finite",
            holds=False,
            reason=f"{len(broken)} of {count} tensors hold NaN or infinities, first {first} ({bad} values)",
            remedy="train again with a lower learning rate or in bfloat16; do not release any checkpoint after this one",
            details={"tensors": broken},
        )
    return Check("finite", holds=True, reason=f"all values of {count} tensors are finite")


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
