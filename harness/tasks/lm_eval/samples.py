"""lm-eval's logged samples as our sample rows: one a document, whatever its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.digests import digest_json
from harness.engines import Answer, Generation
from harness.metrics.base import general_scores
from harness.metrics.choices import BRIER, CALIBRATION_ERROR, GOLD_LOGPROB, GOLD_PROB, choice_scores
from harness.records import Role, Sample
from harness.tasks.lm_eval.scores import ScoreName, as_json, as_score
from harness.tasks.lm_eval.subtasks import Subtask

LoggedRow = Mapping[str, Any]


@dataclass(frozen=True)
class Graded:
    """What became of one document: scores by name, the answer as text, and what it was parsed into."""

    scores: Mapping[str, float | None]
    answer: str
    parsed: dict[str, Any]
    target: Any


def subtask_sample(
    task: str,
    subtask: Subtask,
    role: Role,
    rows: Sequence[LoggedRow],
    answers: Sequence[Answer],
    names: Sequence[ScoreName],
) -> Sample:
    """One sample out of a document's logged rows, one row a filter.

    Args:
        answers: the engine's, in the order of the document's requests.
        names: the scores of this subtask.
    """
    first = rows[0]
    graded = _choice(subtask, first, answers) if subtask.is_plain_choice else _other(subtask, rows, answers)
    scores, values = _library_scores(subtask, rows, names)
    last = answers[-1]
    return Sample(
        task=task,
        item_id=f"{subtask.name}/{first['doc_id']}/{first['doc_hash'][:12]}",
        cluster=subtask.name if subtask.subject is not None else None,
        role=role,
        prompt_digest=digest_json([first["prompt_hash"], first["doc_hash"], first["target_hash"]]),
        prompt=str(first["arguments"][0][0]),
        target=graded.target,
        answer=graded.answer,
        parsed={**graded.parsed, **({"values": values} if values else {})},
        scores={**graded.scores, **scores},
        tags={"subject": subtask.subject} if subtask.subject is not None else {},
        stop_reason=last.stop_reason if isinstance(last, Generation) else None,
        prompt_tokens=max(getattr(answer, "prompt_tokens", 0) for answer in answers),
        completion_tokens=sum(getattr(answer, "completion_tokens", 0) for answer in answers),
        latency_s=max(answer.latency_s for answer in answers),
        cached=all(answer.cached for answer in answers),
    )


def with_every_score(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of unlike subtasks, each with None for the scores that only others have."""
    carried = [_carried(sample) for sample in samples]
    every = set().union(*carried)
    return [
        replace(sample, scores={**sample.scores, **dict.fromkeys(sorted(every - own - sample.scores.keys()))})
        for sample, own in zip(samples, carried, strict=True)
    ]


def _carried(sample: Sample) -> set[str]:
    """The scores a sample has, and the corpus metrics it can be a part of."""
    corpus = {CALIBRATION_ERROR} if sample.parsed.get("gold") is not None else set()
    return {*sample.scores, *sample.parsed.get("values", ()), *corpus}


def _choice(subtask: Subtask, row: LoggedRow, answers: Sequence[Answer]) -> Graded:
    doc, choices = row["doc"], subtask.task.doc_to_choice(row["doc"])
    # with `acc_mutual_info` the unconditional scores of the choices follow; they are no answer
    logprobs = [float(responses[0][0]) for responses in row["resps"][: len(choices)]]
    gold = _gold(subtask.task.doc_to_text(doc) if subtask.task.multiple_input else row["target"], choices)
    choice = max(range(len(logprobs)), key=logprobs.__getitem__)
    scores: dict[str, float | None] = dict.fromkeys((GOLD_LOGPROB, GOLD_PROB, BRIER))
    if gold is not None:
        scores.update(choice_scores(logprobs, gold))
    return Graded(
        scores=scores,
        answer=str(choices[choice]),
        parsed={"choice_logprobs": logprobs, "gold": gold, "choice": choice},
        target=as_json(row["target"]) if gold is None else choices[gold],
    )


def _gold(gold: Any, choices: Sequence[str]) -> int | None:
    """The index of the one right choice; None where there is none or several."""
    if isinstance(gold, list) and len(gold) == 1:
        gold = gold[0]
    if isinstance(gold, str):
        return choices.index(gold) if gold in choices else None
    return gold if isinstance(gold, int) and 0 <= gold < len(choices) else None


def _other(subtask: Subtask, rows: Sequence[LoggedRow], answers: Sequence[Answer]) -> Graded:
    first = rows[0]
    scores: dict[str, float | None] = {}
    answer, parsed = "", {}
    if subtask.task.OUTPUT_TYPE == "generate_until":
        answer = str(first["resps"][0][0])
        scores.update(general_scores(answers[-1]))
        parsed = {"filtered": {row["filter"]: as_json(row["filtered_resps"][0]) for row in rows}}
    elif subtask.task.OUTPUT_TYPE == "loglikelihood":
        scores[GOLD_LOGPROB] = float(first["resps"][0][0][0])
    return Graded(scores, answer, parsed, as_json(first["target"]))


def _library_scores(
    subtask: Subtask, rows: Sequence[LoggedRow], names: Sequence[ScoreName]
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Per-sample scores, and the values that lm-eval aggregates in its own way."""
    by_filter = {row["filter"]: row for row in rows}
    scores: dict[str, float | None] = {}
    values: dict[str, Any] = {}
    for name in names:
        row = by_filter[name.filter]
        if name.metric not in row["metrics"]:
            scores[name.name] = None
        elif name.aggregate is None:
            scores[name.name] = as_score(row[name.metric], name.name, subtask.name)
        else:
            values[name.name] = as_json(row[name.metric])
    return scores, values
