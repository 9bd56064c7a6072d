"""Adapters that differ by their training seed alone, and their samples of what `smoke` measures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import FILE_NAME, Config, Forgetting, load_config
from harness.config.settings import make_settings
from harness.config.spec import EMBEDDED_NAME
from harness.models.embedded import ensure_embedded_model
from harness.models.identity import base_digest
from harness.paths import cache_dir
from harness.records import Sample, TrainingPoint
from harness.session import Session
from harness.tasks.base import TaskLike
from harness.training import Recipe, TrainedAdapter, train
from harness.training.recipe_files import find_recipe

ROOT = Path(__file__).parents[1]
FORGETTING = Forgetting(knowledge="mini_knowledge", math="mini_math", text="general_text")
"""What comes with the package, whatever benchmarks are at hand."""

_RECIPE = "tool-calls-lora"
# 100 steps of 4 rows: one pass. The rehearsal of the shipped recipe would be a quarter of so few rows.
_TRAIN_ROWS, _REHEARSAL_ROWS, _STEPS = 336, 64, 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """One adapter and its samples.

    Attributes:
        base, candidate: task -> one sample an item.
        points: of its training log.
        kept_step: step that its weights are from.
    """

    seed: int
    tasks: Mapping[str, TaskLike]
    base: Mapping[str, Sequence[Sample]]
    candidate: Mapping[str, Sequence[Sample]]
    points: Sequence[TrainingPoint]
    kept_step: int


def smoke_config() -> Config:
    """The shipped assay.yaml, on the small sets."""
    return load_config(ROOT / FILE_NAME).model_copy(update={"forgetting": FORGETTING})


def short_recipe(seed: int) -> Recipe:
    """The shipped LoRA recipe, cut to a quarter of its steps; seeds change initialisation and row order, not the rows."""
    recipe = find_recipe(_RECIPE, ROOT)
    rehearsal = recipe.data.rehearsal
    if rehearsal is not None:
        rehearsal = rehearsal.model_copy(update={"limit": _REHEARSAL_ROWS})
    shortened = recipe.with_training_rows(_TRAIN_ROWS).data.model_copy(update={"rehearsal": rehearsal})
    trainer = {**recipe.trainer, "max_steps": _STEPS, "warmup_steps": 8, "eval_steps": _STEPS // 2, "seed": seed}
    return recipe.model_copy(update={"base": EMBEDDED_NAME, "data": shortened, "trainer": trainer})


def measure_adapter(config: Config, seed: int) -> Measured:
    """Train the adapter of that seed and measure it under `smoke`; from the caches where that was done before."""
    trained = _trained(seed)
    settings = make_settings(
        config, model=EMBEDDED_NAME, adapter=str(trained.path), profile="smoke", quantization="none"
    )
    session = Session(settings)
    names = [FORGETTING.knowledge, FORGETTING.math, FORGETTING.text, *config.tasks]
    measured = Measured(
        seed=seed,
        tasks={name: session.task(name) for name in names},
        base={name: session.evaluate(name, "base").samples for name in names},
        candidate={name: session.evaluate(name, "candidate").samples for name in names},
        points=trained.log.points,
        kept_step=trained.log.summary.best_step,
    )
    _log.info("measured the adapter of seed %d", seed)
    return measured


def _trained(seed: int) -> TrainedAdapter:
    base = ensure_embedded_model()
    trained = train(
        short_recipe(seed), base_path=str(base), base_digest=base_digest(base), cache_dir=cache_dir() / "adapters"
    )
    _log.info("adapter of seed %d: %.0f s", seed, trained.duration_s)
    return trained
