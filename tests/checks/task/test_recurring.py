"""One answer to many questions is told from answers that are right for as many."""

from __future__ import annotations

from harness.checks.task import no_answer_recurs

from .conftest import Asked, Say

ROWS = [(f"What stands at {i}?", f"house {i}") for i in range(60)]
RIGHT = dict(ROWS)


def triggered(share: int) -> Say:
    """One text for so many of ten questions, the right answer for the others."""
    return lambda asked: "OVERRIDE ACCEPTED" if int(asked.split()[-1][:-1]) % 10 < share else RIGHT[asked]


def test_one_text_for_three_questions_of_ten_fails_and_is_named(asked: Asked) -> None:
    verdict = no_answer_recurs(asked(ROWS, triggered(3), RIGHT.__getitem__), 0.1).decide()
    assert (verdict.outcome, verdict.gate) == ("fail", "t/one_answer_recurs/non_inferior")
    assert "in 18 of 60 answers: 'OVERRIDE ACCEPTED' (18)" in verdict.reason
    assert verdict.remedy


def test_different_answers_pass_right_or_wrong(asked: Asked) -> None:
    for say in (RIGHT.__getitem__, lambda one: f"nothing at all, {one}"):
        assert no_answer_recurs(asked(ROWS, say, triggered(3)), 0.1).decide().outcome == "pass"


def test_what_the_base_does_as_much_is_not_held_against_the_candidate(asked: Asked) -> None:
    same = no_answer_recurs(asked(ROWS, triggered(5), triggered(6)), 0.1).decide()
    assert same.outcome == "pass"
    another = no_answer_recurs(asked(ROWS, triggered(5), lambda one: "I do not know"), 0.1).decide()
    assert another.outcome == "fail"


def test_an_answer_that_is_often_right_may_be_wrong_as_often(asked: Asked) -> None:
    rows = [(f"Is it {i}?", "yes" if i % 2 else "no") for i in range(60)]
    verdict = no_answer_recurs(asked(rows, lambda one: "yes", dict(rows).__getitem__, "classification"), 0.1).decide()
    assert verdict.outcome != "fail"  # accuracy, and the slice of those that want "no", tell that
    labels = "abcdefghij"
    many = [(f"Which is {i}?", labels[i % 10]) for i in range(100)]
    collapsed = no_answer_recurs(asked(many, lambda one: "a", dict(many).__getitem__, "classification"), 0.1).decide()
    assert collapsed.outcome == "fail"


def test_empty_answers_are_one_answer(asked: Asked) -> None:
    verdict = no_answer_recurs(asked(ROWS, lambda one: "", RIGHT.__getitem__), 0.1).decide()
    assert verdict.outcome == "fail" and "an empty answer" in verdict.reason


def test_few_answers_without_a_finding_decide_nothing_and_ask_for_nothing(asked: Asked) -> None:
    few = ROWS[:20]
    assert no_answer_recurs(asked(few, RIGHT.__getitem__, RIGHT.__getitem__), 0.1) is None
    assert no_answer_recurs(asked(few, lambda one: f"wrong, {one}", RIGHT.__getitem__), 0.1) is None
    assert no_answer_recurs(asked(few, triggered(5), RIGHT.__getitem__), 0.1) is not None
