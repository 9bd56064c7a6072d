"""How likely the gold solution of a text-generation task is: seen to fall where a small base solves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance

from harness.tasks.lm_eval.lm import ChatText, EngineLM
from harness.tasks.lm_eval.subtasks import Subtask

GOLD_SOLUTION = "gold_solution_logprob"

# lm-eval numbers the requests of a document from 0
_REQUEST = -1


def has_solutions(leaf: Subtask) -> bool:
    """The leaf task generates text, and its documents come with a text to generate."""
    return leaf.task.OUTPUT_TYPE == "generate_until" and any(_solution(leaf, doc) for doc in leaf.docs)


def score_solutions(
    rows: Sequence[tuple[Subtask, int, Mapping[str, Any]]], lm: EngineLM
) -> dict[tuple[str, int], float]:
    """Log-likelihood (nats a token) of each document's gold solution after the prompt that its answer was asked by.

    The solution stands behind the task's own delimiter, as in its few-shot examples; in a conversation it is the turn.

    Args:
        rows: leaf task, place of the document among those asked of it, and a row of lm-eval's log about it.

    Returns:
        By name of the leaf task and place; a document without a solution of its own is left out.
    """
    instances = []
    for leaf, place, row in rows:
        solution, prompt = _solution(leaf, row["doc"]), row["arguments"][0][0]
        if solution is not None:
            delimiter = "" if isinstance(prompt, ChatText) else leaf.task.get_config("target_delimiter")
            arguments = (prompt, f"{delimiter}{solution}")
            instances.append(Instance("loglikelihood", row["doc"], arguments, _REQUEST, (leaf.name, place, 1)))
    logprobs = lm.loglikelihood(instances) if instances else []
    scores = {}
    for instance, (logprob, _) in zip(instances, logprobs, strict=True):
        [answer] = lm.answers[instance.task_name, instance.doc_id, _REQUEST]
        scores[instance.task_name, instance.doc_id] = logprob / getattr(answer, "completion_tokens", 1)
    return scores


def _solution(leaf: Subtask, doc: Mapping[str, Any]) -> str | None:
    target = leaf.task.doc_to_target(doc)
    return target if isinstance(target, str) and target.strip() else None
