"""A training in several processes, as it is found after its start: that they really work together, and what they hold between
them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError
from harness.training.launch import Launch

if TYPE_CHECKING:
    import torch

_ALONE = "NO"


def check_distribution(accelerator: Any, launch: Launch) -> None:
    """Refuse a start that left each process by itself, or shares the work in another way than was asked for: neither says so.

    `accelerate launch --cpu --num_processes 2` is one process, and FSDP on CPUs is data parallelism.

    Raises:
        RecipeError: it is so.
    """
    found = str(accelerator.distributed_type).rpartition(".")[2]
    wanted = launch.way
    if accelerator.num_processes != launch.processes:
        raise RecipeError(
            f"launch.processes is {launch.processes}, and {accelerator.num_processes} train together ({found})",
            "let the recipe start them: run it without accelerate launch or torchrun around it",
        )
    together = found.startswith("MULTI_") or (found == _ALONE and launch.processes == 1)
    if not (found == wanted or (wanted == "MULTI" and together)):
        said = {"FSDP": "launch.fsdp", "DEEPSPEED": "launch.deepspeed"}.get(wanted, "launch")
        raise RecipeError(
            f"{said} was asked for, and accelerate shares the work as {found} on {accelerator.device.type}",
            "FSDP needs GPUs: take `fsdp:` out, or share by `deepspeed: {zero_optimization: {stage: 3}}`"
            if wanted == "FSDP"
            else "see that no ACCELERATE_ variable of the environment says otherwise",
        )


def whole_state(trainer: Any) -> Mapping[str, torch.Tensor] | None:
    """All parameters, put together of what the processes hold: empty in those that do not save. None in a training of one
    process, whose model has them.
    """
    if trainer.accelerator.num_processes == 1 and str(trainer.accelerator.distributed_type).endswith(_ALONE):
        return None
    state: Mapping[str, torch.Tensor] | None = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    return (state or {}) if trainer.accelerator.is_main_process else {}


def trained_in_float32(model: Any) -> None:
    """Have the adapter in float32 as one process has it: under ZeRO-3 TRL leaves it in the precision of the base (TRL issue
    6089), whose steps are too coarse for what a step changes."""
    cast = getattr(getattr(model, "base_model", None), "_cast_adapter_dtype", None)
    if cast is not None:
        cast(adapter_name=model.active_adapter, autocast_adapter_dtype=True)


@contextlib.contextmanager
def loaded_whole(arguments: Any) -> Iterator[None]:
    """While open, models are loaded whole, though ZeRO-3 will have them in parts: of parts nothing can be checked before the
    training, and no first forward made."""
    config = getattr(arguments, "hf_deepspeed_config", None)
    if config is None:
        yield
        return
    from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    try:
        yield
    finally:
        set_hf_deepspeed_config(config)
