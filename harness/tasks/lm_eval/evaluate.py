"""Subtask tasks put to an engine by lm-eval's own evaluation, and its log as our samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.evaluator import evaluate

from harness.engines import Engine
from harness.errors import TaskError
from harness.records import Role, Sample
from harness.tasks.base import Progress
from harness.tasks.lm_eval.lm import EngineLM
from harness.tasks.lm_eval.options import LmEvalOptions
from harness.tasks.lm_eval.samples import LoggedRow, make_sample, with_every_score
from harness.tasks.lm_eval.scores import score_names
from harness.tasks.lm_eval.solutions import GOLD_SOLUTION, has_solutions, score_solutions
from harness.tasks.lm_eval.subtasks import Subtask
from harness.tasks.lm_eval.surroundings import lm_eval_surroundings


def ask(
    name: str,
    leaves: Sequence[Subtask],
    selected: Mapping[str, Sequence[int]],
    options: LmEvalOptions,
    engine: Engine,
    role: Role,
    progress: Progress | None,
) -> list[Sample]:
    """What `LmEvalTask.evaluate` does, for the leaf tasks of which documents are selected.

    Args:
        name: of the task in its samples.
        selected: ascending document indices by leaf task.
    """
    lm = EngineLM(engine, chat=options.chat_template, progress=progress)
    with lm_eval_surroundings(options.seed):
        log = _evaluate(name, leaves, selected, options, lm)
        logged = {leaf.name: _by_document(log[leaf.name], selected[leaf.name]) for leaf in leaves}
        solvable = {leaf.name for leaf in leaves if has_solutions(leaf)}
        solutions = score_solutions(
            [
                (leaf, place, rows[0])
                for leaf in leaves
                if leaf.name in solvable
                for place, rows in enumerate(logged[leaf.name])
            ],
            lm,
        )
        samples = []
        for leaf in leaves:
            names = score_names(leaf.task)
            # lm-eval numbers requests by the place of their document among the selected ones
            for place, rows in enumerate(logged[leaf.name]):
                requests = range(len(rows[0]["arguments"]))
                answers = [answer for i in requests for answer in lm.answers[leaf.name, place, i]]
                sample = make_sample(name, leaf, role, rows, answers, names)
                if leaf.name in solvable:
                    solution = {GOLD_SOLUTION: solutions.get((leaf.name, place))}
                    sample = replace(sample, scores={**sample.scores, **solution})
                samples.append(sample)
    return with_every_score(samples)


def _evaluate(
    name: str, leaves: Sequence[Subtask], selected: Mapping[str, Sequence[int]], options: LmEvalOptions, lm: EngineLM
) -> Mapping[str, Sequence[LoggedRow]]:
    """lm-eval's log of each leaf task."""
    for leaf in leaves:
        # drawing examples moved the generator on: base and candidate must draw the same
        leaf.task.set_fewshot_seed(options.seed)
    try:
        results: dict[str, Any] = evaluate(
            lm=lm,
            task_dict={"tasks": {leaf.name: leaf.task for leaf in leaves}},
            samples={
                leaf.name: list(selected[leaf.name]) for leaf in leaves if len(selected[leaf.name]) < len(leaf.docs)
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
