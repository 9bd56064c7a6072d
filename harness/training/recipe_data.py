"""What a recipe may say of the rows that it trains on, and of what that may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config.base import Count, Section, Text, objection
from harness.tasks.formats import AUTO

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RecipePart(Section):
    """A mapping of a recipe: a key without a value is not given."""

    null_is_absent = True


class DataFile(RecipePart):
    """One data file."""

    renamed: ClassVar[Mapping[str, str]] = {"layout": "format"}

    path: Text
    """as written in the recipe; relative paths start at the recipe's root"""
    task: Text | None = None
    """a task of assay.yaml: its prompt is put to each row, system prompt and examples and all, and its right answer is
    learnt, or what is answered is graded as by it (`grader`), so that what is trained on is what is asked"""
    format: Text = AUTO
    """format of rows of answers to learn, or auto, which finds it out; text is plain text, which is learnt whole. Other methods
    tell rows by their columns"""
    limit: Count | None = None
    """rows to draw at random (by the data seed), keeping file order; null takes all"""
    weight: Positive = 1.0
    """how often a pass over the training rows sees each of this file's: 2 twice, 0.5 half of them, drawn at random (by the
    data seed)"""
    rejected: Literal["generated"] | None = None
    """of answers to learn, where a method learns from pairs: generated puts beside each the answer that the model itself gives
    before it is trained (self-play, SPIN)"""

    @model_validator(mode="after")
    def _one_reading(self) -> DataFile:
        if self.task is not None and self.format != AUTO:
            raise objection(
                f"format is {self.format!r}, and the task {self.task!r} says how rows are read", "keep one of the two"
            )
        return self


class RecipeData(RecipePart):
    """What is trained on and what the checkpoints are judged on."""

    train: DataFile | Sequence[DataFile]
    """rows trained on; of several files those of all, each by its `weight`"""
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
        if not self.train_files:
            raise objection("train is an empty list", "name a file")
        if self.validation is not None and self.validation.weight != 1:
            raise objection(
                f"validation.weight is {self.validation.weight:g}, and each row is judged on once", "remove it"
            )
        if self.split is not None and self.validation is not None:
            raise objection(f"split is {self.split}, and data.validation is given too", "keep one of the two")
        return self

    @property
    def train_files(self) -> Sequence[DataFile]:
        """The files of rows trained on."""
        return [self.train] if isinstance(self.train, DataFile) else self.train

    def files(self) -> dict[str, DataFile]:
        """The files given, by their keys: `train`, or `train.0` and so on where they are several."""
        several = not isinstance(self.train, DataFile)
        train = {f"train.{place}" if several else "train": file for place, file in enumerate(self.train_files)}
        others = {"rehearsal": self.rehearsal, "validation": self.validation}
        return train | {role: file for role, file in others.items() if file is not None}


class Limits(RecipePart):
    """What a training that costs money may take at the most."""

    tokens: Annotated[int, Field(ge=1)]
    """tokens that may be trained on, in all epochs together, by an estimate that is rather too high"""
    price: Positive | None = None
    """what the provider asks for a million tokens trained on"""
    cost: Positive | None = None
    """what the training may cost, at that price"""
    hours: Positive = 24.0
    """that its job is waited for, queue and all; it goes on after them, and the next call follows it"""

    @model_validator(mode="after")
    def _cost_has_a_price(self) -> Limits:
        if self.cost is not None and self.price is None:
            raise objection(f"cost is {self.cost:g}, and no price is given", "add `price:`, of a million tokens")
        return self
