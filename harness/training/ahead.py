"""What is wrong with a recipe that shows before its turn: a chain of stages should not find it after hours of training."""

from __future__ import annotations

from pathlib import Path

from harness.models.device import choose_device, choose_dtype
from harness.training.configs import peft_config, share_of_step, trainer_config
from harness.training.drawing import of_role, weighed_examples
from harness.training.recipe import Recipe
from harness.training.rewards import rewards_of

_ANY_TOKEN = 0


def check_ahead(recipe: Recipe, base_path: str) -> None:
    """Put a recipe together as far as it needs no model: arguments, rows and rewards.

    Args:
        base_path: directory of the base, or of what its tokenizer is that of.

    Raises:
        RecipeError: TRL or PEFT refuses an argument, a reward is not there, or batches cannot be divided.
        DataError: a data file is missing or malformed.
    """
    device = choose_device()
    if recipe.launch is not None:
        share_of_step(recipe, recipe.launch)
    alone = recipe.model_copy(update={"launch": None})  # a configuration of several processes waits for the others
    trainer_config(alone, Path("checkpoints"), device, choose_dtype(device))
    peft_config(recipe, base_path)
    drawn = weighed_examples(recipe)
    rewards_of(recipe, [*of_role(drawn, "train"), *of_role(drawn, "validation")], _ANY_TOKEN)
