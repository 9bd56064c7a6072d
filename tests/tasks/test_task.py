"""Every answer reaches the item that asked for it, in whatever order answers come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted import scripted_engine

from harness.engines import Answer, Generation, Prompt, Request, Score
from harness.engines.requests import Divergence, GenerateRequest, RollingRequest, ScoreRequest
from harness.errors import EngineError, TaskError, UnanswerableError
from harness.gates import Comparison, Evaluation
from harness.metrics.base import Metric, main_metric
from harness.tasks import Item, Task
from harness.tasks.answers import expect
from harness.tasks.classification import ClassificationGrader
from harness.tasks.multiple_choice import ChoiceGrader
from harness.tasks.plain_text import PlainTextGrader
from harness.tasks.worked_answer import WorkedAnswerGrader


def task(grader: ChoiceGrader | WorkedAnswerGrader | PlainTextGrader, *targets: object) -> Task:
    return Task("t", [Item(f"i{k}", Prompt.chat(f"q{k}"), t) for k, t in enumerate(targets)], grader, "d")


def letter_score(request: Request) -> Answer:
    assert isinstance(request, ScoreRequest)
    return Score(-float(json.loads(request.continuation)), False, 7, 1, 0.25)


def test_each_item_gets_its_own_answers_when_items_ask_different_numbers_of_requests() -> None:
    choices = [["3", "1"], ["5", "4", "2", "6"], ["1", "9", "8"]]
    grader = ChoiceGrader(style="cloze")
    measured = task(grader, *({"choices": c, "gold": 0} for c in choices))
    samples = measured.evaluate(scripted_engine(letter_score), "base")
    assert [s.parsed["choice_logprobs"] for s in samples] == [[-float(x) for x in c] for c in choices]
    assert [s.parsed["choice"] for s in samples] == [1, 2, 0]
    assert [s.prompt_tokens for s in samples] == [14, 28, 21]
    assert {(s.answer, s.stop_reason, s.latency_s) for s in samples} == {("", None, 0.25)}


def test_prompt_digest_covers_every_request() -> None:
    def digests(*choices: str) -> list[str]:
        measured = task(ChoiceGrader(style="cloze"), {"choices": list(choices), "gold": 0})
        return [s.prompt_digest for s in measured.evaluate(scripted_engine(letter_score), "base")]

    assert digests("1", "2") != digests("1", "3")
    assert digests("1", "2") == digests("1", "2")


def test_single_request_keeps_its_digest() -> None:
    grader = ClassificationGrader(labels=("a", "b"))
    measured = Task("t", [Item("i", Prompt.chat("q"), "a")], grader, "d")
    [sample] = measured.evaluate(scripted_engine(lambda r: Generation("a", "eos", 3, 1, 0.1)), "base")
    assert sample.prompt_digest == grader.requests(measured.items[0])[0].digest
    assert sample.scores == {"accuracy": 1.0, "stops_with_eos": 1.0, "answer_tokens": 1.0}


def test_generation_among_several_answers_is_the_sample_s_answer() -> None:
    def answer(request: Request) -> Answer:
        if isinstance(request, GenerateRequest):
            return Generation("It is 12.", "stop", 40, 5, 2.0, cached=True)
        return Score(-6.0, False, 40, 4, 0.5)

    measured = task(WorkedAnswerGrader(), {"answer": 12, "solution": "6 + 6 = 12"})
    [sample] = measured.evaluate(scripted_engine(answer), "candidate")
    assert (sample.answer, sample.stop_reason, sample.completion_tokens) == ("It is 12.", "stop", 5)
    assert sample.scores["exact_match"] == 1.0 and sample.scores["gold_solution_logprob"] == -1.5
    assert sample.scores["stops_with_eos"] == 1.0
    assert (sample.latency_s, sample.cached) == (2.0, False)


def test_texts_are_shown_and_counted() -> None:
    def answer(request: Request) -> Answer:
        return Score(-8.0, False, 0, 10, 0.1) if isinstance(request, RollingRequest) else Divergence(2.0, 8, 0.1)

    [sample] = task(PlainTextGrader(), "ab cd").evaluate(scripted_engine(answer), "base")
    assert (sample.prompt, sample.prompt_tokens, sample.completion_tokens) == ("ab cd", 0, 18)


def test_what_an_engine_cannot_answer_leaves_the_rest_of_an_item_measured() -> None:
    class NoDivergence:
        def answer(self, requests: list[Request]) -> list[tuple[int, Answer]]:
            if not all(isinstance(request, RollingRequest) for request in requests):
                raise UnanswerableError("no distributions")
            return [(i, Score(-8.0, False, 0, 10, 0.1)) for i in range(len(requests))]

    def both(request: Request) -> Answer:
        return Score(-8.0, False, 0, 10, 0.1) if isinstance(request, RollingRequest) else Divergence(2.0, 8, 0.1)

    measured = task(PlainTextGrader(), "ab cd", "ef")
    served = measured.evaluate(NoDivergence(), "candidate")  # type: ignore[arg-type]
    in_process = measured.evaluate(scripted_engine(both), "base")
    assert [sample.scores["kl_per_token"] for sample in served] == [None, None]
    assert Comparison(measured, in_process, served).metric("bits_per_byte").item_ids == ("i0", "i1")
    for asked in (Comparison(measured, in_process, served), Evaluation(measured, served)):
        with pytest.raises(UnanswerableError, match="does not tell kl_per_token"):
            asked.metric("kl_per_token")


def test_word_problems_are_solved_where_solutions_cannot_be_scored() -> None:
    class OnlyWrites:
        def answer(self, requests: list[Request]) -> list[tuple[int, Answer]]:
            if any(isinstance(request, ScoreRequest) for request in requests):
                raise UnanswerableError("no log-probabilities")
            return [(i, Generation("It is 12.", "stop", 40, 5, 2.0)) for i in range(len(requests))]

    measured = task(WorkedAnswerGrader(), {"answer": 12, "solution": "6 + 6 = 12"})
    [sample] = measured.evaluate(OnlyWrites(), "candidate")  # type: ignore[arg-type]
    assert (sample.scores["exact_match"], sample.scores["gold_solution_logprob"]) == (1.0, None)


def test_what_no_part_of_a_task_can_do_without_is_refused_by_the_engine() -> None:
    class Nothing:
        def answer(self, requests: list[Request]) -> list[tuple[int, Answer]]:
            raise UnanswerableError("no log-probabilities")

    for asked in (task(PlainTextGrader(), "ab"), task(ChoiceGrader(style="cloze"), {"choices": ["1", "2"], "gold": 0})):
        with pytest.raises(UnanswerableError, match="no log-probabilities"):
            asked.evaluate(Nothing(), "base")  # type: ignore[arg-type]


def test_progress_counts_requests_not_items() -> None:
    seen: list[tuple[int, int]] = []
    measured = task(ChoiceGrader(style="cloze"), {"choices": ["1", "2"], "gold": 0}, {"choices": ["3", "4"], "gold": 0})
    measured.evaluate(scripted_engine(letter_score), "base", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_lost_answer_is_an_error_not_a_shift() -> None:
    class Loses:
        def answer(self, requests: list[Request]) -> list[tuple[int, Answer]]:
            return [(i, letter_score(r)) for i, r in enumerate(requests) if i != 1]

    measured = task(ChoiceGrader(style="cloze"), {"choices": ["1", "2"], "gold": 0})
    with pytest.raises(EngineError, match="1 requests got no answer"):
        measured.evaluate(Loses(), "base")  # type: ignore[arg-type]


def test_answer_of_another_kind_names_the_item() -> None:
    item = Item("i7", Prompt.chat("q"), None)
    with pytest.raises(TaskError, match="'i7' was answered with a Score, not a Generation"):
        expect(Generation, item, Score(-1.0, True, 1, 1, 0.0))


def test_reading_examples_does_not_need_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.tasks import build_task

    rows = [{"q": f"q{i}", "c": ["x", "y"], "a": i % 2} for i in range(4)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    spec = {
        "kind": "multiple_choice",
        "data": "d.jsonl",
        "prompt_field": "q",
        "target_field": "a",
        "choices_field": "c",
    }
    monkeypatch.chdir("/")
    built = build_task("t", {**spec, "examples": "d.jsonl", "shots": 1}, root=tmp_path)
    request = built.grader.requests(built.items[1])[0]
    assert isinstance(request, ScoreRequest)
    assert request.prompt.text == "Question: q0\nA. x\nB. y\nAnswer: A\n\nQuestion: q1\nA. x\nB. y\nAnswer:"


def test_main_metric_is_accuracy_or_exact_match_or_the_first_where_more_is_better() -> None:
    assert task(ChoiceGrader(), {"choices": ["1", "2"], "gold": 0}).main_metric == "acc"
    assert task(WorkedAnswerGrader()).main_metric == "exact_match"
    assert Task("t", [], ClassificationGrader(labels=("a", "b")), "d").main_metric == "accuracy"
    assert main_metric([Metric("loss", higher_is_better=False), Metric("rouge1")]) == "rouge1"
    assert main_metric([Metric("loss", higher_is_better=False)]) == "loss"
