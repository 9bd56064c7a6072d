"""A recipe of several trainings, each going on from what the one before left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import RecipeError, nearest
from harness.training.arguments import LORA
from harness.training.installed import declared_fields, peft_configs
from harness.training.recipe import Recipe
from harness.training.recipe_file import Quantization
from harness.training.stage_file import GoesOn

NOT_STACKED = ("use_dora", "lora_bias", "trainable_token_indices", "modules_to_save", "target_parameters")
"""Arguments of LoRA whose adapters PEFT combines with no others."""

LOWER_RATE = 0.1
"""Of the learning rate of the stage before, where a later stage says none."""


@dataclass(frozen=True)
class Stage:
    """One of the trainings.

    Attributes:
        recipe: how it trains, called RECIPE@STAGE; its learning rate is always there from the second stage on.
        goes_on: how, from the stage before; None of the first one.
        rate_before: learning rate of the stage before, of which its own is a part because it says none; else None.
    """

    name: str
    recipe: Recipe
    goes_on: GoesOn | None = None
    rate_before: float | None = None

    def describe(self) -> str:
        """What it does with what, for people."""
        told = f"stage {self.name}: method {self.recipe.method}{f', {self.goes_on}' if self.goes_on else ''}"
        if self.rate_before is None:
            return told
        return (
            f"{told}; it says no learning_rate, and later stages train at {LOWER_RATE:g} of the rate before "
            f"({self.rate_before:g}): {self.recipe.trainer['learning_rate']:g}"
        )


@dataclass(frozen=True)
class StagedRecipe:
    """How to train an adapter, or a whole model, in stages.

    Attributes:
        gated: names of the stages after which health is checked before the training goes on.
    """

    name: str
    base: str
    quantization: Quantization
    stages: Sequence[Stage]
    gated: Sequence[str] = ()

    @property
    def parts(self) -> Sequence[Recipe]:
        """The recipes of its stages."""
        return [stage.recipe for stage in self.stages]

    @property
    def described(self) -> Sequence[Sequence[str]]:
        """Of each training what its keys do not say."""
        return [[stage.describe()] for stage in self.stages]

    @property
    def is_provided(self) -> bool:
        """Stages are trained here."""
        return False

    @property
    def trains_whole(self) -> bool:
        """Whether a whole model comes of it, and no adapter on the base."""
        return any(stage.recipe.trains_whole or stage.goes_on == "merged" for stage in self.stages)

    def with_training_rows(self, limit: int) -> StagedRecipe:
        """The same with so many rows of each file of training rows at the most."""
        stages = [replace(stage, recipe=stage.recipe.with_training_rows(limit)) for stage in self.stages]
        return replace(self, stages=stages)

    def on(self, base: str) -> StagedRecipe:
        """The same on a base that is called so."""
        stages = [replace(one, recipe=one.recipe.on(base)) for one in self.stages]
        return replace(self, base=base, stages=stages)

    def up_to(self, name: str) -> StagedRecipe:
        """The same, ending after the stage of that name.

        Raises:
            RecipeError: it has no such stage.
        """
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise RecipeError(f"recipe {self.name!r} has no stage {name!r}", nearest(name, names))
        kept = self.stages[: names.index(name) + 1]
        return replace(
            self,
            name=f"{self.name}@{name}",
            stages=kept,
            gated=[one for one in self.gated if one in names[: len(kept)]],
        )

    def to_json(self) -> dict[str, Any]:
        """The recipe's content as JSON."""
        return {
            "name": self.name,
            "base": self.base,
            "quantization": self.quantization,
            "stages": [{**one.recipe.to_json(), "name": one.name, "from": one.goes_on} for one in self.stages],
            "gate": {"after": list(self.gated)},
        }


AnyRecipe = Recipe | StagedRecipe


def default_way(before: Recipe, recipe: Recipe) -> GoesOn:
    """How a stage goes on that does not say."""
    if before.trains_whole or recipe.trains_whole:
        return "merged"
    return "continued" if _peft(before) == _peft(recipe) else "stacked"


def check_way(stages: Sequence[Stage]) -> None:
    """Refuse a last stage that cannot go on so from those before it.

    Raises:
        RecipeError: it cannot.
    """
    *_, before, stage = stages
    recipe, way = stage.recipe, stage.goes_on
    if recipe.by_trl.task_type != before.recipe.by_trl.task_type:
        raise RecipeError(
            f"method {recipe.method} after method {before.recipe.method}: a reward model writes no text, and nothing goes on "
            "from it or to it",
            "train it by a recipe of its own",
        )
    if way == "continued":
        _check_continued(before.recipe, recipe)
        return
    if recipe.quantization != "none":
        raise RecipeError(
            f"from is {way!r}, which merges the stages before into the base, and quantization is {recipe.quantization!r}: merged "
            "and packed anew they would be other weights than were trained on",
            "write `from: continued` (with the `peft:` of the stage before), or `quantization: none`",
        )
    if way == "stacked":
        for one in stages:
            _check_stacked(one)
    for one in stages[:-1]:
        _check_mergeable(one)


def _check_continued(before: Recipe, recipe: Recipe) -> None:
    if before.trains_whole != recipe.trains_whole or _peft(before) != _peft(recipe):
        raise RecipeError(
            "from is 'continued', which trains the adapter of the stage before on, and `peft:` is another",
            "leave `peft:` out, or write `from: stacked` or `from: merged`, which train a new adapter",
        )
    if not recipe.by_trl.continues:
        raise RecipeError(
            f"from is 'continued', and {recipe.by_trl.trainer}Trainer would hold the model against the base, not against what "
            "the stage before left",
            "write `from: stacked` or `from: merged`",
        )


def _check_stacked(stage: Stage) -> None:
    said = {key: value for key, value in stage.recipe.peft_arguments.items() if value}
    kind = "none" if stage.recipe.trains_whole else stage.recipe.peft_type
    other = next((f"{key}: {said[key]}" for key in NOT_STACKED if key in said), None)
    if kind != LORA or other is not None:
        raise RecipeError(
            f"from is 'stacked', and stage {stage.name} trains with `peft: {other or kind}`, whose adapters PEFT cannot add up",
            "write `from: merged`, which ships a whole model, or train plain LoRA",
        )


def _check_mergeable(stage: Stage) -> None:
    config = None if stage.recipe.trains_whole else peft_configs()[stage.recipe.peft_type]
    if config is not None and "num_virtual_tokens" in declared_fields(config):
        raise RecipeError(
            f"stage {stage.name} trains virtual tokens ({stage.recipe.peft_type}), which can be merged into no weights",
            "write `from: continued`, or train LoRA there",
        )


def _peft(recipe: Recipe) -> Any:
    return recipe.peft if recipe.trains_whole else {"peft_type": LORA, **recipe.peft_arguments}
