"""Fine-tuning jobs of OpenAI's API: nothing but the events of a job tells of the training of a served model."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.json_files import load_json
from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_names, as_text
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.models.trainers.registry import Trainer

_NAMES = r".*events.*\.jsonl?"
_EVENT, _JOB = "fine_tuning.job.event", "fine_tuning.job"
_METRICS_NAMES = r".*(?:metrics|results).*\.csv"
# The table of a job's results has names of its own for some.
_SPELT = {"train_accuracy": "train_mean_token_accuracy", "valid_accuracy": "valid_mean_token_accuracy"}
_LOGGED = {"train_loss": "loss", "train_mean_reward": "reward", "train_mean_token_accuracy": "mean_token_accuracy"}
# that of each step is of one batch of the validation file, that of each epoch of all of it
_VALIDATED = {
    "eval_loss": ("full_valid_loss", "valid_loss"),
    "eval_mean_token_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy"),
}
_METHODS = {"supervised": "sft", "dpo": "dpo", "reinforcement": "grpo"}


def _read(artefact: Artefact) -> TrainingRecord | None:
    try:
        name, objects = _told(artefact)
    except AdapterError as exc:
        artefact.notes.append(exc.problem)
        return None
    if not objects:
        return None
    job = next((one for one in objects if one.get("object") == _JOB), {})
    return TrainingRecord(
        trainer="OpenAI fine-tuning job",
        source=name,
        base=as_text(job.get("model")),
        data=as_names(job.get("training_file")),
        validation=as_names(job.get("validation_file")),
        method=_METHODS.get(str(as_mapping(job.get("method")).get("type"))),
    )


def _told(artefact: Artefact) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """The file of a job's events, and what is in it; nothing where there is none."""
    names = artefact.names if not artefact.path.is_dir() else artefact.matching(_NAMES)
    found = ((name, _objects(artefact, name)) for name in names if Path(name).suffix in (".json", ".jsonl"))
    return next((one for one in found if one[1]), ("", []))


def _objects(artefact: Artefact, name: str) -> Sequence[Mapping[str, Any]]:
    """Events of a job, and the job where it is among them: a page of the API's list, a list, or one a line."""
    if name.endswith(".jsonl"):
        found: Any = artefact.log_rows(name)
    else:
        try:
            found = load_json("\n".join(artefact.log_lines(name)))
        except ValueError as exc:
            raise AdapterError(f"{artefact.path} is torn or no JSON: {exc}", "fetch the job's events again") from exc
        listed = found.get("data") if isinstance(found, dict) else None
        found = listed if isinstance(listed, list) else [found] if isinstance(found, dict) else found
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in known if one.get("object") in (_EVENT, _JOB)]


def _log(artefact: Artefact) -> TrainerLog | None:
    name, objects = _told(artefact)
    told = [
        as_mapping(one.get("data")) for one in objects if one.get("object") == _EVENT and one.get("type") == "metrics"
    ]
    by_step: dict[int, dict[str, Any]] = {}
    for one in (*told, *(_table(artefact) if objects else ())):
        if (step := as_count(one.get("step"))) is not None:
            by_step.setdefault(step, {}).update({key: value for key, value in one.items() if value is not None})
    metrics = [by_step[step] for step in sorted(by_step)]
    if not metrics:
        return None
    validated = {
        next((key for key in keys if any(key in one for one in metrics)), ""): ours for ours, keys in _VALIDATED.items()
    }
    logged = {**_LOGGED, **validated}
    history = [
        {"step": one["step"], **{theirs: one[key] for key, theirs in logged.items() if key in one}} for one in metrics
    ]
    planned = max((as_count(one.get("total_steps")) or 0 for one in metrics), default=0)
    steps = int(metrics[-1]["step"])
    return TrainerLog(name, history, steps=steps, kept_step=steps, planned_steps=planned or None)


def _table(artefact: Artefact) -> Iterator[Mapping[str, Any]]:
    """The metrics of each step out of the table that a job leaves beside its events; rows that are none are passed over."""
    for name in artefact.matching(_METRICS_NAMES) if artefact.path.is_dir() else ():
        try:
            for row in csv.DictReader(artefact.log_lines(name)):
                numbers = {
                    _SPELT.get(key, key): value for key, text in row.items() if (value := _number(text)) is not None
                }
                yield {**numbers, "step": int(numbers.get("step", 0))}
        except csv.Error as exc:
            artefact.notes.append(f"{name} is no table: {exc}")


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


OPENAI_JOBS = Trainer("OpenAI", _read, _log)
