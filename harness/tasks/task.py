"""Items with a grader, put to a model: requests out, graded samples back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from harness.digests import digest_json
from harness.engines import Answer, Engine, Generation, Request
from harness.errors import EngineError, TaskError
from harness.metrics.base import GENERAL_METRICS, Metric, general_scores, main_metric
from harness.records import Role, Sample
from harness.tasks.base import Grader, Item, Progress
from harness.tasks.sampling import item_strata, stratified_order

_ORDER_SEED = 0


@dataclass(frozen=True)
class Task:
    """Items plus a grader.

    Attributes:
        data_digest: digest of the data the items were read from.
    """

    name: str
    items: Sequence[Item]
    grader: Grader
    data_digest: str

    @property
    def digest(self) -> str:
        """Digest of how the items are asked and graded."""
        return self.grader.digest

    @property
    def settings(self) -> Mapping[str, Any]:
        """How many items are asked."""
        return {"items": len(self.items)}

    @property
    def main_metric(self) -> str:
        """The metric the task is known by."""
        return main_metric(self.grader.metrics)

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        known = {m.name: m for m in (*GENERAL_METRICS, *self.grader.metrics)}
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    def random_order(self) -> Sequence[str]:
        """The ids of all items, as `Divisible` says."""
        return stratified_order(item_strata(self.items), _ORDER_SEED)

    def only(self, items: Collection[str]) -> Task:
        """The task of these items alone."""
        return replace(self, items=[item for item in self.items if item.id in items])

    def name_of(self, sample: Sample) -> str:
        """The id of the sample's item."""
        return sample.item_id

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every item and grade the answers.

        Returns:
            One sample an item, in the task's item order.

        Raises:
            EngineError: a request got no answer.
        """
        asked = [list(self.grader.requests(item)) for item in self.items]
        requests = [request for each in asked for request in each]
        answers: dict[int, Answer] = {}
        for index, answer in engine.answer(requests):
            answers[index] = answer
            if progress is not None:
                progress(len(answers), len(requests))
        if len(answers) != len(requests):
            raise EngineError(f"{self.name}: {len(requests) - len(answers)} requests got no answer", "report this bug")
        starts = accumulate(map(len, asked), initial=0)
        return [
            _sample(self, item, role, each, [answers[start + i] for i in range(len(each))])
            for item, each, start in zip(self.items, asked, starts, strict=False)
        ]


def _sample(task: Task, item: Item, role: Role, requests: Sequence[Request], answers: Sequence[Answer]) -> Sample:
    grade = task.grader.grade(item, answers)
    generation = next((a for a in answers if isinstance(a, Generation)), None)
    counted = answers if generation is None else [generation]
    return Sample(
        task=task.name,
        item_id=item.id,
        cluster=item.cluster,
        role=role,
        prompt_digest=requests[0].digest if len(requests) == 1 else digest_json([r.digest for r in requests]),
        prompt=requests[0].display(),
        target=item.target,
        answer=generation.text if generation is not None else "",
        parsed=grade.parsed,
        scores={**(general_scores(generation) if generation is not None else {}), **grade.scores},
        tags=item.tags,
        stop_reason=generation.stop_reason if generation is not None else None,
        prompt_tokens=sum(a.prompt_tokens for a in counted),
        completion_tokens=sum(a.completion_tokens for a in counted),
        latency_s=max(a.latency_s for a in answers),  # not the sum: they may have shared a batch
        cached=all(a.cached for a in answers),
    )
