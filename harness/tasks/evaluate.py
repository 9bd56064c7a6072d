"""A task put to a model: requests out, graded samples back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.engines import Answer, Engine, GenerateRequest, Generation, Request, ScoreRequest
from harness.errors import EngineError
from harness.runs.schema import Role, Sample
from harness.tasks.base import Item, Task
from harness.metrics.general import general_scores

Progress = Callable[[int, int], None]


def evaluate(task: Task, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
    """Ask the model every item and grade the answers.

    Args:
        progress: called with (answers so far, answers wanted).

    Returns:
        One sample an item, in the task's item order.
    """
    requests = [task.grader.request(item) for item in task.items]
    answers: dict[int, Answer] = {}
    for index, answer in _answers(engine, requests):
        answers[index] = answer
        if progress is not None:
            progress(len(answers), len(requests))
    if len(answers) != len(requests):
        raise EngineError(f"{task.name}: {len(requests) - len(answers)} items got no answer", "report this bug")
    return [_sample(task, item, role, requests[i], answers[i]) for i, item in enumerate(task.items)]


def _answers(engine: Engine, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
    """Answers by index; a task asks for generations, for scores, or for both."""
    generations = [(i, r) for i, r in enumerate(requests) if isinstance(r, GenerateRequest)]
    scores = [(i, r) for i, r in enumerate(requests) if isinstance(r, ScoreRequest)]
    for place, generation in engine.generate([r for _, r in generations]):
        yield generations[place][0], generation
    for place, score in engine.score([r for _, r in scores]):
        yield scores[place][0], score


def _sample(task: Task, item: Item, role: Role, request: Request, answer: Answer) -> Sample:
    grade = task.grader.grade(item, answer)
    generated = isinstance(answer, Generation)
    return Sample(
        task=task.name,
        item_id=item.id,
        cluster=item.cluster,
        role=role,
        prompt_digest=request.digest,
        prompt=request.prompt.display(),
        target=item.target,
        answer=answer.text if generated else "",
        parsed=grade.parsed,
        scores={**general_scores(answer), **grade.scores},
        tags=item.tags,
        stop_reason=answer.stop_reason if generated else None,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        latency_s=answer.latency_s,
        cached=answer.cached,
    )
