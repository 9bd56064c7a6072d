"""Items asked several times at a temperature: other draws of each, told apart and kept together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import scripted_engine

from harness.config import Judging
from harness.engines import Answer, Generation, Request, answer_key
from harness.engines.requests import GenerateRequest, Score, ScoreRequest
from harness.errors import TaskError
from harness.gates import Comparison
from harness.judges.inputs import questions_of, replies_of
from harness.metrics.base import Metric
from harness.metrics.rubric import Rubric
from harness.records import Sample
from harness.tasks import Task, build_task
from harness.tasks.base import Divisible, Foreseeable, TaskLike, item_of
from harness.tasks.expected import ExpectedTexts
from harness.tasks.kinds import TaskContext, kind_of
from harness.tasks.rating import Rating
from harness.tasks.repeated import RepeatedTask, SampledGrader

SPEC = {"kind": "exact_match", "data": "a.jsonl", "prompt": "{q}", "target_field": "a"}
DRAWN = {"repeats": 4, "temperature": 0.7}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [{"q": f"q{i}", "a": str(i), "who": f"c{i // 2}"} for i in range(4)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def made(root: Path, **keys: Any) -> TaskLike:
    spec = {**SPEC, **keys}
    return kind_of("t", spec).make("t", spec, TaskContext(root))


def repeated(root: Path, **keys: Any) -> RepeatedTask:
    task = made(root, **{**DRAWN, **keys})
    assert isinstance(task, RepeatedTask)
    return task


def answered(task: Task | RepeatedTask) -> list[Sample]:
    """The first two answers to q1 are right, no other is."""
    of_q1 = [one.digest for one in task.foreseen if isinstance(one, GenerateRequest) and "q1" in one.prompt.display()]

    def answer(request: Request) -> Answer:
        return Generation("1" if request.digest in of_q1[:2] else "wrong", "eos", 3, 1, 0.1)

    return task.evaluate(scripted_engine(answer), "candidate")


@pytest.mark.parametrize(
    "keys", [{}, {"repeats": 1}, {"temperature": 0}, {"repeats": 1, "temperature": 0.0, "top_p": 1}]
)
def test_greedy_tasks_keep_their_digests_and_cache_keys(root: Path, keys: dict[str, Any]) -> None:
    task = made(root, **keys)
    assert isinstance(task, Task)
    assert task.digest == "068e8c92e9af8eea009502d759240b80cf88c7d324165c8cd5a932bf2675ab79"
    assert task.settings == {"items": 4}
    key = answer_key("me", task.foreseen[0])
    assert key == "a03031cd7e1a719ac035eb904347cc72c4f93decf7b76a95a26e9854a9ab8535"


def test_each_repeat_of_each_item_has_a_seed_of_its_own_and_the_same_for_every_model(root: Path) -> None:
    requests = repeated(root, top_p=0.9).foreseen
    assert len(requests) == 16
    assert all(isinstance(one, GenerateRequest) and (one.temperature, one.top_p) == (0.7, 0.9) for one in requests)
    seeds = {one.seed for one in requests if isinstance(one, GenerateRequest)}
    assert len(seeds) == 16 and all(0 <= seed < 2**31 for seed in seeds)
    assert [one.digest for one in repeated(root, top_p=0.9).foreseen] == [one.digest for one in requests]


def test_a_repeat_stays_what_it_was_where_more_are_asked(root: Path) -> None:
    few = {one.digest for one in repeated(root, repeats=2).foreseen}
    assert few < {one.digest for one in repeated(root, repeats=4).foreseen}


def test_every_answer_is_a_sample_and_those_to_an_item_a_cluster(root: Path) -> None:
    samples = answered(repeated(root))
    assert [one.item_id for one in samples[:5]] == ["row-1#1", "row-1#2", "row-1#3", "row-1#4", "row-2#1"]
    assert [one.cluster for one in samples[3:5]] == ["row-1", "row-2"]
    assert len({one.prompt_digest for one in samples}) == 16
    of_users = answered(repeated(root, cluster_field="who"))
    assert [one.cluster for one in of_users[::4]] == ["c0", "c0", "c1", "c1"]


def test_what_repeats_say_together_stands_with_each_of_them(root: Path) -> None:
    task = repeated(root)
    samples = answered(task)
    scores = [one.scores for one in samples if task.item_of(one) == "row-2"]
    assert [one["exact_match"] for one in scores] == [1, 1, 0, 0]
    for of_repeat in scores:
        assert of_repeat["pass@2"] == pytest.approx(1 - 1 / 6)
        assert of_repeat["pass^2"] == pytest.approx(1 / 6)
        assert (of_repeat["pass@4"], of_repeat["pass^4"]) == (1.0, 0.0)
        assert of_repeat["agreement"] == pytest.approx(2 / 6)
    assert {(one.scores["pass@4"], one.scores["agreement"]) for one in samples if task.item_of(one) != "row-2"} == {
        (0, 1)
    }


def test_a_metric_of_repeats_is_the_mean_over_items_with_an_interval_over_items(root: Path) -> None:
    task = repeated(root)
    samples = answered(task)
    measured = Comparison(task, samples, samples).metric("pass@2")
    interval = measured.candidate_interval(0.95)
    assert interval.value == pytest.approx((1 - 1 / 6) / 4)
    assert interval.standard_error == pytest.approx((1 - 1 / 6) / 4)  # s / sqrt(4), of one item of four
    assert (measured.n, measured.n_items, measured.n_clusters) == (16, 4, 4)
    verdict = measured.at_least(0.9).decide()
    assert verdict.n == 4


def test_floors_and_bounds_are_those_of_so_many_guesses(root: Path) -> None:
    task = repeated(root, kind="classification", labels=["0", "1", "2", "3"])
    assert task.metric("accuracy").floor == 0.25
    assert task.metric("pass@4").floor == pytest.approx(1 - 0.75**4)
    assert task.metric("pass^4").floor == pytest.approx(0.25**4)
    assert task.metric("pass^4").range == (0.0, 1.0)


def test_of_a_metric_that_is_no_share_best_and_worst_are_told(root: Path) -> None:
    task = repeated(root, kind="generation", repeats=3)
    names = {"best@2", "worst@2", "best@3", "worst@3", "agreement"}
    assert names <= answered(task)[0].scores.keys()
    assert task.metric("worst@3").range == (0.0, 1.0)
    assert task.main_metric == "rouge1"


def test_without_a_right_answer_agreement_alone_is_told(root: Path) -> None:
    spec = {"kind": "generation", "data": "a.jsonl", "prompt": "{q}", **DRAWN}
    task = kind_of("t", spec).make("t", spec, TaskContext(root))
    assert isinstance(task, RepeatedTask)
    assert {name for name in answered(task)[0].scores if "@" in name or "^" in name} == set()
    assert task.metric("agreement").range == (0.0, 1.0)


def test_what_is_no_text_is_asked_once_for_all_repeats(root: Path) -> None:
    rows = [{"question": "1+1?", "solution": "The answer is 2.", "answer": 2}]
    (root / "w.jsonl").write_text(json.dumps(rows[0]) + "\n")
    spec = {"kind": "worked_answer", "data": "w.jsonl", "prompt": "{question}", "target_field": "answer", **DRAWN}
    task = kind_of("t", spec).make("t", spec, TaskContext(root))
    assert isinstance(task, RepeatedTask)
    assert len({one.digest for one in task.foreseen if isinstance(one, ScoreRequest)}) == 1

    def answer(request: Request) -> Answer:
        if isinstance(request, ScoreRequest):
            return Score(-6.0, False, 40, 4, 0.5)
        return Generation("The answer is 2.", "stop", 40, 5, 2.0)

    assert {one.scores["gold_solution_logprob"] for one in task.evaluate(scripted_engine(answer), "base")} == {-1.5}


def test_one_draw_is_a_task_as_any_other_at_another_temperature(root: Path) -> None:
    task = made(root, temperature=0.7)
    assert isinstance(task, Task) and isinstance(task, Divisible)
    assert task.settings == {"items": 4, "temperature": 0.7, "top_p": 1.0}
    assert task.digest != made(root).digest
    assert [one.item_id for one in answered(task)][:2] == ["row-1", "row-2"]


def test_repeats_are_measured_whole_and_foreseen(root: Path) -> None:
    task = repeated(root)
    assert isinstance(task, Foreseeable) and not isinstance(task, Divisible)
    assert task.answers_wanted == 16
    assert task.settings == {"items": 4, "temperature": 0.7, "top_p": 1.0, "repeats": 4}
    assert len({task.digest, repeated(root, repeats=3).digest, repeated(root, temperature=0.8).digest}) == 3


def test_answers_find_the_item_that_they_answer(root: Path) -> None:
    task = repeated(root, metrics=[{"contains": "x"}])
    sample = answered(task)[6]
    assert item_of(task, sample) == "row-2"
    assert item_of(task.once, sample) == sample.item_id
    expected = ExpectedTexts(task).of(sample)
    assert (expected.question, expected.text) == ("q1", "1")


def test_a_judge_is_shown_each_answer(root: Path) -> None:
    task = repeated(root)
    samples = answered(task)
    questions = {one.id: one for one in questions_of(task)}
    assert replies_of(task, samples).keys() == questions.keys()
    assert (questions["row-2#3"].turns, questions["row-2#3"].cluster) == (("q1",), "row-2")


def test_a_rubric_rates_each_answer(root: Path) -> None:
    class Judge:
        identity_digest = "j"

        def rate(self, task: TaskLike, samples: list[Sample], rubric: Rubric) -> list[float]:
            known = {one.id for one in questions_of(task)}
            return [7.0 if one.item_id in known else 0.0 for one in samples]

    task = repeated(root)
    rating = Rating(Rubric(Metric("rubric"), "polite"), Judging(model="m"), Judge)
    rated = RepeatedTask.of(replace(task.once, ratings=[rating]), task.repeats)
    assert {one.scores["rubric"] for one in answered(rated)} == {7.0}
    assert rated.settings["judges"] == {"rubric": "j"}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"repeats": 2}, "asks for 2 repeats at temperature 0"),
        ({"top_p": 0.5}, "top_p 0.5 at temperature 0"),
        ({"repeats": 0}, "repeats is 0"),
        ({"repeats": 101, "temperature": 1}, "repeats is 101"),
        ({"temperature": -1}, "temperature is -1"),
        ({**DRAWN, "metrics": [{"contains": "x", "name": "agreement"}]}, "its repeats have a metric 'agreement'"),
    ],
)
def test_what_makes_no_sense_is_refused(root: Path, keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(TaskError, match=problem):
        made(root, **keys)


def test_kinds_that_write_nothing_have_no_repeats(root: Path) -> None:
    with pytest.raises(TaskError, match="repeats"):
        made(root, kind="plain_text", **DRAWN)


def test_they_are_built_as_other_tasks_of_a_file(root: Path) -> None:
    assert build_task("t", {**SPEC, **DRAWN}, root=root) == made(root, **DRAWN)


def test_sampling_keeps_what_may_be_left_unanswered(root: Path) -> None:
    class Grader:
        optional = (ScoreRequest,)

    task = made(root, temperature=0.7)
    assert isinstance(task, Task) and isinstance(task.grader, SampledGrader)
    assert SampledGrader(Grader(), task.grader.sampling).optional == (ScoreRequest,)  # type: ignore[arg-type]
    assert task.grader.optional == ()
