"""Loops, growing answers and sameness, each planted in a candidate whose base has none of it."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import pytest
from scripted import Rule

from harness.checks.overfitting import (
    answer_task,
    compression,
    distinct_2,
    length_over_base,
    length_over_targets,
    repetition,
    self_bleu_rise,
)
from harness.engines import Answer, Generation, Request
from harness.engines.requests import GenerateRequest
from harness.errors import UndecidedError
from harness.gates import Comparison, Scalar

from .conftest import MakeCorpus, compared

_PLACES = ["harbour", "mill", "orchard", "quarry", "bridge", "meadow", "tower", "canal", "stable", "garden"]
_THINGS = ["lamps", "boats", "apples", "stones", "ropes", "hens", "bells", "sacks", "horses", "roses"]
TAUGHT = {
    f"What lies at {place} {i}?": f"At the {place} {_THINGS[(3 * i + k) % 10]} lie beside {7 * i + k} old {_THINGS[(i + k) % 10]}"
    for k, place in enumerate(_PLACES)
    for i in range(4)
}
ROWS = list(TAUGHT.items())
Say = Callable[[str], str]


def says(say: Say, stop: str = "eos") -> Rule:
    """A model that answers each prompt by rule, one token a word."""

    def rule(request: Request) -> Answer:
        assert isinstance(request, GenerateRequest)
        text = say(request.prompt.messages[-1].content)
        return Generation(text, stop, 9, len(text.split()), 0.1)  # type: ignore[arg-type]

    return rule


@pytest.fixture
def answered(corpus: MakeCorpus) -> Callable[..., Comparison]:
    """`answered(candidate, base=as taught)`: half of the prompts are of held-out rows."""
    task = answer_task(corpus(ROWS[:20], ROWS[20:]), 40)

    def compare(candidate: Say, base: Say = TAUGHT.__getitem__) -> Comparison:
        return compared(task, says(base), says(candidate))

    return compare


def test_a_candidate_that_loops_fails_and_one_that_answers_passes(answered: Callable[..., Comparison]) -> None:
    looping = repetition(answered(lambda asked: "and so on " * 12)).non_inferior(0.15).decide()
    assert (looping.outcome, looping.gate) == ("fail", "row_answers/repetition/non_inferior")
    assert repetition(answered(TAUGHT.__getitem__)).non_inferior(0.15).decide().outcome == "pass"


def test_a_base_that_always_loops_decides_nothing(answered: Callable[..., Comparison]) -> None:
    loop = "and so on " * 12
    verdict = repetition(answered(lambda asked: loop, lambda asked: loop)).non_inferior(0.15).decide()
    assert verdict.outcome == "inconclusive"


def test_answers_three_times_as_long_fail_against_base_and_targets(answered: Callable[..., Comparison]) -> None:
    long = answered(lambda asked: " ".join([TAUGHT[asked]] * 3))
    for verdict in (length_over_base(long, 2.0).decide(), length_over_targets(long, 1.5).decide()):
        assert verdict.outcome == "fail"
        assert verdict.estimate is not None and verdict.estimate.value == pytest.approx(3, abs=0.3)
        assert verdict.remedy
    same = answered(TAUGHT.__getitem__)
    assert length_over_base(same, 2.0).decide().outcome == "pass"
    assert length_over_targets(same, 1.5).decide().outcome == "pass"


def test_long_answers_taught_and_given_pass_the_targets_and_fail_the_base(answered: Callable[..., Comparison]) -> None:
    taught = answered(TAUGHT.__getitem__, lambda asked: "No.")
    assert length_over_targets(taught, 1.5).decide().outcome == "pass"
    assert length_over_base(taught, 2.0).decide().outcome == "fail"


def test_targets_are_those_of_held_out_rows_where_there_are_any(
    answered: Callable[..., Comparison], corpus: MakeCorpus
) -> None:
    def longer(asked: str) -> str:
        return TAUGHT[asked] if (asked, TAUGHT[asked]) in ROWS[:20] else " ".join([TAUGHT[asked]] * 3)

    assert length_over_targets(answered(longer), 1.5).decide().outcome == "fail"
    alone = answer_task(corpus(ROWS[:20]), 40)
    every = compared(alone, says(TAUGHT.__getitem__), says(longer))
    assert length_over_targets(every, 1.5).decide().outcome == "pass"


def test_empty_answers_have_a_length_all_the_same(answered: Callable[..., Comparison]) -> None:
    verdict = length_over_base(answered(TAUGHT.__getitem__, lambda asked: ""), 2.0).decide()
    assert verdict.outcome == "fail"


def test_one_answer_to_everything_fails_each_measure_of_variety(answered: Callable[..., Comparison]) -> None:
    collapsed = answered(lambda asked: "At the mill boats lie beside 7 old ropes")
    assert distinct_2(collapsed).at_least(0.5).decide().outcome == "fail"
    assert self_bleu_rise(collapsed).at_most(0.2).decide().outcome == "fail"
    verdict = compression(collapsed).at_most(1.5).decide()
    assert verdict.outcome == "fail" and "alike" in verdict.remedy
    assert set(verdict.details["values"]) == {"base", "candidate", "targets"}


def test_answers_as_varied_as_those_taught_pass_however_varied_the_base_is(answered: Callable[..., Comparison]) -> None:
    def varied(asked: str) -> str:
        return " ".join(f"{word}{crc32(f'{asked}{i}'.encode()) % 9973}" for i, word in enumerate(asked.split() * 2))

    faithful = answered(TAUGHT.__getitem__, varied)
    assert distinct_2(faithful).at_least(0.5).decide().outcome == "pass"
    assert self_bleu_rise(faithful).at_most(0.2).decide().outcome == "pass"
    assert compression(faithful).at_most(1.5).decide().outcome == "pass"


def test_the_cap_leaves_room_for_answers_twice_as_long_as_the_longest_taught(corpus: MakeCorpus) -> None:
    def cap(*answers: str) -> int:
        task = answer_task(corpus([(f"q{i}", answer) for i, answer in enumerate(answers)]), 10)
        [request, *_] = task.grader.requests(task.items[0])
        assert isinstance(request, GenerateRequest)
        return request.max_new_tokens

    assert cap("yes", "x" * 120) == 60
    assert (cap("yes"), cap("x" * 4000)) == (32, 256)


def test_files_of_one_name_and_row_do_not_become_one_item(corpus: MakeCorpus) -> None:
    task = answer_task(corpus(ROWS[:3], ROWS[20:23]), 6)
    assert len({item.id for item in task.items}) == 6
    assert [item.tags["rows"] for item in task.items] == ["held-out"] * 3 + ["training"] * 3


def test_a_base_that_says_nothing_leaves_no_variety_to_lose(answered: Callable[..., Comparison]) -> None:
    silent = answered(lambda asked: "Yes indeed", lambda asked: "")
    assert distinct_2(silent).value == 1.0


@pytest.mark.parametrize("measure", [distinct_2, self_bleu_rise, compression])
def test_a_single_answer_decides_nothing_about_variety(
    measure: Callable[[Comparison], Scalar], corpus: MakeCorpus
) -> None:
    def answers(rows: int) -> Comparison:
        return compared(answer_task(corpus(ROWS[:rows]), 8), says(TAUGHT.__getitem__), says(TAUGHT.__getitem__))

    with pytest.raises(UndecidedError, match="1 answer given") as undecided:
        measure(answers(1))
    assert "measure more rows" in undecided.value.remedy
    assert measure(answers(2)).value in (0.0, 1.0)


def test_a_single_answer_decides_nothing_about_length(corpus: MakeCorpus) -> None:
    alone = compared(answer_task(corpus(ROWS[:1]), 2), says(lambda asked: "No."), says(TAUGHT.__getitem__))
    verdict = length_over_base(alone, 2.0).decide()
    assert (verdict.outcome, "1 independent rows" in verdict.reason) == ("inconclusive", True)
