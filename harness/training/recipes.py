"""Finding recipes by name. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import RecipeError

if TYPE_CHECKING:
    from harness.training import Recipe

RECIPES = Path("fixtures") / "recipes"


def find_recipe(name: str, root: Path) -> Recipe:
    """The recipe of that name in `root/fixtures/recipes`, or the one at that path.

    Args:
        name: "tool-calls-qlora", or the path of a YAML file.
        root: directory that relative data paths in the recipe start at.

    Raises:
        RecipeError: there is none, or it is malformed.
    """
    from harness.training import load_recipe

    for path in (root / RECIPES / f"{name}.yaml", root / name, Path(name)):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return load_recipe(path, root=root)
    known = ", ".join(sorted(p.stem for p in (root / RECIPES).glob("*.yaml")))
    raise RecipeError(
        f"recipe {name!r} is unknown", f"choose one of: {known}" if known else f"put NAME.yaml into {root / RECIPES}"
    )
