"""The benchmark of repeats draws two measurements of one model that have no answer in common."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from scripted import scripted_engine

from harness.engines import Answer, Generation, Request
from harness.engines.requests import GenerateRequest

repeats = importlib.import_module("benchmarks.repeats")


def answer(request: Request) -> Answer:
    assert isinstance(request, GenerateRequest) and request.temperature == 0.7
    return Generation("a" * (request.seed % 7), "eos", 3, 1, 0.1)


def test_two_measurements_share_no_answer_and_tell_of_their_own_repeats() -> None:
    drawn = repeats.task_of(6, 8)
    samples = drawn.evaluate(scripted_engine(answer), "candidate")
    comparison = repeats.twice(drawn, samples, 4, np.random.default_rng(0))
    assert len(comparison.pairs) == 24
    for start in range(0, 24, 4):
        group = comparison.pairs[start : start + 4]
        of_item = samples[start * 2 : start * 2 + 8]
        assert sorted(one.answer for pair in group for one in pair) == sorted(one.answer for one in of_item)
        for side in (0, 1):
            right = [pair[side].scores["even"] for pair in group]
            assert {pair[side].scores["pass^4"] for pair in group} == {float(all(right))}
            assert {pair[side].scores["pass@4"] for pair in group} == {float(any(right))}


def test_what_came_of_a_pair_is_counted() -> None:
    drawn = repeats.task_of(20, 8)
    samples = drawn.evaluate(scripted_engine(answer), "candidate")
    counts = repeats.count(repeats.twice(drawn, samples, 4, np.random.default_rng(0)), "even")
    assert counts.keys() == {"changed", "failed", "passed", "beyond"}
    assert set(counts.values()) <= {0, 1}


@pytest.mark.parametrize("arguments", [["--repeats=1"], ["--repeats=4", "--draws=7"], ["--items=1"]])
def test_too_few_draws_are_misuse(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        repeats.main(arguments)
    assert stopped.value.code == 2
