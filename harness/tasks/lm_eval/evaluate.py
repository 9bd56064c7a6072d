"""Subtasks put to an engine by lm-eval's own evaluation, and its log as our samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.evaluator import evaluate

from harness.engines import Engine
from harness.errors import TaskError
from harness.records import Role, Sample
from harness.tasks.base import Progress
from harness.tasks.lm_eval.lm import ChatText, EngineLM
from harness.tasks.lm_eval.metric_names import GOLD_SOLUTION
from harness.tasks.lm_eval.options import LmEvalOptions
from harness.tasks.lm_eval.samples import LoggedRow, subtask_sample, with_every_score
from harness.tasks.lm_eval.scores import score_names
from harness.tasks.lm_eval.subtasks import Subtask
from harness.tasks.lm_eval.surroundings import lm_eval_surroundings

# lm-eval numbers the requests of a document from 0
_SOLUTION_REQUEST = -1


def ask(
    name: str,
    subtasks: Sequence[Subtask],
    selected: Mapping[str, Sequence[int]],
    options: LmEvalOptions,
    engine: Engine,
    role: Role,
    progress: Progress | None,
) -> list[Sample]:
    """What `LmEvalTask.evaluate` does, for the subtasks of which documents are selected.

    Args:
        name: of the task in its samples.
        selected: ascending document indices by subtask.
    """
    lm = EngineLM(engine, chat=options.chat_template, progress=progress)
    with lm_eval_surroundings(options.seed):
        log = _evaluate(name, subtasks, selected, options, lm)
        # lm-eval numbers requests by the position of their document among the selected ones
        logged = [
            (subtask, position, rows)
            for subtask in subtasks
            for position, rows in enumerate(_by_document(log[subtask.name], selected[subtask.name]))
        ]
        names = {subtask.name: score_names(subtask.task) for subtask in subtasks}
        solvable = {subtask.name for subtask in subtasks if subtask.has_solutions}
        solutions = _score_solutions([one for one in logged if one[0].name in solvable], lm)
        samples = []
        for subtask, position, rows in logged:
            requests = range(len(rows[0]["arguments"]))
            answers = [answer for i in requests for answer in lm.answers[subtask.name, position, i]]
            sample = subtask_sample(name, subtask, role, rows, answers, names[subtask.name])
            solution = {GOLD_SOLUTION: solutions.get((subtask.name, position))} if subtask.name in solvable else {}
            samples.append(replace(sample, scores={**sample.scores, **solution}))
    return with_every_score(samples)


def _evaluate(
    name: str, subtasks: Sequence[Subtask], selected: Mapping[str, Sequence[int]], options: LmEvalOptions, lm: EngineLM
) -> Mapping[str, Sequence[LoggedRow]]:
    """lm-eval's log of each subtask."""
    for subtask in subtasks:
        # drawing examples moved the generator on: base and candidate must draw the same
        subtask.task.set_fewshot_seed(options.seed)
    try:
        results: dict[str, Any] = evaluate(
            lm=lm,
            task_dict={"tasks": {subtask.name: subtask.task for subtask in subtasks}},
            samples={
                subtask.name: list(selected[subtask.name])
                for subtask in subtasks
                if len(selected[subtask.name]) < len(subtask.docs)
            },
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=options.chat_template,
            fewshot_as_multiturn=options.chat_template and options.fewshot_as_multiturn,
        )
    except LookupError as error:
        if "nltk" not in str(error):
            raise
        raise TaskError(
            f"grading {name!r} needs data of NLTK that are not installed: {error}",
            "install them with `python -m nltk.downloader punkt_tab`; the answers so far are kept",
        ) from error
    logged: Mapping[str, Sequence[LoggedRow]] = results["samples"]
    return logged


def _by_document(rows: Sequence[LoggedRow], items: Sequence[int]) -> list[list[LoggedRow]]:
    """The logged rows of each document, one a filter."""
    by_item: defaultdict[int, list[LoggedRow]] = defaultdict(list)
    for row in rows:
        by_item[row["doc_id"]].append(row)
    return [by_item[item] for item in items]


def _score_solutions(
    logged: Sequence[tuple[Subtask, int, Sequence[LoggedRow]]], lm: EngineLM
) -> dict[tuple[str, int], float]:
    """Log-likelihood (nats a token) of each document's gold solution after the prompt that its answer was asked by.

    The solution stands behind the task's own delimiter, as in its few-shot examples; in a conversation it is the turn.

    Returns:
        By name of the subtask and position; a document without a solution of its own is left out.
    """
    instances = []
    for subtask, position, (row, *_) in logged:
        solution, prompt = subtask.solution(row["doc"]), row["arguments"][0][0]
        if solution is not None:
            delimiter = "" if isinstance(prompt, ChatText) else subtask.task.get_config("target_delimiter")
            metadata = (subtask.name, position, 1)
            arguments = (prompt, f"{delimiter}{solution}")
            instances.append(Instance("loglikelihood", row["doc"], arguments, _SOLUTION_REQUEST, metadata))
    logprobs = lm.loglikelihood(instances) if instances else []
    scores = {}
    for instance, (logprob, _) in zip(instances, logprobs, strict=True):
        [answer] = lm.answers[instance.task_name, instance.doc_id, _SOLUTION_REQUEST]
        scores[instance.task_name, instance.doc_id] = logprob / getattr(answer, "completion_tokens", 1)
    return scores
