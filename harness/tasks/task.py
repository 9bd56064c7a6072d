"""Items with a grader, put to a model: requests out, graded samples back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from harness.digests import digest_json
from harness.engines import Answer, Engine, Generation, Request
from harness.errors import UnanswerableError
from harness.metrics.base import GENERAL_METRICS, Metric, main_metric
from harness.records import Role, Sample
from harness.tasks.base import Grader, Item, Progress, answers_of, find_metric, make_sample
from harness.tasks.rating import Rating
from harness.tasks.sampling import item_strata, stratified_order

_ORDER_SEED = 0


@dataclass(frozen=True)
class Task:
    """Items plus a grader.

    Attributes:
        data_digest: digest of the data the items were read from.
        ratings: what a judge is asked about the answers.
        sampling: how answers are drawn, for the run's manifest; empty for greedy ones.
    """

    name: str
    items: Sequence[Item]
    grader: Grader
    data_digest: str
    ratings: Sequence[Rating] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        if not self.ratings:
            return self.grader.digest
        return digest_json(["rated", self.grader.digest, [one.rubric.identity for one in self.ratings]])

    @property
    def settings(self) -> Mapping[str, Any]:
        judges = {one.name: one.judges[0] for one in self.ratings if one.judges}
        return {"items": len(self.items), **self.sampling, **({"judges": judges} if judges else {})}

    @property
    def main_metric(self) -> str:
        return main_metric([*self.grader.metrics, *(one.metric for one in self.ratings)] or GENERAL_METRICS)

    def metric(self, name: str) -> Metric:
        rated = {one.name: one for one in self.ratings}
        metrics = (*GENERAL_METRICS, *self.grader.metrics, *(one.metric for one in self.ratings))
        found = find_metric(self.name, name, metrics)
        return rated[name].measured if name in rated else found

    @property
    def foreseen(self) -> Sequence[Request]:
        return [request for item in self.items for request in self.grader.requests(item)]

    @property
    def answers_wanted(self) -> int:
        return len(self.foreseen)

    def random_order(self) -> Sequence[str]:
        return stratified_order(item_strata(self.items), _ORDER_SEED)

    def only(self, items: Collection[str]) -> Task:
        return replace(self, items=[item for item in self.items if item.id in items])

    def name_of(self, sample: Sample) -> str:
        return sample.item_id

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every item and grade the answers.

        Returns:
            One sample an item, in the task's item order.
        """
        asked = [list(self.grader.requests(item)) for item in self.items]
        try:
            answers = _divided(engine, self.name, asked, progress)
        except UnanswerableError:
            optional = tuple(getattr(self.grader, "optional", ()))
            answered = [[one for one in each if not isinstance(one, optional)] for each in asked]
            if answered == asked:
                raise
            answers = _divided(engine, self.name, answered, progress)
        samples = [
            self._sample(item, role, requests, its_answers)
            for item, requests, its_answers in zip(self.items, asked, answers, strict=True)
        ]
        for rating in self.ratings:
            samples = rating.add_to(self, samples)
        return samples

    def _sample(self, item: Item, role: Role, requests: Sequence[Request], answers: Sequence[Answer]) -> Sample:
        digests = [request.digest for request in requests]
        return make_sample(
            self.name,
            role,
            item,
            self.grader.grade(item, answers),
            answers,
            prompt=requests[0].display(),
            prompt_digest=digests[0] if len(digests) == 1 else digest_json(digests),
            shown=next((answer for answer in answers if isinstance(answer, Generation)), None),
        )


def _divided(
    engine: Engine, task: str, asked: Sequence[Sequence[Request]], progress: Progress | None
) -> list[list[Answer]]:
    """The answers to what is asked of each item."""
    answers = iter(answers_of(engine, task, [one for each in asked for one in each], progress))
    return [list(islice(answers, len(each))) for each in asked]
