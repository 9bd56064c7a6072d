"""A recipe: the YAML file that says how an adapter is trained. Checked in full without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from harness.errors import RecipeError
from harness.training.declared import accepts, lora_fields, sft_fields, type_names
from harness.training.fields import Fields
from harness.training.policy import peft_objection, trainer_objection
from harness.yaml_text import parse_yaml

Quantization = Literal["none", "nf4"]
_QUANTIZATIONS = ("none", "nf4")


@dataclass(frozen=True)
class DataFile:
    """One data file.

    Attributes:
        path: as written in the recipe; relative paths start at the recipe's root.
        layout: layout name known to `harness.tasks.readers`, or `auto`.
        limit: rows to draw at random (by the data seed), keeping file order; None takes all.
    """

    path: str
    layout: str = "auto"
    limit: int | None = None


@dataclass(frozen=True)
class RecipeData:
    """What is trained on and what the checkpoints are judged on.

    Attributes:
        rehearsal: general rows mixed into the training rows so that the model keeps what it knew: answers of the base
            itself are best. None mixes nothing in.
        validation: a file of its own, or None.
        split: share of `train` held out for validation instead; None where `validation` is given, or for neither.
        seed: draws `limit` and `split`.
    """

    train: DataFile
    rehearsal: DataFile | None = None
    validation: DataFile | None = None
    split: float | None = None
    seed: int = 0

    def files(self) -> dict[str, DataFile]:
        """The files given, by what they are for."""
        files = {"train": self.train, "rehearsal": self.rehearsal, "validation": self.validation}
        return {role: file for role, file in files.items() if file is not None}


@dataclass(frozen=True)
class Recipe:
    """How to train an adapter.

    Attributes:
        base: model spec, resolved by the caller.
        peft: arguments of `peft.LoraConfig`.
        trainer: arguments of `trl.SFTConfig`.
        early_stopping_patience: evaluations without a lower eval_loss before training stops; None never stops early.
        root: directory that relative data paths start at; not part of the recipe's content.
    """

    name: str
    base: str
    data: RecipeData
    method: Literal["sft"] = "sft"
    quantization: Quantization = "none"
    peft: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)
    early_stopping_patience: int | None = None
    root: Path = field(default=Path(), compare=False)

    @property
    def has_validation(self) -> bool:
        """Whether checkpoints can be judged."""
        return self.data.validation is not None or self.data.split is not None

    def resolve(self, file: DataFile) -> Path:
        """Absolute path of a data file."""
        return (self.root / file.path).resolve()

    def to_json(self) -> dict[str, Any]:
        """The recipe's content as JSON: everything but `root`."""
        files = {role: vars(file) for role, file in self.data.files().items()}
        data = {**files, "split": self.data.split, "seed": self.data.seed}
        return {
            "name": self.name,
            "base": self.base,
            "method": self.method,
            "quantization": self.quantization,
            "peft": dict(self.peft),
            "data": data,
            "trainer": dict(self.trainer),
            "early_stopping_patience": self.early_stopping_patience,
        }


_KEYS = ("base", "method", "quantization", "peft", "data", "trainer", "early_stopping_patience")


def load_recipe(path: Path, *, root: Path) -> Recipe:
    """Read and check a recipe.

    Args:
        root: directory that relative data paths start at (the one that holds `fixtures/`).

    Raises:
        RecipeError: the file is missing or not YAML, a key is unknown, a value has the wrong type, or an
            argument would break what the harness relies on.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {path}: {error}", "check the path given for the recipe") from error
    file = path.name
    top = Fields(file, "", parse_yaml(text, file, RecipeError), _KEYS)
    recipe = Recipe(
        name=path.stem,
        base=top.require("base", str),
        method=_choice(top, "method", ("sft",), "sft"),
        quantization=cast(Quantization, _choice(top, "quantization", _QUANTIZATIONS, "none")),
        peft=_peft(file, top.get("peft", dict, {})),
        data=_data(file, top.require("data", dict)),
        trainer=_trainer(file, top.get("trainer", dict, {})),
        early_stopping_patience=_positive(top, "early_stopping_patience"),
        root=root,
    )
    _check_consistency(file, recipe)
    return recipe


def _choice(fields: Fields, key: str, choices: tuple[str, ...], default: str) -> Any:
    value = fields.get(key, str, default)
    if value not in choices:
        fields.reject(key, f"expected one of: {', '.join(choices)}")
    return value


def _positive(fields: Fields, key: str) -> int | None:
    value = fields.get(key, int)
    if value is not None and value < 1:
        fields.reject(key, "expected at least 1")
    return cast("int | None", value)


def _peft(file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    declared = lora_fields()
    fields = Fields(file, "peft", values, declared)
    for key, value in values.items():
        if not accepts(declared[key], value):
            fields.reject(key, f"peft.LoraConfig takes {type_names(declared[key])}")
        if objection := peft_objection(key, value):
            fields.reject(key, f"not allowed: {objection}", f"remove `{key}`")
    return dict(values)


def _trainer(file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    declared = sft_fields()
    fields = Fields(file, "trainer", values, declared)
    for key, value in values.items():
        if not accepts(declared[key], value):
            fields.reject(key, f"trl.SFTConfig takes {type_names(declared[key])}")
        if objection := trainer_objection(key):
            fields.reject(key, f"not for a recipe to set: {objection}", f"remove `{key}`")
    return dict(values)


def _data(file: str, values: Mapping[str, Any]) -> RecipeData:
    fields = Fields(file, "data", values, ("train", "rehearsal", "validation", "split", "seed"))
    rehearsal = fields.get("rehearsal", dict)
    validation = fields.get("validation", dict)
    split = fields.get("split", (float, int))
    if split is not None and not 0 < split < 1:
        fields.reject("split", "expected a share between 0 and 1", "0.1 holds out a tenth of the training rows")
    if split is not None and validation is not None:
        fields.reject("split", "data.validation is given too", "keep one of the two")
    return RecipeData(
        train=_data_file(file, "data.train", fields.require("train", dict)),
        rehearsal=_data_file(file, "data.rehearsal", rehearsal) if rehearsal is not None else None,
        validation=_data_file(file, "data.validation", validation) if validation is not None else None,
        split=split,
        seed=fields.get("seed", int, 0),
    )


def _data_file(file: str, where: str, values: Mapping[str, Any]) -> DataFile:
    fields = Fields(file, where, values, ("path", "layout", "limit"))
    return DataFile(fields.require("path", str), fields.get("layout", str, "auto"), _positive(fields, "limit"))


def _check_consistency(file: str, recipe: Recipe) -> None:
    if recipe.has_validation:
        if recipe.trainer.get("eval_strategy", "epoch") == "no":
            _refuse(f"{file}: trainer.eval_strategy is 'no' but data gives validation rows", "remove one of the two")
        return
    if recipe.early_stopping_patience is not None:
        _refuse(f"{file}: early_stopping_patience needs validation data", "add `data.validation` or `data.split`")
    if recipe.trainer.get("eval_strategy", "no") != "no":
        _refuse(f"{file}: trainer.eval_strategy needs validation data", "add `data.validation` or `data.split`")


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise RecipeError(problem, remedy)
