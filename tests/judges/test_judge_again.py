"""A judge that is asked all over: another identity in the cache, the same budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.config.budget import Budget, BudgetSpentError
from harness.engines import AnswerCache, Batch, Generation, Request
from harness.engines.requests import Answers, GenerateRequest, Prompt
from harness.judges.engine import JudgeEngine


class Says:
    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        def run() -> Answers:
            yield from ((index, Generation("Rating: 7", "eos", 100, 5, 0.0)) for index in range(len(requests)))

        return [Batch(range(len(requests)), run)]


def question(text: str) -> GenerateRequest:
    return GenerateRequest(Prompt.chat(text), max_new_tokens=5)


def test_it_is_asked_again_within_what_is_left_of_its_budget(tmp_path: Path) -> None:
    judge = JudgeEngine("judge", Says(), AnswerCache(tmp_path / "answers"), budget=Budget(320))
    assert len(list(judge.answer([question("a")]))) == 1
    again = judge.again()
    assert len(list(again.answer([question("a")]))) == 1
    assert (judge.spent.total, again.spent.total) == (105, 210)
    with pytest.raises(BudgetSpentError):
        list(again.answer([question("b")]))
