"""Answers that a judge rates by a rubric: what its ratings decide, and that only its own gates rest on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted import scripted_engine

from harness.config import Judging
from harness.engines.requests import Generation
from harness.errors import TaskError, UndecidedError
from harness.gates import Comparison
from harness.metrics.rubric import Rubric
from harness.records import Sample
from harness.tasks import Task
from harness.tasks.base import TaskLike
from harness.tasks.kinds import TASK_KINDS, TaskContext

KIND, RUDE = "Gladly! Kind regards", "No."


class Rater:
    """Rates by a rule and counts what it was asked."""

    identity_digest = "j" * 64

    def __init__(self, rule: Callable[[Sample], float | None]) -> None:
        self.rule = rule
        self.asked: list[tuple[str, str]] = []

    def rate(self, task: TaskLike, samples: Sequence[Sample], rubric: Rubric) -> list[float | None]:
        self.asked += [(sample.role, rubric.text) for sample in samples]
        return [self.rule(sample) for sample in samples]


def polite(sample: Sample) -> float:
    return 9.0 if sample.answer == KIND else 2.0


def unfit(sample: Sample) -> float:
    raise UndecidedError("judge unfit: it likes everything", "name another")


def talk(tmp_path: Path, rater: Rater | None, items: int = 40, **keys: Any) -> Task:
    rows = "".join(json.dumps({"ask": f"Could you do {n}?"}) + "\n" for n in range(items))
    (tmp_path / "talk.jsonl").write_text(rows)
    spec = {
        "kind": "generation",
        "data": "talk.jsonl",
        "prompt": "{ask}",
        "metrics": [{"rubric": "Is it polite?"}, {"contains": "regards"}],
        **keys,
    }
    judging = Judging(model="a judge" if rater is not None else None)
    context = TaskContext(tmp_path, judging=judging, judge=None if rater is None else lambda: rater)
    made = TASK_KINDS.get("generation").make("talk", spec, context)
    assert isinstance(made, Task)
    return made


def compared(task: Task, candidate: str, base: str = KIND) -> Comparison:
    base_samples, candidate_samples = (
        task.evaluate(scripted_engine(lambda request, text=text: Generation(text, "eos", 5, 3, 0.1)), role)
        for text, role in ((base, "base"), (candidate, "candidate"))
    )
    return Comparison(task, base_samples, candidate_samples)


@pytest.mark.parametrize(("candidate", "outcome"), [(KIND, "pass"), (RUDE, "fail")])
def test_ratings_of_both_models_decide_a_gate(tmp_path: Path, candidate: str, outcome: str) -> None:
    rater = Rater(polite)
    rated = compared(talk(tmp_path, rater, items=200), candidate).metric("rubric")
    assert rated.non_inferior(0.5).decide().outcome == outcome
    assert rated.at_least(7).decide().outcome == outcome
    assert set(rater.asked) == {("base", "Is it polite?"), ("candidate", "Is it polite?")}


@pytest.mark.parametrize(
    ("rater", "problem", "remedy"),
    [
        (Rater(unfit), "judge unfit: it likes everything", "name another"),
        (None, "metric 'rubric' is for a judge to give, and no judge is named", "--judge=MODEL"),
    ],
)
def test_a_judge_that_gives_no_ratings_leaves_the_other_gates_decided(
    tmp_path: Path, rater: Rater | None, problem: str, remedy: str
) -> None:
    comparison = compared(talk(tmp_path, rater), RUDE)
    assert comparison.metric("contains").non_inferior(0.1).decide().outcome == "fail"
    with pytest.raises(UndecidedError, match=problem) as caught:
        comparison.metric("rubric")
    assert remedy in caught.value.remedy
    assert rater is None or len(rater.asked) == 40  # of the base alone: it was not asked again


@pytest.mark.parametrize(("unread", "decided"), [(2, True), (3, False)])
def test_few_unreadable_verdicts_are_left_out_and_many_decide_nothing(
    tmp_path: Path, unread: int, decided: bool
) -> None:
    lost = {f"row-{n}" for n in range(1, unread + 1)}
    rater = Rater(lambda s: None if s.role == "candidate" and s.item_id in lost else polite(s))
    comparison = compared(talk(tmp_path, rater), KIND)
    if decided:
        assert comparison.metric("rubric").n == 40 - unread
        return
    with pytest.raises(UndecidedError, match=r"3 of 40 items of task 'talk' have no readable verdict by 'rubric'"):
        comparison.metric("rubric")


def test_a_rubric_is_part_of_how_a_task_is_graded_and_its_judge_of_the_settings(tmp_path: Path) -> None:
    task = talk(tmp_path, Rater(polite))
    assert task.digest != talk(tmp_path, None, metrics=[{"rubric": "Is it short?"}, {"contains": "regards"}]).digest
    assert task.digest == talk(tmp_path, None).digest
    assert task.settings == {"items": 40}
    compared(task, KIND)
    assert task.settings == {"items": 40, "judges": {"rubric": "j" * 64}}


def test_a_generation_without_right_answers_has_what_is_asserted_of_it_alone(tmp_path: Path) -> None:
    task = talk(tmp_path, None, metrics=[{"contains": "regards"}, {"max_tokens": 2, "name": "short"}, {"latency": 1}])
    comparison = compared(task, RUDE)
    assert [comparison.metric(name).values()[1] for name in ("contains", "short", "latency")] == [0.0, 0.0, 1.0]
    assert task.main_metric == "contains"
    assert talk(tmp_path, None, metrics=[]).main_metric == "stops_with_eos"
    with pytest.raises(TaskError, match="has no metric 'rougeL'"):
        task.metric("rougeL")
    with pytest.raises(TaskError, match="'rougeL', and its right answers are no texts"):
        talk(tmp_path, None, metrics=["rougeL"])
