"""What a base tells of the modules that an adapter changes: how many experts share one, and whether text reaches it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness.models.adapters.files import WEIGHTS, adapter_headers, read_adapter_config
from harness.models.adapters.names import PREFIX, canonical_names
from harness.models.adapters.placing import as_peft_loads, hollow, put_on_skeleton
from harness.models.architecture import reached_by_text


@dataclass(frozen=True)
class StackedParameter:
    """A parameter that holds one matrix for each of several experts, with one LoRA pair for all: ranks are stacked in it."""

    name: str
    experts: int


def stacked_parameters(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> dict[str, StackedParameter]:
    """Module that PEFT wraps -> the parameter it adapts there, for adapters with `target_parameters`; else empty.

    Wrappers of several parameters of one module lie in each other: `mlp.experts` and `mlp.experts.base_layer`.

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
    """
    from peft.tuners.lora.layer import ParamWrapper

    if not read_adapter_config(adapter).get("target_parameters"):
        return {}
    wrapped, _, _ = put_on_skeleton(adapter, base, trust_remote_code=trust_remote_code)
    return {
        name: StackedParameter(f"{name.replace('.base_layer', '')}.{module.parameter_name}", module.num_experts)
        for name, module in wrapped.get_base_model().named_modules()
        if isinstance(module, ParamWrapper)
    }


def fixed_tensors(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> set[str]:
    """Tensors, by PEFT's names, that its method saves and never trains, such as projections and zeros in place of a part.

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
    """
    wrapped, wanted, _ = put_on_skeleton(adapter, base, trust_remote_code=trust_remote_code)
    parameters = {name.replace(".default", "") for name, _ in wrapped.named_parameters()}
    buffers = {name.replace(".default", "") for name, _ in wrapped.named_buffers()}
    return {name for name in wanted if name in buffers - parameters}


def out_of_reach(adapter: Path, base: Path, names: Collection[str], *, trust_remote_code: bool = False) -> set[str]:
    """Of tensors in the adapter's file, those of modules that text alone does not pass through (encoders of images).

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
    """
    reached = reached_by_text(base, trust_remote_code=trust_remote_code)
    if reached is None or not names:
        return set()
    wrapped, _, _ = put_on_skeleton(adapter, base, trust_remote_code=trust_remote_code)
    headers, canonical = adapter_headers(adapter), canonical_names(adapter / WEIGHTS)
    stored = hollow({canonical[name]: header.shape for name, header in headers.items()})
    loaded_names = {id(tensor): name for name, tensor in as_peft_loads(wrapped, stored).items()}  # renamed, not copied
    loaded = {name: loaded_names.get(id(stored[canonical[name]]), canonical[name]) for name in names}
    return {name for name, as_loaded in loaded.items() if not reached(as_loaded.removeprefix(PREFIX))}
