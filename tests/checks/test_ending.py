"""Answers that do not end: the remedy names the room that they have or the template, by what was cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_runs import N, Quiz, first, samples

from harness.checks.integrity import answers_end
from harness.gates import Comparison
from harness.metrics.base import STOPS, Metric
from harness.records import Verdict

EXPECTED = "a long answer that takes more room than the task gives it"


class Task(Quiz):
    def metric(self, name: str) -> Metric:
        return Metric(STOPS, "binary") if name == STOPS else super().metric(name)


def decide(answer: str, target: Any, cut: int = N) -> Verdict:
    base, candidate = (
        [
            replace(
                one,
                answer=answer,
                target=target,
                scores={STOPS: float(n >= cut)},
                stop_reason="length" if n < cut else "eos",
            )
            for n, one in enumerate(samples(role, first(N)))
        ]
        for role in ("base", "candidate")
    )
    task: Any = Task()
    return answers_end(Comparison(task, base, candidate), 0.85).decide()


@pytest.mark.parametrize("target", [EXPECTED, {"name": "get_weather", "arguments": {"city": "Oslo"}}])
def test_answers_cut_before_what_is_expected_ask_for_more_room(target: Any) -> None:
    verdict = decide("a long an", target)
    assert verdict.outcome == "fail" and verdict.remedy.startswith("raise `max_new_tokens:`")
    assert "template" not in verdict.remedy


def test_answers_that_go_on_behind_what_is_expected_ask_for_their_end() -> None:
    verdict = decide("yes and no and yes and no", "yes")
    assert verdict.outcome == "fail" and "chat template ends each answer" in verdict.remedy


def test_answers_that_end_pass() -> None:
    assert decide("yes", "yes", cut=2).outcome == "pass"
