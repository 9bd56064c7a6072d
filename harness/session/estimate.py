"""What a run will do, before it does it: how many answers it takes, how many are there already, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.engines import Request
from harness.engines.cache.answers import answer_key
from harness.records import Role
from harness.session.model_pair import ModelPair
from harness.session.speeds import seconds_an_answer, speed_key
from harness.tasks.base import Foreseeable, TaskLike


@dataclass(frozen=True)
class Estimate:
    """What a run will do.

    Attributes:
        tasks: to be measured.
        answers: that those which know what they ask take, of base and candidate.
        cached: answers of them that are there.
        uncounted: tasks that know what they ask only once their benchmark is read.
        seconds: for the others; None where one of them was never measured on this machine.
        trains: the recipe that is trained first; None where the adapter is there.
    """

    tasks: int
    answers: int
    cached: int
    uncounted: Sequence[str] = ()
    seconds: float | None = None
    trains: str | None = None

    def describe(self) -> str:
        """As in `12 tasks, 2,400 answers, 1,900 of them cached, about 4 min`."""
        from harness.report.text import duration, plural

        parts = [plural(self.tasks, "task")]
        if self.answers:
            parts += [
                f"about {plural(self.answers, 'answer')}",
                f"{self.cached:,} cached" if self.cached else "none cached",
            ]
        if self.uncounted:
            parts.append(f"not counted: {', '.join(self.uncounted)}")
        elif self.seconds is not None and self.cached < self.answers:
            parts.append(f"about {duration(_rounded(self.seconds))}")
        if self.trains is not None:
            parts.append(f"after training {self.trains}")
        return ", ".join(parts)


def estimate(pair: ModelPair, tasks: Sequence[TaskLike]) -> Estimate:
    """What measuring these tasks takes.

    Raises:
        AssayError: base or adapter cannot be found.
    """
    known = [task for task in tasks if isinstance(task, Foreseeable)]
    trains = pair.recipe.name if pair.recipe is not None and not pair.is_trained else None
    base = pair.identity("base").digest
    named = pair.settings.candidate_spec is not None and trains is None
    digests: dict[Role, str | None] = {"base": base, "candidate": pair.identity("candidate").digest if named else None}
    answers, cached, seconds = 0, 0, 0.0
    unknown = False
    for task in known:
        requests = task.foreseen
        each = seconds_an_answer(speed_key(base, pair.where, task.digest))
        for role, digest in digests.items():
            there = 0 if digest is None else _count_cached(pair, role, digest, requests)
            missing = task.answers_wanted - there
            answers, cached = answers + task.answers_wanted, cached + there
            seconds += (each or 0.0) * missing
            unknown |= each is None and missing > 0
    return Estimate(
        tasks=len(tasks),
        answers=answers,
        cached=cached,
        uncounted=[task.name for task in tasks if not isinstance(task, Foreseeable)],
        seconds=None if unknown else seconds,
        trains=trains,
    )


def _count_cached(pair: ModelPair, role: Role, digest: str, requests: Sequence[Request]) -> int:
    other = pair.other_base(role)
    keys = [answer_key(digest, request, other) for request in requests]
    known = pair.answers.known(keys)
    return sum(key in known for key in keys)


def _rounded(seconds: float) -> float:
    """To what can be known: tens of seconds above a minute."""
    return max(1.0, round(seconds, -1) if seconds >= 60 else round(seconds))
