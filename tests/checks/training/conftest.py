"""A recipe small enough to train in a second on the tiny model."""

from small_recipe import MakeRecipe, make_recipe

__all__ = ["MakeRecipe", "make_recipe"]
