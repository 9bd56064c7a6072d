"""How the candidate was trained, as files tell that its trainer left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.config.settings import Settings
from harness.config.spec import AdapterSpec, ModelSpec
from harness.errors import AdapterError
from harness.models.subject import Subject
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import read_training_record
from harness.training import TrainingLog
from harness.training.history import TrainingHistory, read_history
from harness.training.log import LOG_FILE
from harness.training.recipe_files import find_recipe
from harness.training.staged import AnyRecipe, StagedRecipe
from harness.training.stages import stages_beside


def find_log(candidate: Subject) -> TrainingLog | None:
    """The log stored with the candidate; None for one trained elsewhere.

    Raises:
        AdapterError: the log cannot be read.
    """
    if candidate.is_served or not (candidate.directory / LOG_FILE).is_file():
        return None
    try:
        return TrainingLog.read(candidate.directory)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        file = candidate.directory / LOG_FILE
        raise AdapterError(f"{file} cannot be read: {exc!r}", "restore it, or remove it to do without") from exc


def find_stages(settings: Settings) -> Sequence[str]:
    """The stages that the candidate was or will be trained in, in their order; none where it is trained in one go. Nothing is
    fetched or trained.

    Raises:
        AssayError: the candidate's recipe cannot be read.
    """
    spec = settings.candidate_spec
    if spec is None:
        return ()
    if spec.recipe is not None:
        found = find_recipe(spec.recipe, settings.config.root, settings.config.tasks)
        return [stage.name for stage in found.stages] if isinstance(found, StagedRecipe) else ()
    places: Sequence[AdapterSpec | ModelSpec] = spec.adapters or ([] if spec.model is None else [spec.model])
    local = places[0].kind == "local" and len(places) == 1 if places else False
    return stages_beside(Path(places[0].value)) if local else ()


def find_record(candidate: Subject, settings: Settings) -> TrainingRecord | None:
    """What the candidate's trainer left of its training; None where it left nothing that is known.

    What `training: log:` in assay.yaml names is read too: for a candidate that was served before there is nothing else.
    """
    log, left = _named_log(settings), _as_left(candidate)
    named = None if log is None else read_training_record(log)
    found = None if left is None else read_training_record(left)
    return found.joined(named) if found is not None and named is not None else named or found


def find_history(
    candidate: Subject, settings: Settings, log: TrainingLog | None, record: TrainingRecord | None
) -> TrainingHistory | None:
    """How the candidate was trained, by whatever trainer left a log with it; None where none did.

    Raises:
        AdapterError: a log cannot be read.
    """
    named, left = _named_log(settings), _as_left(candidate)
    if left is None and named is None:
        return None
    return read_history(left or Path(), log, named=named, method=None if record is None else record.method)


def training_document(history: TrainingHistory, recipe: AnyRecipe | None, candidate: Subject) -> dict[str, Any]:
    """Recipe, points and summary of a training, for the run."""
    counts = {} if history.summary is None else dataclasses.asdict(history.summary)
    read = {"read_from": history.source, "steps": history.steps, "kept_step": history.kept_step}
    return {
        "recipe": recipe.to_json() if recipe else {"name": candidate.recipe},
        "points": list(history.points),
        "summary": counts or read,
    }


def _named_log(settings: Settings) -> Path | None:
    log = settings.config.training.log
    return None if log is None else settings.config.root / log


def _as_left(candidate: Subject) -> Path | None:
    """The candidate's directory as its trainer left it, or that of the log of a served one; None where there is none."""
    if candidate.is_served:
        return candidate.weights.trained
    return candidate.directory if candidate.adapter is None else candidate.adapter.as_left
