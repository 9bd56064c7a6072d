"""From a recipe to a model that its provider serves: out of the cache, or trained now."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from harness.config.spec import ServedModel
from harness.digests import digest_json
from harness.errors import EngineError, RecipeError
from harness.json_files import load_json
from harness.models.trainers.registry import read_training_log
from harness.training.cache import is_whole, make_once, seal
from harness.training.provider.api import Checkpoint, FineTuningApi, Job
from harness.training.provider.files import sent_files
from harness.training.provider.job import EVENTS_FILE, MARK, Order, find_job, keep_done, order_of, run_job
from harness.training.recipe import Recipe

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TunedModel:
    """A model that a provider trained and serves.

    Attributes:
        path: where what tells of its training is kept.
        steps: that were taken; 0 where no metrics were told.
        trained_tokens: that are billed; None where the provider does not say.
        from_cache: it was trained by an earlier call.
        duration_s: wall time of this call, waiting included.
    """

    served: ServedModel
    path: Path
    checkpoints: Sequence[Checkpoint]
    steps: int
    trained_tokens: int | None
    from_cache: bool
    duration_s: float

    def facts(self) -> Mapping[str, Any]:
        """What people are told of it."""
        tokens = self.trained_tokens
        return {
            "model": f"openai:{self.served}",
            "from cache": self.from_cache,
            "steps": self.steps,
            "trained tokens": "not told" if tokens is None else f"{tokens:,}",
            **{f"checkpoint at step {one.step}": one.model for one in self.checkpoints},
        }


class Tuning(TypedDict):
    """Which model is trained, and where what tells of it is kept."""

    served: ServedModel
    cache_dir: Path


def tune(recipe: Recipe, *, served: ServedModel, cache_dir: Path) -> TunedModel:
    """The model of a recipe: known from an earlier call, or trained now.

    What is sent is checked in full and held against the recipe's limits before anything is. A call that was killed is gone on
    with: the job carries the digest of all that decides what it trains, and is found by it. Safe to call from parallel
    processes: one follows the job, the others wait.

    Args:
        served: the model that is trained, and where.
        cache_dir: where what tells of trainings is kept; made if missing.

    Raises:
        DataError: a row is not as the API takes it.
        RecipeError: it costs more than its limits, or its job failed.
        ConfigError: there is no key.
        EngineError: the server does not answer, or takes longer than the limits allow.
    """
    started_s = time.monotonic()
    order = _order(recipe, served)
    published = _published(order, cache_dir)

    def follow_and_seal(work: Path, directory: Path) -> None:
        order.files.estimate.check()
        api = FineTuningApi(served)
        done = run_job(api, order, served.name, work)
        if done.job.model is None:
            raise EngineError(f"job {done.job.id} succeeded and names no model", "look at it where it was trained")
        keep_done(done, api.checkpoints(done.job.id), _metrics(api, done.job), directory)
        _compare_with_limits(done.job, order)
        seal(directory, recipe.to_json(), {"job": done.job.id, MARK: order.digest})

    trained = make_once(published, f"training {recipe.name}", follow_and_seal)
    return _kept(published, served, from_cache=not trained, duration_s=time.monotonic() - started_s)


def is_tuned(recipe: Recipe, *, served: ServedModel, cache_dir: Path) -> bool:
    """Whether `tune` would ask no server."""
    return is_whole(_published(_order(recipe, served), cache_dir))


def cancel(recipe: Recipe, *, served: ServedModel, cache_dir: Path) -> Job:
    """Cancel the job of a recipe.

    Raises:
        RecipeError: none is under way.
    """
    order, api = _order(recipe, served), FineTuningApi(served)
    published = _published(order, cache_dir)
    job = find_job(api, order, published.with_name(f"{published.name}.work"))
    if job is None or job.model is not None:
        raise RecipeError(
            f"no job of recipe {recipe.name!r} is under way at {served.url}", "there is nothing to cancel"
        )
    return api.cancel(job.id)


def shown_rows(recipe: Recipe, count: int) -> Iterator[str]:
    """The first rows as they are sent, and what training on all of them takes.

    Raises:
        DataError, RecipeError: as `tune`.
    """
    files = sent_files(recipe)
    rows = files.train.rows
    for number, row in enumerate(rows[:count], 1):
        yield f"line {number} of {len(rows)}, {row.source}, about {row.tokens:,} tokens"
        yield row.line
    held_out = "" if files.validation is None else f", {len(files.validation.rows):,} to validate on"
    yield f"{len(rows):,} rows to train on{held_out}: {files.estimate.describe()}"
    files.estimate.check()


def _order(recipe: Recipe, served: ServedModel) -> Order:
    return order_of(recipe, sent_files(recipe), str(served))


def _published(order: Order, cache_dir: Path) -> Path:
    return cache_dir / digest_json(["provider", order.digest])[:32]


def _metrics(api: FineTuningApi, job: Job) -> bytes | None:
    """The table of metrics that a job left; None where it cannot be had: its events tell most of it."""
    for file in job.result_files:
        try:
            return api.content(file)
        except EngineError as error:
            _log.warning("the metrics of job %s cannot be had: %s", job.id, error.problem)
    return None


def _compare_with_limits(job: Job, order: Order) -> None:
    limits, tokens = order.files.estimate.limits, job.trained_tokens
    if tokens is not None and tokens > limits.tokens:
        _log.warning(
            "job %s trained on %d tokens, which are more than limits.tokens (%d): it was estimated at %d",
            job.id, tokens, limits.tokens, order.files.estimate.tokens,
        )  # fmt: skip


def _kept(published: Path, served: ServedModel, *, from_cache: bool, duration_s: float) -> TunedModel:
    told = [load_json(line) for line in (published / EVENTS_FILE).read_text(encoding="utf-8").splitlines()]
    job, log = Job.of(told[0]), read_training_log(published)
    assert job.model is not None
    kept = filter(None, map(Checkpoint.of, told))
    return TunedModel(
        served=ServedModel(job.model, served.url),
        path=published,
        checkpoints=sorted(kept, key=lambda one: one.step),
        steps=log.steps if log is not None else 0,
        trained_tokens=job.trained_tokens,
        from_cache=from_cache,
        duration_s=duration_s,
    )
