"""Configurations of TRL and PEFT: a recipe's arguments, completed for this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError
from harness.training.arguments import PEFT_METHODS
from harness.training.log import VALIDATION
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from trl import SFTConfig


def sft_config(recipe: Recipe, checkpoints: Path, device: torch.device, dtype: torch.dtype) -> SFTConfig:
    """The trainer's arguments: the recipe's own, under what the harness and the device decide.

    With validation rows the best checkpoint is kept and saving follows evaluation; without, the last one is.
    `max_length` reaches TRL only for packing, since rows arrive cut and counted.
    """
    from trl import SFTConfig

    arguments: dict[str, Any] = {"save_total_limit": 2, "report_to": "none", **recipe.trainer}
    arguments |= {"output_dir": str(checkpoints), "disable_tqdm": True, "use_cpu": device.type == "cpu"}
    if "fp16" not in recipe.trainer and "bf16" not in recipe.trainer:
        # On CPU the weights are bfloat16 already; autocast would only add casts.
        arguments["bf16"] = device.type == "cuda" and str(dtype) == "torch.bfloat16"
    if device.type != "cuda":
        arguments["dataloader_pin_memory"] = False
    if not arguments.get("packing"):
        arguments["max_length"] = None
    if recipe.has_validation:
        arguments.setdefault("eval_strategy", "epoch")
        arguments |= {
            "save_strategy": arguments["eval_strategy"],
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss" if recipe.data.rehearsal is None else f"eval_{VALIDATION}_loss",
            "greater_is_better": False,
            "prediction_loss_only": True,
        }
        if "eval_steps" in arguments:
            arguments["save_steps"] = arguments["eval_steps"]
    try:
        return SFTConfig(**arguments)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: trainer: {error}", "correct the argument it names") from error


def peft_config(recipe: Recipe) -> PeftConfig:
    """The adapter's configuration."""
    import peft

    try:
        return getattr(peft, PEFT_METHODS[recipe.peft_type].config)(task_type="CAUSAL_LM", **recipe.peft)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: peft: {error}", "correct the argument it names") from error


def max_length_tokens(recipe: Recipe) -> int | None:
    """The recipe's `max_length`, or the default of the installed `SFTConfig`."""
    given: int | None
    if "max_length" in recipe.trainer:
        given = recipe.trainer["max_length"]
    else:
        from trl import SFTConfig

        given = SFTConfig.max_length
    return given
