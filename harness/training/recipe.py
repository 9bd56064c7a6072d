"""A recipe: the YAML file that says what is trained, and how. Checked in full without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.config.base import Section
from harness.config.checking import check, location
from harness.config.yaml_text import parse_yaml
from harness.errors import Complaints, RecipeError
from harness.paths import read_text_file
from harness.training.arguments import LORA, UNTRAINABLE, peft_arguments, trainer_arguments
from harness.training.installed import peft_configs
from harness.training.methods import API_METHODS, METHODS
from harness.training.recipe_data import DataFile as DataFile
from harness.training.recipe_data import RecipeData as RecipeData
from harness.training.recipe_file import Quantization as Quantization
from harness.training.recipe_file import RecipeFile as RecipeFile


class Recipe(RecipeFile):
    """How to train an adapter, by its name.

    Attributes:
        root: directory that relative data paths start at; not part of the recipe's content.
        tasks: those under `tasks:` of assay.yaml, for files that name one; likewise.
    """

    name: str
    root: Path = Path()
    tasks: Mapping[str, Mapping[str, Any]] = Field(default={})

    def resolve(self, file: DataFile) -> Path:
        """Absolute path of a data file."""
        return (self.root / file.path).resolve()

    def with_training_rows(self, limit: int) -> Recipe:
        """The same with so many training rows at the most."""
        train = self.data.train.model_copy(update={"limit": limit})
        return self.model_copy(update={"data": self.data.model_copy(update={"train": train})})

    def to_json(self) -> dict[str, Any]:
        """The recipe's content as JSON: everything but `root`. The cache of adapters knows a recipe by it."""
        files = {  # "layout" as ever: cached adapters are known by these words
            role: {
                "path": file.path,
                **({"task": file.task} if file.task is not None else {}),
                "layout": file.format,
                "limit": file.limit,
            }
            for role, file in self.data.files().items()
        }
        rewards = {key: list(value) for key in ("grader", "reward") if (value := getattr(self, key))}
        return {
            "name": self.name,
            **{key: getattr(self, key) for key in ("base", "method", "quantization")},
            "peft": self.peft if isinstance(self.peft, str) else dict(self.peft),
            **rewards,
            "data": {**files, "split": self.data.split, "seed": self.data.seed, "train_on": self.data.train_on},
            "trainer": dict(self.trainer),
            "early_stopping_patience": self.early_stopping_patience,
        }


def load_recipe(path: Path, *, root: Path, tasks: Mapping[str, Mapping[str, Any]] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        root: directory that relative data paths start at (the one that holds `fixtures/`).
        tasks: as `tasks:` of assay.yaml has them, for recipes that name one.

    Raises:
        RecipeError: the file is missing or not YAML, a key is unknown, a value has the wrong type, or an
            argument would break what the harness relies on.
    """
    text = read_text_file(path, RecipeError, "check the path given for the recipe")
    said = check(RecipeFile, parse_yaml(text, path.name, RecipeError), location(path.name), RecipeError)
    complaints = Complaints()
    with complaints.noting():
        check(peft_arguments(said.peft_type), said.peft_arguments, location(path.name, "peft"), RecipeError)
    with complaints.noting():
        check(trainer_arguments(said.how), said.trainer, location(path.name, "trainer"), RecipeError)
    complaints.tell(RecipeError)
    given = {key: getattr(said, key) for key in said.model_fields_set}
    return Recipe(**given, name=path.stem, root=root, tasks=tasks or {})


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, with the arguments of the installed PEFT and TRL; others may have more."""
    schema = RecipeFile.schema_for_editors()
    kinds = sorted(peft_configs(), key=lambda kind: (kind != LORA, kind))
    peft = _any_of([peft_arguments(kind) for kind in kinds if kind not in UNTRAINABLE])
    mapping, whole = schema["properties"]["peft"]["anyOf"]
    schema["properties"]["peft"]["anyOf"] = [{**mapping, "type": ["object", "null"], "properties": peft}, whole]
    schema["properties"]["trainer"]["properties"] = _any_of(
        [trainer_arguments(one) for one in (*METHODS.values(), *API_METHODS.values())]
    )
    return schema


def _any_of(sections: Sequence[type[Section]]) -> dict[str, Any]:
    """The arguments of all; one that several have may be what any of them takes."""
    found: dict[str, dict[str, Any]] = {}
    for section in sections:
        for name, said in section.schema_for_editors()["properties"].items():
            before = found.setdefault(name, said)
            kinds = [kind for one in (before, said) for kind in one.get("type", ())]
            untyped = not before.get("type") or not said.get("type")
            found[name] = {key: value for key, value in before.items() if key != "type"} | (
                {} if untyped else {"type": list(dict.fromkeys(kinds))}
            )
    return found


def find_recipe(name: str, root: Path, tasks: Mapping[str, Mapping[str, Any]] | None = None) -> Recipe:
    """The recipe of that name in `root/fixtures/recipes`, or the one at that path.

    Args:
        name: "tool-calls-qlora", or the path of a YAML file.
        root: directory that relative data paths in the recipe start at.
        tasks: as `tasks:` of assay.yaml has them, for recipes that name one.
    """
    recipes = root / "fixtures" / "recipes"
    for path in (recipes / f"{name}.yaml", root / name, Path(name)):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return load_recipe(path, root=root, tasks=tasks)
    known = ", ".join(sorted(path.stem for path in recipes.glob("*.yaml")))
    raise RecipeError(
        f"recipe {name!r} is unknown", f"choose one of: {known}" if known else f"put NAME.yaml into {recipes}"
    )
