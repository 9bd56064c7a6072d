"""How far two measurements of one candidate lie apart in the user's own set-up: measured once, kept, shown beside margins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.spec import ServedModel
from harness.digests import digest_json
from harness.errors import AssayError
from harness.json_files import kept_json
from harness.paths import cache_dir, write_atomic
from harness.records import Noise
from harness.tasks.base import TaskLike
from harness.tasks.lookup import find_task

if TYPE_CHECKING:
    from harness.checks.judge.runner import JudgeRunner
    from harness.gates import Comparison
    from harness.session import Session
    from harness.session.model_pair import ModelPair


@dataclass(frozen=True)
class MetricNoise:
    """Of one metric of a task.

    Attributes:
        first, second: what the two measurements found.
        floor: 19 of 20 differences between two such measurements are no larger.
    """

    metric: str
    first: float
    second: float
    floor: float


def measure_noise(session: Session, name: str) -> list[MetricNoise]:
    """Measure the candidate on a task a second time, and keep what came out for later runs of this set-up.

    The first time is the run's own: its answers come from the cache where they are there. A judge that has a say in the
    scores is asked a second time too.

    Raises:
        AssayError: the task cannot be measured.
    """
    from harness.gates import Comparison

    task, first = session.task(name), session.evaluate(name, "candidate")
    second = session.evaluate_again(_judged_again(session, name), "candidate")
    found = list(_noise_of(Comparison(task, first.samples, second.samples)))
    document = {
        "task": task.name,
        "candidate": session.models.candidate.name,
        "measured": datetime.now(UTC).date().isoformat(),
        "floors": {one.metric: one.floor for one in found},
    }
    file = _file(session.models, task)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, json.dumps(document))
    return found


def _judged_again(session: Session, name: str) -> TaskLike:
    """The task, with its judge, if it has one, asked all over."""
    task = session.task(name)
    if not task.settings.keys() & {"judge", "judges"}:
        return task

    def runner() -> JudgeRunner:
        from harness.checks.judge.runner import JudgeRunner

        judge = replace(session.loaded_judge, engine=session.loaded_judge.engine.again())
        working = partial(session._working, engine=judge.engine)
        return JudgeRunner(session, session.settings, judge, keep=lambda samples: None, working=working)

    return find_task(name, session.settings, judge=cache(runner))


def known_noise(models: ModelPair, task: TaskLike) -> Mapping[str, Noise]:
    """What was measured of this task in this set-up, by metric; empty where nothing was.

    It is that of the base, of where answers are computed and of how many items are asked how: the candidate may be another.
    """
    file = _file(models, task)
    kept = kept_json(file) if file.is_file() else None
    if not isinstance(kept, dict) or not isinstance(floors := kept.get("floors"), dict):
        return {}
    who, day = str(kept.get("candidate", "")), str(kept.get("measured", ""))
    return {metric: Noise(float(floor), who, day) for metric, floor in floors.items() if isinstance(floor, int | float)}


def _noise_of(twice: Comparison) -> Iterator[MetricNoise]:
    from harness.gates.noise import noise_floor

    grader = getattr(twice.task, "grader", None)
    scored = dict.fromkeys(name for sample in twice.base for name in sample.scores)
    names = dict.fromkeys([*scored, *(metric.name for metric in getattr(grader, "metrics", ()))])
    for name in names:
        try:
            measured = twice.metric(name)
        except AssayError:  # a score that is no metric, or one that nobody could give
            continue
        first, second = measured.values()
        if measured.n and first is not None:
            yield MetricNoise(name, first, second, noise_floor(measured))


def _file(models: ModelPair, task: TaskLike) -> Path:
    location = models.candidate.location
    where = models.where
    if isinstance(location, ServedModel):
        where = location.url or str(location)
    asked = [task.data_digest, task.digest, task.settings.get("items")]
    return cache_dir() / "noise" / f"{digest_json([models.identities['base'].digest, where, *asked])[:32]}.json"
