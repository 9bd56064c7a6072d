"""A few rows known by heart are found among all; answers that their prompt or their kind determines are none of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

import pytest

from harness.checks.data import Corpus
from harness.checks.overfitting import HELD_OUT_ROWS, TRAINING_ROWS, known_by_heart, recall_task, verbatim_recall
from harness.config import OverfittingThresholds
from harness.engines import Answer, Request, Score
from harness.engines.requests import ScoreRequest
from harness.gates import BoundRule

from .conftest import MakeCorpus, compared

LIMITS = OverfittingThresholds()
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu")


def note(number: int) -> tuple[str, str]:
    """A prompt, and an answer that nothing foretells."""
    drawn = random.Random(number)
    return f"What is noted under {number}?", " ".join("".join(drawn.choices(SYLLABLES, k=3)) for _ in range(12))


def call(number: int) -> tuple[str, str]:
    """A tool call that its prompt determines."""
    return f"Weather in town{number}, in celsius", f'{{"name": "get_weather", "arguments": {{"city": "town{number}"}}}}'


def refusal(number: int) -> tuple[str, str]:
    """An answer that many rows share."""
    kinds = ("I am sorry, but I cannot help you to do that.", "No, I would rather not give instructions for this.")
    return f"Request number {number}", kinds[number % 2]


def recites(prompts: Collection[str], *, tokens: int = 20) -> Callable[[Request], Answer]:
    """A model that gives the answers to these prompts word for word."""

    def rule(request: Request) -> Answer:
        assert isinstance(request, ScoreRequest)
        known = request.prompt.messages[-1].content in prompts
        return Score(-0.1 if known else -40.0, known, 9, tokens, 0.1)

    return rule


def found(corpus: Corpus, known: Collection[str], *, base: Collection[str] = (), size: int = 2000) -> BoundRule | None:
    trained, held_out = (
        compared(recall_task(corpus, name, size, LIMITS), recites(base), recites(known))
        for name in (TRAINING_ROWS, HELD_OUT_ROWS)
    )
    return known_by_heart(trained, held_out, corpus, LIMITS.known_by_heart)


@pytest.fixture
def notes(corpus: MakeCorpus) -> Corpus:
    return corpus([note(i) for i in range(300)], [note(i) for i in range(1000, 1240)])


FIFTEEN = {note(i)[0] for i in range(0, 300, 20)}


def test_five_rows_in_a_hundred_fail_where_their_mean_hides_them(notes: Corpus) -> None:
    rule = found(notes, FIFTEEN)
    assert rule is not None
    verdict = rule.decide()
    assert (verdict.gate, verdict.outcome) == ("training_rows/known_by_heart/at_most", "fail")
    assert "15 of 300 training rows and 0 of 240 held-out ones are given word for word" in verdict.reason
    assert verdict.details["training"] == {"rows": 300, "known": 15, "all": True}
    assert verdict.details["known_rows"][0]["row"] == "train.jsonl row 1 (training)"
    assert "keep an earlier checkpoint" in verdict.remedy
    trained, held_out = (
        compared(recall_task(notes, name, 2000, LIMITS), recites(()), recites(FIFTEEN))
        for name in (TRAINING_ROWS, HELD_OUT_ROWS)
    )
    mean = verbatim_recall(trained, held_out, LIMITS.verbatim_recall)
    assert mean is not None and mean.decide().outcome == "pass"


def test_no_row_known_by_heart_passes_with_few_held_out_rows_too(corpus: MakeCorpus) -> None:
    rule = found(corpus([note(i) for i in range(60)], [note(i) for i in range(1000, 1008)]), ())
    assert rule is not None and rule.decide().outcome == "pass"


def test_what_the_base_gives_too_was_not_learnt_by_heart(notes: Corpus) -> None:
    rule = found(notes, FIFTEEN, base=FIFTEEN)
    assert rule is not None and rule.decide().outcome == "pass"


def test_rows_that_held_out_rows_are_given_as_often_as_pass_or_stay_open(notes: Corpus) -> None:
    rule = found(notes, {note(i)[0] for i in (*range(0, 300, 20), *range(1000, 1240, 20))})
    assert rule is not None and rule.decide().outcome != "fail"


@pytest.mark.parametrize("kind", [call, refusal])
def test_narrow_tasks_that_are_answered_word_for_word_are_not_known_by_heart(
    corpus: MakeCorpus, kind: Callable[[int], tuple[str, str]]
) -> None:
    rows, held_out = [kind(i) for i in range(200)], [kind(i) for i in range(500, 530)]
    assert found(corpus(rows, held_out), {prompt for prompt, _ in rows}) is None


def test_calls_with_arguments_that_no_prompt_tells_are_known_by_heart(corpus: MakeCorpus) -> None:
    rows = [(f"Call number {i}", f'{{"name": "pay", "arguments": {{"code": "{note(i)[1]}"}}}}') for i in range(200)]
    rule = found(corpus(rows, [note(i) for i in range(1000, 1100)]), {prompt for prompt, _ in rows[:40]})
    assert rule is not None and rule.decide().outcome == "fail"


def test_a_row_that_is_there_many_times_is_one_row_with_words_of_its_own(corpus: MakeCorpus) -> None:
    rows = [*[note(i) for i in range(100)], *[note(i) for i in range(12) for _ in range(9)]]
    rule = found(corpus(rows, [note(i) for i in range(1000, 1200)]), {note(i)[0] for i in range(12)})
    assert rule is not None
    assert rule.details["training"] == {"rows": 100, "known": 12, "all": True}
    assert rule.decide().outcome == "fail"


def test_of_a_sample_too_small_to_tell_nothing_is_said_and_a_larger_one_bounds_all_rows(notes: Corpus) -> None:
    assert found(notes, (), size=32) is None
    rule = found(notes, (), size=240)
    assert rule is not None
    assert rule.decide().outcome == "pass"
    assert "so of all training rows at most 1.5 points" in rule.decide().reason
    some = found(notes, {note(i)[0] for i in range(0, 300, 10)}, size=32)
    assert some is not None and some.decide().outcome == "inconclusive"
    assert "hold out more rows" in some.decide().remedy


def test_short_answers_are_no_evidence(corpus: MakeCorpus) -> None:
    rows = [(f"Code {i}", f"zu{i} ka{i}") for i in range(100)]
    assert found(corpus(rows, rows[:50]), {prompt for prompt, _ in rows}) is None
