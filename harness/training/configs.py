"""Configurations of TRL and PEFT: a recipe's arguments, completed for this machine."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError
from harness.training.arguments import CHECKPOINTING, KEPT_IN_A_CACHE, LOSS_SWITCHES
from harness.training.launch import Launch, share_of_batch
from harness.training.log import VALIDATION
from harness.training.methods import TrlMethod
from harness.training.recipe import Recipe
from harness.training.staged import AnyRecipe

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig


def trainer_config(recipe: Recipe, checkpoints: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The configuration of the method's trainer: the recipe's arguments, under what the harness and the device decide.

    With validation rows the best checkpoint is kept and saving follows evaluation; without, the last one is.
    Rows of answers to learn arrive cut and labelled, so that of those `max_length` reaches TRL only for packing.

    Raises:
        RecipeError: TRL refuses an argument.
    """
    method = recipe.by_trl
    arguments: dict[str, Any] = {"save_total_limit": 2, "report_to": "none", **method.arguments, **recipe.trainer}
    arguments |= {"output_dir": str(checkpoints), "disable_tqdm": True, "use_cpu": device.type == "cpu"}
    if "fp16" not in recipe.trainer and "bf16" not in recipe.trainer:
        # On CPU the weights are bfloat16 already; autocast would only add casts.
        arguments["bf16"] = device.type == "cuda" and str(dtype) == "torch.bfloat16"
    if device.type != "cuda":
        arguments["dataloader_pin_memory"] = False
    if recipe.peft_type in KEPT_IN_A_CACHE:
        arguments |= dict.fromkeys(CHECKPOINTING, False)
    if recipe.launch is not None:
        arguments |= _launched(recipe, recipe.launch, device)
    if method.rows == "conversations":
        arguments = {key: value for key, value in arguments.items() if key not in LOSS_SWITCHES}
        if not arguments.get("packing"):
            arguments["max_length"] = None
    if recipe.has_validation and method.best is not None:
        arguments.setdefault("eval_strategy", "epoch")
        metric, highest = method.best
        arguments |= {
            "save_strategy": arguments["eval_strategy"],
            "load_best_model_at_end": True,
            "metric_for_best_model": metric if recipe.data.rehearsal is None else f"eval_{VALIDATION}_loss",
            "greater_is_better": highest,
        }
        if method.rows == "conversations":
            arguments["prediction_loss_only"] = True
        if "eval_steps" in arguments:
            arguments["save_steps"] = arguments["eval_steps"]
    try:
        return config_class(method)(**arguments)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: trainer: {error}", "correct the argument it names") from error


def _launched(recipe: Recipe, launch: Launch, device: torch.device) -> dict[str, Any]:
    """What one of its processes is told: how it works with the others, and its part of a batch."""
    rows, accumulation = share_of_step(recipe, launch)
    return {
        **launch.arguments(is_cast=device.type == "cuda"),  # where `bf16` or `fp16` tells it to
        **({"ddp_backend": "gloo"} if device.type == "cpu" else {}),
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": accumulation,
    }


def share_of_step(recipe: Recipe, launch: Launch) -> tuple[int, int]:
    """Rows and accumulated batches of one process.

    Raises:
        RecipeError: as `share_of_batch`.
    """
    defaults, names = config_class(recipe.by_trl), ("per_device_train_batch_size", "gradient_accumulation_steps")
    rows, accumulation = (recipe.trainer.get(name, getattr(defaults, name)) for name in names)
    return share_of_batch(recipe.name, launch, rows, accumulation)


def config_class(method: TrlMethod) -> Any:
    """The class of its configuration, from where the installed TRL keeps it."""
    return getattr(_module(f"{method.home}_config"), method.config.name)


def trainer_class(method: TrlMethod) -> Any:
    """The class of its trainer, which takes rows in tokens.

    Raises:
        RecipeError: the installed TRL tokenises by other methods than are replaced here.
    """
    found = getattr(_module(f"{method.home}_trainer"), f"{method.trainer}Trainer")
    if missing := [name for name in method.replaced if not hasattr(found, name)]:
        raise RecipeError(
            f"method {method.name}: {found.__name__} of TRL {version('trl')} has no {missing[0]}",
            "install the TRL that this package names",
        )
    return type(found.__name__, (found,), dict(method.replaced)) if method.replaced else found


def _module(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        return import_module(name)


def peft_config(recipe: Recipe, base_path: str) -> PeftConfig | None:
    """The adapter's configuration; None where all weights are trained. Prompts that start as a text do so in the base's tokens.

    Raises:
        RecipeError: PEFT refuses an argument.
    """
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    if recipe.trains_whole:
        return None
    arguments = {key: value for key, value in recipe.peft_arguments.items() if key != "peft_type"}
    if "prompt_tuning_init_text" in arguments:
        arguments.setdefault("tokenizer_name_or_path", base_path)
    try:
        return PEFT_TYPE_TO_CONFIG_MAPPING[recipe.peft_type](task_type=recipe.by_trl.task_type, **arguments)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: peft: {error}", "correct the argument it names") from error


def learning_rate(recipe: Recipe) -> float:
    """Its own, or that which the installed configuration has for a default."""
    said = recipe.trainer.get("learning_rate")
    return float(config_class(recipe.by_trl).learning_rate if said is None else said)


def max_length_tokens(recipe: Recipe) -> int | None:
    """Where its rows are cut: the recipe's `max_length`, or that which the installed configuration has for a default."""
    given: int | None
    if "max_length" in recipe.trainer:  # else TRL, which takes seconds to import
        given = recipe.trainer["max_length"]
    else:
        given = getattr(config_class(recipe.by_trl), "max_length", None)
    return given


def longest_max_length(recipe: AnyRecipe) -> int | None:
    """The longest of its stages; None where one of them cuts nothing."""
    bounds = [max_length_tokens(one) for one in recipe.parts]
    return None if None in bounds else max(bound for bound in bounds if bound is not None)
