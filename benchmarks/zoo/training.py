"""Short trainings: the zoo's own recipes, put through the harness's trainer and its cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.zoo.stand_ins import Row, write_rows
from harness.models.identity import base_digest
from harness.paths import cache_dir
from harness.training import Recipe, TrainedAdapter, train
from harness.training.recipe import Quantization
from harness.training.recipe_data import DataFile, RecipeData

REHEARSAL = Path(__file__).parents[2] / "fixtures" / "data" / "rehearsal" / "rows.jsonl"
_BATCH_ROWS = 8


@dataclass(frozen=True)
class Schooling:
    """What an adapter is taught, and how hard.

    Attributes:
        rows: trained on, in random order.
        validation: judged on once, after the last step.
        named: rows that the project names as those trained on, where they are not `rows`.
        unfinished: rows too long for `max_length`, whose ends are cut off and so never learnt.
        rehearsal: answers of the original base that are mixed in.
        epochs: passes over all rows.
        alpha_over_rank: the adapter's strength.
    """

    rows: Sequence[Row]
    validation: Sequence[Row]
    named: Sequence[Row] = ()
    unfinished: Sequence[Row] = ()
    rehearsal: int = 0
    epochs: float = 1.0
    learning_rate: float = 8e-4
    rank: int = 16
    alpha_over_rank: float = 2.0
    seed: int = 0
    quantization: Quantization = "none"
    max_length: int = 96
    peft: Mapping[str, Any] = field(default_factory=dict)


def school(name: str, schooling: Schooling, base: Path, base_name: str, rows_dir: Path) -> TrainedAdapter:
    """The adapter of that schooling: trained now, or from the cache of trained adapters.

    Args:
        base_name: what the adapter's configuration calls the base.
        rows_dir: where the rows are written; what counts for the cache is what they hold.
    """
    recipe = _recipe(name, schooling, base_name, rows_dir)
    return train(recipe, base_path=str(base), base_digest=base_digest(base), cache_dir=cache_dir() / "adapters")


def rows_files(name: str) -> tuple[str, str]:
    """Names of the files that training and validation rows are written to."""
    return f"{name}.jsonl", f"{name}-validation.jsonl"


def named_file(name: str, schooling: Schooling, rows_dir: Path) -> str:
    """The file of the rows that the project names as those trained on."""
    if not schooling.named:
        return rows_files(name)[0]
    return write_rows(rows_dir / f"{name}-named.jsonl", schooling.named).name


def _recipe(name: str, schooling: Schooling, base_name: str, rows_dir: Path) -> Recipe:
    rows, validation = (
        write_rows(rows_dir / file, given)
        for file, given in zip(rows_files(name), (schooling.rows, schooling.validation), strict=True)
    )
    # Rehearsal is the one part of a recipe whose rows may lose their ends.
    mixed_in: DataFile | None = None
    if schooling.unfinished:
        mixed_in = DataFile(path=str(write_rows(rows_dir / f"{name}-unfinished.jsonl", schooling.unfinished)))
    elif schooling.rehearsal:
        mixed_in = DataFile(path=str(REHEARSAL), limit=schooling.rehearsal)
    total = len(schooling.rows) + len(schooling.unfinished) + schooling.rehearsal
    steps = max(1, round(schooling.epochs * total / _BATCH_ROWS))
    return Recipe(
        name=name,
        base=base_name,
        quantization=schooling.quantization,
        data=RecipeData(
            train=DataFile(path=str(rows)),
            rehearsal=mixed_in,
            validation=DataFile(path=str(validation)),
            seed=schooling.seed,
        ),
        peft={
            "r": schooling.rank,
            "lora_alpha": round(schooling.alpha_over_rank * schooling.rank),
            "target_modules": "all-linear",
            **schooling.peft,
        },
        trainer={
            "max_steps": steps,
            "per_device_train_batch_size": _BATCH_ROWS,
            "per_device_eval_batch_size": 16,
            "learning_rate": schooling.learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": max(1, steps // 10),
            "max_grad_norm": 1.0,
            "max_length": schooling.max_length,
            "eval_strategy": "steps",
            "eval_steps": steps,
            "logging_steps": 2,
            "activation_checkpointing": False,
            "seed": 17 + schooling.seed,
        },
    )
