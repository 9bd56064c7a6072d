"""Trained adapters kept by what they were made from, whole or not at all."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from harness.digests import digest_file, digest_json
from harness.errors import AdapterError
from harness.locks import held
from harness.models.device import choose_device
from harness.models.generation_config import decoding_rules
from harness.models.identity import adapter_digest
from harness.models.identity import base_digest as whole_digest
from harness.models.seals import TRAINED, seal_in
from harness.training.dense import trains_dense
from harness.training.drawing import weighed_examples
from harness.training.log import TrainingLog
from harness.training.reading import rows_digest
from harness.training.recipe import Recipe
from harness.training.rewards import rewards_digest
from harness.training.staged import AnyRecipe

if TYPE_CHECKING:
    from transformers import TrainerCallback

_log = logging.getLogger(__name__)

RECIPE_FILE = "recipe.json"
_PROVENANCE_SCHEMA = 1
_LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate")
# Raise it when a change of this package makes the same recipe train another adapter.
_TRAINING_VERSION = 1
# Raise it when a change makes rows other conversations that were not read as they first were (`Example.first_read`).
_READING_VERSION = 2


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter ready to load, or a whole model.

    Attributes:
        digest: of weights and configuration, of an adapter the same that `assay doctor` shows.
        from_cache: it was trained by an earlier call, or by another process meanwhile.
        duration_s: wall time of this call, waiting included.
    """

    path: Path
    digest: str
    log: TrainingLog
    from_cache: bool
    duration_s: float

    @property
    def steps(self) -> int:
        """Optimizer steps taken."""
        return self.log.summary.steps

    @classmethod
    def read(cls, recipe: AnyRecipe, path: Path) -> TrainedAdapter:
        """What lies in the cache."""
        digest = whole_digest(path) if recipe.trains_whole else adapter_digest(path)
        return cls(path, digest, TrainingLog.read(path), from_cache=True, duration_s=0.0)

    def facts(self) -> Mapping[str, Any]:
        """What people are told of it."""
        summary = self.log.summary
        return {
            "digest": self.digest,
            "from cache": self.from_cache,
            "steps": f"{summary.steps} (kept: {summary.best_step})",
            "best validation loss": summary.best_eval_loss,
            "trainable share": f"{summary.trainable_share:.2%}",
            "seconds": round(summary.duration_s, 1),
        }


def train(
    recipe: Recipe,
    *,
    base_path: str,
    base_digest: str,
    cache_dir: Path,
    start: Path | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainedAdapter:
    """The adapter of a recipe: from the cache, or trained now.

    Safe to call from parallel processes: one trains, the others wait and take its result. A training that was
    interrupted or killed leaves its checkpoints, and the next call resumes from the last. A damaged cached adapter is
    trained again.

    Args:
        base_path: directory or hub id of the base.
        base_digest: identity of the base's weights and tokenizer.
        cache_dir: where adapters are kept; made if missing.
        start: an adapter on that base that is trained on; None trains a new one.
        callbacks: further Trainer callbacks; where the recipe launches other processes they are not called.

    Raises:
        RecipeError: the recipe cannot be trained on this base.
        DataError: a data file is missing or malformed.
        ModelError: the base cannot be loaded.
    """
    started_s = time.monotonic()
    provenance = _provenance(recipe, base_digest, start)
    published = _published(provenance, cache_dir)

    def fit_and_seal(work: Path, adapter: Path) -> None:
        from harness.training.launching import fit_launched
        from harness.training.trainer import fit

        launch = recipe.launch
        run = partial(fit, callbacks=callbacks) if launch is None else partial(fit_launched, launch=launch)
        log = run(recipe, base_path=base_path, work_dir=work, adapter_dir=adapter, start=start)
        log.write(adapter)
        seal(adapter, recipe.to_json(), {**provenance, "decoding": decoding_rules(Path(base_path))})

    trained = make_once(published, f"training {recipe.name}", fit_and_seal)
    return replace(
        TrainedAdapter.read(recipe, published), from_cache=not trained, duration_s=time.monotonic() - started_s
    )


class Training(TypedDict):
    """What decides which adapter a training makes, and where it is kept."""

    recipe: Recipe
    base_digest: str
    cache_dir: Path


def cached(recipe: Recipe, base_digest: str, cache_dir: Path, start: Path | None = None) -> Path | None:
    """What `train` would take from the cache; None where it would train."""
    published = _published(_provenance(recipe, base_digest, start), cache_dir)
    return published if is_whole(published) else None


def _published(provenance: Mapping[str, Any], cache_dir: Path) -> Path:
    return cache_dir / digest_json([_TRAINING_VERSION, provenance])[:32]


def _provenance(recipe: Recipe, base: str, start: Path | None = None) -> dict[str, Any]:
    """All that decides what the adapter becomes. Data counts by content, not by path."""
    content = recipe.to_json()
    files = recipe.data.files()
    for role in files:
        content["data"][role].pop("path")
        content["data"][role].pop("task", None)  # it counts by what rows become
    del content["data"]["train_on"]  # it counts by what is learnt
    return {
        "recipe": {key: value for key, value in content.items() if key != "name"},
        "data": {role: rows_digest(recipe, file) for role, file in files.items()},
        **({"rewards": rewards_digest(recipe)} if recipe.reward else {}),
        **_reading(recipe),
        **_computed(recipe),
        "base": base,
        **({"start": adapter_digest(start)} if start is not None else {}),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _computed(recipe: Recipe) -> dict[str, Any]:
    """How packed weights are computed with, where that is not by their own kernels: gradients are rounded otherwise."""
    if recipe.quantization == "none":
        return {}
    return {"computed": "dense"} if trains_dense(recipe, str(choose_device())) else {}


def _reading(recipe: Recipe) -> dict[str, Any]:
    """How the data are read, where another adapter comes of it than of what was read before: of rows with one answer none."""
    examples = [example for part in weighed_examples(recipe) for example in part.examples]
    if all(example.first_read and len(example.conversation.learnt) == 1 for example in examples):
        return {}
    return {"reading": _READING_VERSION, "train_on": recipe.data.train_on}


def make_once(published: Path, label: str, make: Callable[[Path, Path], None]) -> bool:
    """Have a directory made that is not there, by one process at a time; what is damaged is made again.

    Args:
        label: what is done, as in "training tool-calls-qlora".
        make: told where to keep what it goes on from after an interrupt, and where to put what it makes and seals.

    Returns:
        Whether it was made now.
    """
    if is_whole(published):
        return False
    published.parent.mkdir(parents=True, exist_ok=True)
    with held(published.with_name(f"{published.name}.lock"), label):
        if is_whole(published):
            return False
        _discard(published)
        work = published.with_name(f"{published.name}.work")
        made = work / "adapter"
        shutil.rmtree(made, ignore_errors=True)
        work.mkdir(exist_ok=True)
        make(work, made)
        made.replace(published)
        shutil.rmtree(work)
    return True


def is_whole(published: Path) -> bool:
    """Whether a directory is there as it was sealed."""
    return published.is_dir() and flaw(published) is None


def _discard(published: Path) -> None:
    """Remove a damaged one."""
    if published.exists():
        _log.warning("cached adapter %s is damaged (%s); training it again", published.name, flaw(published))
        shutil.rmtree(published)


def seal(directory: Path, recipe: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Write `recipe.json`, then `provenance.json` with the digest of every other file."""
    (directory / RECIPE_FILE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    document = {"schema": _PROVENANCE_SCHEMA, **provenance, "files": _digests(directory)}
    (directory / TRAINED).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def flaw(directory: Path) -> str | None:
    """What is wrong with a sealed adapter ("adapter_model.safetensors differs from its digest"), or None.

    Asked strictly: every file is read anew, and none may have come to them.
    """
    try:
        sealed = seal_in(directory / TRAINED)
    except AdapterError as error:
        return error.problem
    if sealed is None or RECIPE_FILE not in sealed.digests:
        return f"{TRAINED} names no {RECIPE_FILE}"
    for names, what in (
        (sealed.lost(directory), "is missing"),
        (sealed.changed(directory, digest_file), "differs from its digest"),
        (sealed.added(directory, "**/*"), "came later"),
    ):
        if names:
            return f"{names[0]} {what}"
    return None


def _digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): digest_file(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != TRAINED
    }
