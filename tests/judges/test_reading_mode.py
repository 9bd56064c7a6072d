"""How verdicts are read off a judge: asked of a server once, remembered, and told."""

from __future__ import annotations

from typing import Any

import pytest
from faulty_server import FaultyServer, Status, chat_answer, faults_in_order
from scripted_judge import ScriptedJudge, always_first

from harness.config import Judging
from harness.config.budget import Budget
from harness.errors import ConfigError, EngineError
from harness.judges.reading_mode import ReadingMode, choose_reading_mode


def test_in_process_log_probabilities_are_read_and_nothing_is_asked(judge_engine) -> None:
    with ScriptedJudge(always_first) as server:
        assert choose_reading_mode(Judging(), judge_engine(server), served=False) == ReadingMode("logprobs")
        assert choose_reading_mode(Judging(reads="text"), judge_engine(server), served=True) == ReadingMode("text")
        assert server.seen == []


def test_a_server_is_asked_once_and_a_second_run_finds_the_answer(judge_engine) -> None:
    with ScriptedJudge(always_first, certainty=0.7) as server:
        assert choose_reading_mode(Judging(), judge_engine(server), served=True) == ReadingMode("logprobs")
        assert choose_reading_mode(Judging(), judge_engine(server), served=True) == ReadingMode("logprobs")
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (chat_answer("1"), "gives no log-probabilities"),
        (chat_answer("1", logprobs={"content": []}), "gives no log-probabilities"),
        (chat_answer("1", logprobs={"content": [{"token": "1", "logprob": 0.0, "top_logprobs": []}]}), "gives no log-"),
        (
            chat_answer("<think>", logprobs={"content": [{"top_logprobs": [{"token": "<think>", "logprob": 0.0}]}]}),
            "none of its likeliest first tokens is a verdict",
        ),
    ],
    ids=["dropped silently", "empty", "without the likeliest", "thinks first"],
)
def test_where_a_server_tells_nothing_replies_are_read_and_the_reason_is_told(
    judge_engine, answer: dict[str, Any], why: str
) -> None:
    with FaultyServer(lambda path, body: answer) as server:
        mode = choose_reading_mode(Judging(), judge_engine(server), served=True)
        assert mode.reads == "text" and why in mode.describe()
        assert len(server.seen) == 1
        with pytest.raises(ConfigError, match=why) as caught:
            choose_reading_mode(Judging(reads="logprobs"), judge_engine(server), served=True)
        assert "judge.reads" in caught.value.remedy


def test_a_server_that_refuses_the_question_for_its_logprobs_is_read_by_replies(judge_engine) -> None:
    refusal = Status(400, body={"error": {"message": "logprobs are not supported with this model"}})
    with FaultyServer(faults=faults_in_order(refusal)) as server:
        assert "refuses to give" in choose_reading_mode(Judging(), judge_engine(server), served=True).why


def test_any_other_refusal_is_no_word_about_logprobs(judge_engine) -> None:
    refusal = Status(400, body={"error": {"message": "no such model"}})
    with FaultyServer(faults=faults_in_order(refusal)) as server, pytest.raises(EngineError, match="no such model"):
        choose_reading_mode(Judging(), judge_engine(server), served=True)


def test_ratings_of_a_server_are_read_from_replies_without_asking(judge_engine) -> None:
    with ScriptedJudge(always_first, certainty=0.7) as server:
        assert "1 from 10" in choose_reading_mode(Judging(mode="rubric"), judge_engine(server), served=True).why
        assert server.seen == []


def test_a_budget_too_small_for_the_trial_leaves_written_replies(judge_engine) -> None:
    with ScriptedJudge(always_first, certainty=0.7) as server:
        mode = choose_reading_mode(Judging(), judge_engine(server, budget=Budget(10)), served=True)
        assert (mode.reads, server.seen) == ("text", [])
        assert "judge budget spent" in mode.why
