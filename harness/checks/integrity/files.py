"""Checks that read the adapter's files alone: what lies there, and whether its numbers are numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from harness.errors import AdapterError
from harness.gates import Check
from harness.models.adapters.contents import what_lies_there
from harness.models.adapters.files import WEIGHTS, adapter_headers, read_weights, remote_code, unsafe_files
from harness.models.adapters.modules import fixed_tensors, out_of_reach
from harness.models.adapters.names import EXPERT, canonical_names
from harness.models.adapters.weights import bad_values

_SHOWN = 5
_B = re.compile(r"\.lora_(?:embedding_)?B\b")
_ALLOW = "or name them under `integrity: allow_files:` in assay.yaml where they are meant to be there"


def adapter_is_safe(adapter: Path, *, allowed: Collection[str] = ()) -> Check:
    """No pickle, no code, no link or `auto_map` to any; the weights are one readable safetensors file.

    Args:
        allowed: names, paths or patterns of files that may lie there all the same. Nothing loads them.
    """
    try:
        if not (adapter / WEIGHTS).is_file():
            raise what_lies_there(adapter)
        unsafe, code = unsafe_files(adapter, allowed=allowed), remote_code(adapter, allowed=allowed)
        tensors = read_weights(adapter, allowed=allowed) if not unsafe and not code else {}
    except AdapterError as exc:
        return Check("safetensors_only", holds=False, reason=exc.problem, remedy=exc.remedy)
    if unsafe:
        return Check(
            "safetensors_only",
            holds=False,
            reason=f"files that can run code when loaded (or links out of the adapter): {', '.join(unsafe[:_SHOWN])}",
            remedy=f"save the adapter with save_pretrained (safetensors) and remove these files, {_ALLOW}",
            details={"files": unsafe},
        )
    name, value = next(iter(code.items()), ("", None))
    return Check(
        "safetensors_only",
        holds=not code,
        reason=f"{name} has an auto_map ({value}): loading it would run Python code out of a repository"
        if code
        else f"{len(tensors)} tensors in {WEIGHTS}, nothing that runs code",
        remedy=f"remove auto_map, so that the classes of transformers are used, {_ALLOW}",
        details={"auto_map": code} if code else {},
    )


def adapter_is_finite(adapter: Path) -> Check:
    """No tensor holds NaN, an infinity, or half-precision values at the end of their range.

    Raises:
        AdapterError: there are no readable weights.
    """
    count = len(adapter_headers(adapter))
    bad = bad_values(adapter / WEIGHTS)
    details = {"tensors": bad.nonfinite, "saturated": bad.saturated}
    retrain = "train again with a lower learning rate or in bfloat16; do not release any checkpoint after this one"
    save_wider = "values were clipped when it was saved: save it in bfloat16 or float32"
    for faulty, fault, remedy in (
        (bad.nonfinite, "hold NaN or infinities", retrain),
        (bad.saturated, "reach the largest float16", save_wider),
    ):
        if faulty:
            first, values = next(iter(faulty.items()))
            reason = f"{len(faulty)} of {count} tensors {fault}, first {first} ({values} values)"
            return Check("finite", holds=False, reason=reason, remedy=remedy, details=details)
    return Check(
        "finite", holds=True, reason=f"all values of {count} tensors are finite", details=details, looked_at=count
    )


def adapter_is_trained(adapter: Path, base: Path | None = None, *, trust_remote_code: bool = False) -> Check:
    """No trained tensor is all zero, but for biases, which may well be, and for modules that no text of training came through.

    LoRA's B matrices start at zero, and do nothing while they are; any other such tensor (a head of `modules_to_save`,
    the magnitudes of DoRA) silences the module it belongs to. What takes images or sound stays at its start in training
    on text, and so does an expert to which no token went while others of its layer learnt.

    Args:
        base: tells which modules text alone reaches; without it, all count as reached.

    Raises:
        AdapterError: there are no readable weights.
    """
    from safetensors import safe_open

    headers = adapter_headers(adapter)
    # a module of which AdaLoRA kept no rank has tensors without values
    names = sorted(name for name, header in headers.items() if not name.endswith("bias") and 0 not in header.shape)
    # indices may well be zero
    names = [name for name in names if headers[name].is_float]
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        # in float32, for `any` does not know every float8
        zero = [name for name in names if not file.get_tensor(name).float().any()]
    if zero and base is not None:
        fixed, canonical = (
            fixed_tensors(adapter, base, trust_remote_code=trust_remote_code),
            canonical_names(adapter / WEIGHTS),
        )
        zero = [name for name in zero if canonical[name] not in fixed]
    idle = _idle(zero, names, adapter, base, trust_remote_code=trust_remote_code) if zero else []
    dead = [name for name in zero if name not in idle]
    note = f"; {len(idle)} more are zero where no text of training came, first {idle[0]}" if idle else ""
    return Check(
        "trained",
        holds=not dead,
        reason=f"{len(dead)} of {len(names)} tensors are all zero, first {dead[0]}: their modules change nothing, or "
        f"give out nothing{note}"
        if dead
        else f"none of {len(names)} tensors is all zero{' that should not be' if idle else ''}{note}",
        remedy="they were not trained, or lost when saving: check that gradients reach them (target_modules, learning "
        "rate, masked labels), and train or save again",
        details={"zero_tensors": dead, "idle_tensors": idle},
        looked_at=len(names),
    )


def _idle(
    zero: Sequence[str], names: Sequence[str], adapter: Path, base: Path | None, *, trust_remote_code: bool
) -> list[str]:
    """Of tensors that are all zero, the B matrices of modules that training on text leaves alone. Not all of an adapter's."""
    still = {name for name in zero if _B.search(name)}
    if still == {name for name in names if _B.search(name)}:
        return []
    learnt = {EXPERT.sub(".experts.", name) for name in names if name not in still}
    idle = {name for name in still if EXPERT.search(name) and EXPERT.sub(".experts.", name) in learnt}
    if base is not None:
        idle |= out_of_reach(adapter, base, still - idle, trust_remote_code=trust_remote_code)
    return sorted(idle)
