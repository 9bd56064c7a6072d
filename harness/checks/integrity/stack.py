"""Checks of several adapters that act as one: each by itself, and what became of them together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checks.integrity.files import adapter_is_finite, adapter_is_safe, adapter_is_trained
from harness.checks.integrity.lora import lora_pairs, scale_of
from harness.checks.integrity.norms import squared_norm
from harness.checks.integrity.provenance import base_as_trained, strength_as_trained
from harness.checks.integrity.sealed import files_are_as_recorded
from harness.checks.integrity.tensors import config_agrees_with_tensors, tensors_map_both_ways
from harness.checks.integrity.tokenizer import tokenizer_is_the_bases
from harness.gates import Check
from harness.models.adapters.files import WEIGHTS, read_adapter_config

if TYPE_CHECKING:
    from harness.checks.integrity.norms import FloatMatrix
    from harness.models.subject import Member, Subject

# Of float32 products; a combination that is wrong is off by the size of a member.
_MOST_FROM_SUM = 1e-3
_LEAST_SHARE = 1e-4


def member_is_sound(
    member: Member, *, allowed: Sequence[str] = (), quantization: str = "none", trust_remote_code: bool = False
) -> Iterator[Check]:
    """What is asked of an adapter by itself, asked of one of several: each check by the adapter's name.

    Args:
        allowed: files beside it that could run code and may lie there.
        quantization: what its base is measured with.
    """
    adapter, base = member.directory, member.base.directory
    checks: Sequence[Check | None] = (
        adapter_is_safe(adapter, allowed=allowed),
        files_are_as_recorded(adapter),
        tensors_map_both_ways(adapter, base, trust_remote_code=trust_remote_code),
        config_agrees_with_tensors(adapter, base, trust_remote_code=trust_remote_code),
        strength_as_trained(adapter),
        base_as_trained(adapter, base, base_name=member.base.name, quantization=quantization),
        tokenizer_is_the_bases(adapter, base),
        adapter_is_finite(adapter),
        adapter_is_trained(adapter, base, trust_remote_code=trust_remote_code),
    )
    for check in checks:
        if check is not None:
            yield replace(check, name=f"{member.name}/{check.name}", reason=f"{member.name}: {check.reason}")


def combination_is_as_named(subject: Subject) -> Check | None:
    """Each adapter has a part in what they became, which `cat` says is exactly their weighted sum; None where there is no stack.

    Compared are the changes of weights, module by module, as Frobenius norms over all modules.

    Raises:
        AdapterError: there are no readable weights.
    """
    stack = subject.stack
    if stack is None:
        return None
    names = [member.name for member in subject.members[-len(stack.adapters) :]]
    changes = [_changes(one, weight) for one, weight in zip(stack.adapters, stack.weights, strict=True)]
    made = _changes(subject.directory, -1.0)
    parts = [math.sqrt(sum(_norm([change]) for change in one.values())) for one in changes]
    modules = sorted({*made, *(module for one in changes for module in one)})
    summands = {module: [one[module] for one in changes if module in one] for module in modules}
    total = sum(_norm(summands[module]) for module in modules)
    apart = sum(_norm([*summands[module], *([made[module]] if module in made else [])]) for module in modules)
    distance = math.sqrt(apart / total) if total else math.inf
    shares = {name: part / sum(parts) if sum(parts) else 0.0 for name, part in zip(names, parts, strict=True)}
    dropped = [name for name, share in shares.items() if share < _LEAST_SHARE]
    wrong = stack.combination == "cat" and distance > _MOST_FROM_SUM
    said = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    exact = "exactly" if distance <= _MOST_FROM_SUM else f"{distance:.0%} away from"
    return Check(
        "combination",
        holds=not dropped and not wrong,
        reason=f"{', '.join(dropped)} adds nothing to the stack (weight 0, or no change of its own)"
        if dropped
        else f"{stack.combination} of {said} of the change is {exact} the weighted sum",
        remedy="take it out, or give it a weight"
        if dropped
        else "merge them one by one (`merged: true`), and report this: PEFT's `cat` should be the sum",
        details={"shares": shares, "distance_from_sum": distance, "combination": stack.combination},
    )


def _changes(adapter: Path, weight: float) -> Mapping[str, tuple[FloatMatrix, FloatMatrix]]:
    """Module -> A, and B times its scale and the weight."""
    from safetensors import safe_open

    config = read_adapter_config(adapter)
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        return {
            pair.module: (
                file.get_tensor(pair.a).double().numpy(),
                file.get_tensor(pair.b).double().numpy() * scale_of(config, pair) * weight,
            )
            for pair in lora_pairs(adapter)
        }


def _norm(changes: Sequence[tuple[FloatMatrix, FloatMatrix]]) -> float:
    """The squared Frobenius norm of the sum of B A."""
    import numpy as np

    if not changes:
        return 0.0
    a, b = (np.concatenate(one, axis=axis) for axis, one in enumerate(zip(*changes, strict=True)))
    return max(0.0, squared_norm(a, b))
