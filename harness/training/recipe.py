"""A recipe: what is trained in one go, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.training.recipe_file import DataFile as DataFile
from harness.training.recipe_file import Quantization as Quantization
from harness.training.recipe_file import RecipeData as RecipeData
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
        cut = [file.model_copy(update={"limit": limit}) for file in self.data.train_files]
        train = cut[0] if isinstance(self.data.train, DataFile) else cut
        return self.model_copy(update={"data": self.data.model_copy(update={"train": train})})

    @property
    def parts(self) -> Sequence[Recipe]:
        """It is one training, where other recipes are several."""
        return [self]

    @property
    def described(self) -> Sequence[Sequence[str]]:
        """Of each training what its keys do not say."""
        return [()]

    def on(self, base: str) -> Recipe:
        """The same on a base that is called so."""
        return self.model_copy(update={"base": base})

    def to_json(self) -> dict[str, Any]:
        """The recipe's content as JSON: everything but `root`. The cache of adapters knows a recipe by it."""
        files = {  # "layout" as ever: cached adapters are known by these words
            role: {
                "path": file.path,
                **({"task": file.task} if file.task is not None else {}),
                "layout": file.format,
                "limit": file.limit,
                **({"weight": file.weight} if file.weight != 1 else {}),
                **({"rejected": file.rejected} if file.rejected is not None else {}),
            }
            for role, file in self.data.files().items()
        }
        rewards = {key: list(value) for key in ("grader", "reward") if (value := getattr(self, key))}
        return {
            "name": self.name,
            **{key: getattr(self, key) for key in ("base", "method", "quantization")},
            "peft": self.peft if isinstance(self.peft, str) else dict(self.peft),
            **rewards,
            **({"launch": self.launch.model_dump(exclude_none=True)} if self.launch is not None else {}),
            "data": {**files, "split": self.data.split, "seed": self.data.seed, "train_on": self.data.train_on},
            "trainer": dict(self.trainer),
            "early_stopping_patience": self.early_stopping_patience,
        }
