"""The gold solutions of generation tasks are scored after the prompts that the answers were asked by."""

from __future__ import annotations

import pytest

from harness.engines import GenerateRequest, ScoreRequest
from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask


def asked(engine, kind):
    return [request for request in engine.requests if isinstance(request, kind)]


def test_each_documents_solution_is_scored_after_its_own_prompt(scripted, yaml_dir):
    engine = scripted(score=lambda request: -2.0 * len(request.continuation))
    samples = LmEvalTask("tiny_words", LmEvalOptions(include_path=yaml_dir)).evaluate(engine, "base")
    scored = {request.prompt: request.continuation for request in asked(engine, ScoreRequest)}
    assert {request.prompt for request in asked(engine, GenerateRequest)} == set(scored)
    assert [scored[request.prompt] for request in asked(engine, GenerateRequest)] == [f" {s.target}" for s in samples]
    assert [s.scores["gold_solution_logprob"] for s in samples] == [-2.0] * 6


def test_answers_and_lm_evals_scores_stay_what_they_were(scripted, yaml_dir):
    engine = scripted(text=lambda request: "dog")
    first = LmEvalTask("tiny_words", LmEvalOptions(include_path=yaml_dir)).evaluate(engine, "base")[0]
    assert (first.answer, first.scores["exact_match"], first.stop_reason) == ("dog", 1.0, "stop")
    assert (first.prompt_tokens, first.completion_tokens) == (7, 3)


def test_a_limited_task_scores_the_documents_it_asks(scripted, yaml_dir):
    engine = scripted()
    samples = LmEvalTask("tiny_words", LmEvalOptions(include_path=yaml_dir, limit=2)).evaluate(engine, "base")
    assert sorted(r.continuation for r in asked(engine, ScoreRequest)) == sorted(f" {s.target}" for s in samples)


def test_in_a_conversation_the_solution_is_the_turn(scripted, yaml_dir):
    engine = scripted()
    options = LmEvalOptions(include_path=yaml_dir, chat_template=True)
    samples = LmEvalTask("tiny_words", options).evaluate(engine, "base")
    assert [r.continuation for r in asked(engine, ScoreRequest)] == [s.target for s in samples]
    assert all(request.prompt.messages for request in asked(engine, ScoreRequest))


@pytest.mark.parametrize("target", ["7", '""', '["a", "b"]'], ids=["number", "empty", "several"])
def test_a_task_without_one_text_to_generate_has_no_such_metric(scripted, yaml_dir, tmp_path, target):
    text = (yaml_dir / "words.yaml").read_text().replace('"{{choices[answer]}}"', target)
    (tmp_path / "bare.yaml").write_text(text.replace("exact_match", "bypass").replace(", ignore_case: true", ""))
    task = LmEvalTask(str(tmp_path / "bare.yaml"))
    from harness.tasks.lm_eval.scores import metric_table

    assert "gold_solution_logprob" not in metric_table(task.subtasks, None, ())


def test_the_metric_can_be_gated(scripted, yaml_dir):
    from harness.gates import Comparison

    task = LmEvalTask("tiny_words", LmEvalOptions(include_path=yaml_dir))
    base = task.evaluate(scripted(score=lambda r: -1.0 * len(r.continuation)), "base")
    candidate = task.evaluate(
        scripted(score=lambda r: -(1.5 + len(r.prompt.text) / 1000) * len(r.continuation)), "base"
    )
    measured = Comparison(task, base, candidate).metric("gold_solution_logprob")
    assert measured.non_inferior(0.1).decide().outcome == "fail"
    assert task.main_metric == "exact_match"


def test_other_kinds_of_tasks_ask_nothing_more(scripted, yaml_dir):
    engine = scripted()
    samples = LmEvalTask("tiny_group", LmEvalOptions(include_path=yaml_dir)).evaluate(engine, "base")
    assert len(engine.requests) == 4 * len(samples)
    assert "gold_solution_logprob" not in samples[0].scores
