"""Recipe -> adapter, by TRL and PEFT."""

from harness.moved import moved
from harness.training.cache import TrainedAdapter, train
from harness.training.log import TrainingLog, TrainingSummary
from harness.training.recipe import DataFile, Recipe
from harness.training.recipe_data import RecipeData
from harness.training.recipe_files import load_recipe

__all__ = [
    "DataFile",
    "Recipe",
    "RecipeData",
    "TrainedAdapter",
    "TrainingLog",
    "TrainingSummary",
    "load_recipe",
    "train",
]

__getattr__ = moved(__name__, {"health": "harness.checks.training.health"})
