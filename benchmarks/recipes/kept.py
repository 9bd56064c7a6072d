"""What became of each recipe, kept in a file beside this one, so that a run in parts makes one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.paths import write_atomic

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Measured:
    """One recipe, trained and put to the gates.

    Attributes:
        name: of the recipe.
        method: as the recipe names it, with the method of PEFT.
        base: that it was trained on, and is held against.
        training_s: wall time of the training, however often it was interrupted.
        steps: optimizer steps taken.
        gates_s: wall time of the gates.
        passed, failed, undecided, unmeasured: names of gates.
        held_out: figure of evaluations by which the method keeps its checkpoint, or tells preferences -> first and last of them.
        digest: of the adapter, or of the whole model.
        recipe_digest: of what decides the adapter: a row of another is out of date.
        date: of the day it was measured, ISO.
        versions: library -> version.
    """

    name: str
    method: str
    base: str
    training_s: float
    steps: int
    gates_s: float
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    undecided: tuple[str, ...]
    unmeasured: tuple[str, ...]
    held_out: Mapping[str, tuple[float, float]]
    digest: str
    recipe_digest: str
    date: str
    versions: Mapping[str, str]

    @property
    def gates(self) -> int:
        """How many decided, or could not."""
        return sum(map(len, (self.passed, self.failed, self.undecided, self.unmeasured)))


def load(file: Path = FILE) -> dict[str, Measured]:
    """Name -> what is kept of it; empty where nothing is."""
    if not file.is_file():
        return {}
    rows = json.loads(file.read_text(encoding="utf-8"))
    return {name: _row(name, fields) for name, fields in rows.items()}


def keep(one: Measured, file: Path = FILE) -> None:
    """Add a row, in place of an older one of the same recipe."""
    rows = {**load(file), one.name: one}
    document = {name: {key: value for key, value in asdict(row).items() if key != "name"} for name, row in rows.items()}
    write_atomic(file, json.dumps(document, indent=1, sort_keys=True) + "\n")


def _row(name: str, fields: Mapping[str, Any]) -> Measured:
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    held_out = {figure: tuple(values) for figure, values in fields["held_out"].items()}
    return Measured(name=name, **{**fields, **lists, "held_out": held_out})
