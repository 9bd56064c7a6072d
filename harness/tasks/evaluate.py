"""A task put to a model: requests out, graded samples back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from harness.digests import digest_json
from harness.engines import Answer, Engine, Generation, Request
from harness.engines.requests import Divergence, GenerateRequest, ScoreRequest
from harness.errors import EngineError
from harness.metrics.general import general_scores
from harness.runs.schema import Role, Sample
from harness.tasks.base import Item, Task

Progress = Callable[[int, int], None]


def evaluate(task: Task, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
    """Ask the model every item and grade the answers.

    Args:
        progress: called with (answers so far, answers wanted).

    Returns:
        One sample an item, in the task's item order.
    """
    asked = [list(task.grader.requests(item)) for item in task.items]
    requests = [request for each in asked for request in each]
    answers: dict[int, Answer] = {}
    for index, answer in engine.answer(requests):
        answers[index] = answer
        if progress is not None:
            progress(len(answers), len(requests))
    if len(answers) != len(requests):
        raise EngineError(f"{task.name}: {len(requests) - len(answers)} requests got no answer", "report this bug")
    starts = accumulate(map(len, asked), initial=0)
    return [
        _sample(task, item, role, each, [answers[start + i] for i in range(len(each))])
        for item, each, start in zip(task.items, asked, starts, strict=False)
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
        prompt=_display(requests[0]),
        target=item.target,
        answer=generation.text if generation is not None else "",
        parsed=grade.parsed,
        scores={**(general_scores(generation) if generation is not None else {}), **grade.scores},
        tags=item.tags,
        stop_reason=generation.stop_reason if generation is not None else None,
        prompt_tokens=sum(0 if isinstance(a, Divergence) else a.prompt_tokens for a in counted),
        completion_tokens=sum(a.tokens if isinstance(a, Divergence) else a.completion_tokens for a in counted),
        latency_s=max(a.latency_s for a in answers),  # not the sum: they may have shared a batch
        cached=all(a.cached for a in answers),
    )


def _display(request: Request) -> str:
    return request.prompt.display() if isinstance(request, GenerateRequest | ScoreRequest) else request.text
