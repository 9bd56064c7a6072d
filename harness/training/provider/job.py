"""One job: found again or created, followed to its end, and what it leaves kept."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.digests import digest_json
from harness.engines.server.client import redact
from harness.errors import EngineError, RecipeError
from harness.json_files import kept_json
from harness.paths import write_atomic
from harness.training.installed import declared_fields
from harness.training.provider.api import CANCELLED, ENDED_WITHOUT_MODEL, FAILED, PAUSED, SUCCEEDED, FineTuningApi, Job
from harness.training.provider.files import SentFiles
from harness.training.provider.progress import JobProgress
from harness.training.recipe import Recipe

_log = logging.getLogger(__name__)

MARK = "assay_training"
"""The entry of a job's metadata by which it is found again: the digest of all that decides what it trains."""
EVENTS_FILE, METRICS_FILE = "events.jsonl", "step_metrics.csv"
_STATE_FILE = "job.json"
_LEAST_WAIT_S, _MOST_WAIT_S = 1.0, 30.0
_A_WAIT = 0.02
"""The share of the time so far that is waited between two looks."""


@dataclass(frozen=True)
class Order:
    """What a job is to train, and on what.

    Attributes:
        digest: of it: equal orders are one training.
    """

    recipe: Recipe
    files: SentFiles
    digest: str

    @property
    def metadata(self) -> dict[str, str]:
        """By which the job is found."""
        return {MARK: self.digest}

    def told(self, upload: Mapping[str, str], model: str) -> dict[str, Any]:
        """What the API is told.

        Args:
            upload: training_file and validation_file, by their ids.
        """
        trainer, method = self.recipe.trainer, self.recipe.by_api
        adjusted = declared_fields(method.hyperparameters)
        own: dict[str, Any] = {"hyperparameters": {key: value for key, value in trainer.items() if key in adjusted}}
        own |= {key: trainer[key] for key in method.required}
        job = {key: value for key, value in trainer.items() if key not in (*adjusted, *method.required, "method")}
        metadata = {**job.pop("metadata", {}), **self.metadata}
        return {
            **job,
            **upload,
            "model": model,
            "method": {"type": method.name, method.name: own},
            "metadata": metadata,
        }


def order_of(recipe: Recipe, files: SentFiles, server: str) -> Order:
    """What a recipe orders of a model on a server."""
    sent = [file.digest for file in (files.train, files.validation) if file is not None]
    return Order(recipe, files, digest_json([1, server, recipe.api_method, dict(recipe.trainer), sent]))


@dataclass(frozen=True)
class Done:
    """A job that succeeded, with all its events, oldest first."""

    job: Job
    events: Iterable[Mapping[str, Any]]


def run_job(api: FineTuningApi, order: Order, model: str, work: Path) -> Done:
    """The job of an order, begun now or by an earlier call, once it has succeeded.

    Args:
        model: what the server calls the model that is trained.
        work: where its id is kept, and what was sent.

    Raises:
        RecipeError: it failed, was cancelled, or is paused.
        EngineError: the server does not answer, or the job took longer than `limits.hours`.
    """
    name = order.recipe.name
    job = _begun(api, order, model, work)
    try:
        with closing(JobProgress(name, job.id)) as progress:
            return _followed(api, job, order, work, progress)
    except KeyboardInterrupt:
        _log.warning(
            "recipe %s: job %s goes on where it is trained; the same command follows it, `assay train %s --cancel` cancels it",
            name, job.id, name,
        )  # fmt: skip
        raise


def find_job(api: FineTuningApi, order: Order, work: Path) -> Job | None:
    """The job of an order that is under way or succeeded; None where none was begun."""
    state = kept_json(work / _STATE_FILE)
    job_id = state.get("id") if isinstance(state, dict) else None
    job = api.job(job_id) if isinstance(job_id, str) else None
    return job if job is not None and job.status not in ENDED_WITHOUT_MODEL else api.found(order.metadata)


def _begun(api: FineTuningApi, order: Order, model: str, work: Path) -> Job:
    job = find_job(api, order, work)
    if job is None:
        upload = {}
        for key, file in (("training_file", order.files.train), ("validation_file", order.files.validation)):
            if file is not None:
                write_atomic(work / f"{key}.jsonl", file.content)
                upload[key] = api.uploaded(file.name, file.content)
        job = api.found_or_created(order.metadata, order.told(upload, model))
        _log.info("recipe %s: job %s, %s", order.recipe.name, job.id, order.files.estimate.describe())
    else:
        _log.info("recipe %s: going on with job %s", order.recipe.name, job.id)
    write_atomic(work / _STATE_FILE, json.dumps({"id": job.id}))
    return job


def _followed(api: FineTuningApi, job: Job, order: Order, work: Path, progress: JobProgress) -> Done:
    events: dict[str, Mapping[str, Any]] = {}
    began_s = time.monotonic()
    limits = order.files.estimate.limits
    while True:
        for event in api.events(job.id, events):
            events[event["id"]] = event
            progress.tell(event)
        progress.say_status(job.status)
        if job.status == SUCCEEDED:
            return Done(job, events.values())
        _refuse_ended(job, order, work)
        waited_s = time.monotonic() - began_s
        if waited_s > limits.hours * 3600:
            raise EngineError(
                f"job {job.id} is {job.status} after {limits.hours:g} h",
                f"it goes on, and the same command follows it (limits.hours says how long), or cancel it: "
                f"assay train {order.recipe.name} --cancel",
            )
        threading.Event().wait(min(max(waited_s * _A_WAIT, _LEAST_WAIT_S), _MOST_WAIT_S))
        found = api.job(job.id)
        if found is None:
            raise EngineError(f"job {job.id} is gone from its server", "run again: another one is begun")
        job = found


def _refuse_ended(job: Job, order: Order, work: Path) -> None:
    if job.status == FAILED:
        said, parameter = (redact(text) for text in job.fault)
        file = work / f"{parameter}.jsonl"
        remedy = "correct what it names, and run again: another job is begun"
        if parameter and file.is_file():
            remedy = (
                f"its lines are those of {file} (assay train {order.recipe.name} --show N tells their rows): {remedy}"
            )
        raise RecipeError(
            f"job {job.id} failed: {said or 'it does not say why'}{f' ({parameter})' if parameter else ''}", remedy
        )
    if job.status == CANCELLED:
        raise RecipeError(f"job {job.id} was cancelled", "run again to begin another one")
    if job.status == PAUSED:
        raise RecipeError(
            f"job {job.id} is paused", "resume it where it was paused, and run again: it is followed from where it is"
        )


def keep_done(done: Done, checkpoints: Iterable[Mapping[str, Any]], metrics: bytes | None, directory: Path) -> None:
    """Write what tells of a training: the job with its checkpoints and events, one a line, and its metrics."""
    told = [done.job.fields, *checkpoints, *done.events]
    directory.mkdir()
    (directory / EVENTS_FILE).write_text(redact("".join(f"{json.dumps(one)}\n" for one in told)), encoding="utf-8")
    if metrics is not None:
        (directory / METRICS_FILE).write_text(redact(metrics.decode(errors="replace")), encoding="utf-8")
