"""A recipe: the YAML file that says how an adapter is trained. Checked in full without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config.base import Count, Named, Section, Text, objection
from harness.config.checking import check, location
from harness.config.yaml_text import parse_yaml
from harness.errors import Complaints, RecipeError
from harness.paths import read_text_file
from harness.tasks.formats import AUTO
from harness.training.arguments import PEFT_METHODS, peft_arguments, trainer_arguments

Quantization = Literal["none", "nf4"]


class _RecipePart(Section):
    null_is_absent = True


class DataFile(_RecipePart):
    """One data file."""

    renamed: ClassVar[Mapping[str, str]] = {"layout": "format"}

    path: Text
    """as written in the recipe; relative paths start at the recipe's root"""
    task: Text | None = None
    """a task of assay.yaml: its prompt is put to each row, system prompt and examples and all, and its right answer is
    learnt, so that what is trained on is what is asked"""
    format: Text = AUTO
    """format of the rows, known to `harness.tasks.formats`, or auto, which finds it out"""
    limit: Count | None = None
    """rows to draw at random (by the data seed), keeping file order; null takes all"""

    @model_validator(mode="after")
    def _one_reading(self) -> DataFile:
        if self.task is not None and self.format != AUTO:
            raise objection(
                f"format is {self.format!r}, and the task {self.task!r} says how rows are read", "keep one of the two"
            )
        return self


class RecipeData(_RecipePart):
    """What is trained on and what the checkpoints are judged on."""

    train: DataFile
    """rows trained on"""
    rehearsal: DataFile | None = None
    """general rows mixed into the training rows so that the model keeps what it knew: answers of the base itself are
    best. null mixes nothing in"""
    validation: DataFile | None = None
    """rows that checkpoints are judged on"""
    split: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of `train` held out for validation instead: 0.1 holds out a tenth of the training rows"""
    train_on: Literal["all", "last"] = "all"
    """answers of a conversation that are learnt: all that the rows do not mark otherwise (weight, train), or the last one"""
    seed: int = 0
    """draws `limit` and `split`"""

    @model_validator(mode="after")
    def _one_validation(self) -> RecipeData:
        if self.split is not None and self.validation is not None:
            raise objection(f"split is {self.split}, and data.validation is given too", "keep one of the two")
        return self

    def files(self) -> dict[str, DataFile]:
        """The files given, by what they are for."""
        files = {"train": self.train, "rehearsal": self.rehearsal, "validation": self.validation}
        return {role: file for role, file in files.items() if file is not None}


class RecipeFile(_RecipePart):
    """How to train an adapter."""

    migrated_by = "assay migrate --recipe"

    base: Text
    """model spec: a hub id, a local directory or smollm2-135m"""
    method: Literal["sft"] = "sft"
    """supervised fine-tuning on conversations; the loss counts the answers alone"""
    quantization: Quantization = "none"
    """of the base while training"""
    peft: Named[Any] = Field(default={})
    """arguments of `peft.LoraConfig`"""
    data: RecipeData
    """rows trained on, and rows that checkpoints are judged on"""
    trainer: Named[Any] = Field(default={})
    """arguments of `trl.SFTConfig`"""
    early_stopping_patience: Count | None = None
    """evaluations without a lower eval_loss before training stops; null never stops early"""

    @property
    def has_validation(self) -> bool:
        """Whether checkpoints can be judged."""
        return self.data.validation is not None or self.data.split is not None

    @property
    def peft_type(self) -> str:
        """The PEFT method, one of `PEFT_METHODS`."""
        return str(self.peft.get("peft_type", next(iter(PEFT_METHODS))))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RecipeFile:
        if self.peft_type not in PEFT_METHODS:
            raise objection(f"peft.peft_type is {self.peft_type!r}", f"choose one of: {', '.join(PEFT_METHODS)}")
        strategy = self.trainer.get("eval_strategy")
        if self.has_validation and strategy == "no":
            raise objection("trainer.eval_strategy is 'no' but data gives validation rows", "remove one of the two")
        if self.has_validation:
            return self
        if self.early_stopping_patience is not None:
            raise objection("early_stopping_patience needs validation data", "add `data.validation` or `data.split`")
        if strategy not in (None, "no"):
            raise objection("trainer.eval_strategy needs validation data", "add `data.validation` or `data.split`")
        return self


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
        return {
            "name": self.name,
            **{key: getattr(self, key) for key in ("base", "method", "quantization")},
            "peft": dict(self.peft),
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
        check(peft_arguments(said.peft_type), said.peft, location(path.name, "peft"), RecipeError)
    with complaints.noting():
        check(trainer_arguments(), said.trainer, location(path.name, "trainer"), RecipeError)
    complaints.tell(RecipeError)
    given = {key: getattr(said, key) for key in said.model_fields_set}
    return Recipe(**given, name=path.stem, root=root, tasks=tasks or {})


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, with the arguments of the installed PEFT and TRL; others may have more."""
    schema = RecipeFile.schema_for_editors()
    parts = {"peft": [peft_arguments(one) for one in PEFT_METHODS], "trainer": [trainer_arguments()]}
    for key, sections in parts.items():
        arguments = [section.schema_for_editors()["properties"] for section in sections]
        schema["properties"][key]["properties"] = {name: one for each in arguments for name, one in each.items()}
    return schema


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
