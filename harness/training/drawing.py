"""The examples of a recipe: its files' rows after limits, a split and weights."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.errors import RecipeError
from harness.tasks.formats import Example
from harness.training.reading import rows_of
from harness.training.recipe import DataFile, Recipe

Role = Literal["train", "rehearsal", "validation"]


@dataclass(frozen=True)
class Drawn:
    """Rows of one of a recipe's files that are trained or judged on, each once."""

    role: Role
    file: DataFile
    examples: list[Example]


def drawn_examples(recipe: Recipe) -> list[Drawn]:
    """The rows of every file of a recipe, after its limits and its split.

    Raises:
        RecipeError: the split leaves none to train on.
    """
    data = recipe.data
    train = [_read(recipe, file) for file in data.train_files]
    held_out = _held_out(recipe, train)
    parts = [
        Drawn("train", file, [one for place, one in enumerate(examples) if place not in out])
        for file, examples, out in zip(data.train_files, train, held_out, strict=True)
    ]
    if data.rehearsal is not None:
        parts.append(Drawn("rehearsal", data.rehearsal, _read(recipe, data.rehearsal)))
    if data.validation is not None:
        parts.append(Drawn("validation", data.validation, _read(recipe, data.validation)))
    if data.split is not None:
        for file, examples, out in zip(data.train_files, train, held_out, strict=True):
            parts.append(Drawn("validation", file, [examples[place] for place in sorted(out)]))
    return parts


def _held_out(recipe: Recipe, train: Sequence[Sequence[Example]]) -> list[set[int]]:
    """Of each file the places of the rows that the split holds out."""
    data, total = recipe.data, sum(map(len, train))
    if data.split is None:
        return [set() for _ in train]
    count = max(1, round(total * data.split))
    if count >= total:
        raise RecipeError(
            f"recipe {recipe.name!r}: data.split {data.split} of {total} rows leaves none to train on",
            "lower data.split or add rows",
        )
    chosen, first, places = set(random.Random(data.seed).sample(range(total), count)), 0, []
    for examples in train:
        places.append({place for place in range(len(examples)) if first + place in chosen})
        first += len(examples)
    return places


def load_examples(recipe: Recipe) -> tuple[list[Example], list[Example]]:
    """Training examples, as often as their files weigh, and validation examples; the second is empty where the recipe asks for
    none."""
    drawn = weighed_examples(recipe)
    return of_role(drawn, "train"), of_role(drawn, "validation")


def weighed_examples(recipe: Recipe) -> list[Drawn]:
    """The rows of every file that are trained or judged on, each as often as its file weighs: what is left of a whole number is
    drawn."""
    return [replace(part, examples=_weighed(recipe, part)) for part in drawn_examples(recipe)]


def _weighed(recipe: Recipe, part: Drawn) -> list[Example]:
    weight, count = 1.0 if part.role == "validation" else part.file.weight, len(part.examples)
    whole = int(weight)
    rest = round((weight - whole) * count)
    some = sorted(random.Random(recipe.data.seed).sample(range(count), rest))
    return [*part.examples * whole, *(part.examples[place] for place in some)]


def of_role(drawn: Sequence[Drawn], role: Role) -> list[Example]:
    """The examples of one purpose; those of rehearsal are what the base could do before, to be mixed in."""
    return [example for part in drawn if part.role == role for example in part.examples]


def _read(recipe: Recipe, file: DataFile) -> list[Example]:
    examples = rows_of(recipe, file).examples()
    if recipe.data.train_on == "last":
        examples = [example.of_last_answer() for example in examples]
    if file.limit is None or file.limit >= len(examples):
        return examples
    drawn = random.Random(recipe.data.seed).sample(range(len(examples)), file.limit)
    return [examples[i] for i in sorted(drawn)]
