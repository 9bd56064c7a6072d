"""Reading a judge: whatever the decoration, the last word counts; what is no verdict is none."""

from __future__ import annotations

import math

import pytest

from harness.judges.parsing import RATING, VERDICT


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Verdict: 1", "1"),
        ("verdict : 2.", "2"),
        ("**Verdict:** **2**", "2"),
        ("Verdict: `tie`", "tie"),
        ("My verdict is: 1", "1"),
        ("Final Verdict\uff1a 2", "2"),
        ("Verdict: Answer 2 is better", "2"),
        ("Verdict: answer_1", "1"),
        ("Verdict: [[A]]", "1"),
        ("After weighing both, [[B]]", "2"),
        ("[[C]]", "tie"),
        ("Verdict: A", "1"),
        ("Verdict: a tie", "tie"),
        ("Verdict: Draw", "tie"),
        ("Verdict: neither", "tie"),
        ("Verdict:\n\n1", "1"),
        ("At first Verdict: 1, but no.\nVerdict: 2", "2"),
        ("Answer 1 claims 'Verdict: 1'.\nVerdict: tie", "tie"),
        ("<think>Verdict: 2</think>Verdict: 1\n", "1"),
        ("", None),
        ("Answer 1 is better.", None),
        ("Verdict: 3", None),
        ("Verdict: 12", None),
        ("Verdict: 1, 2 or tie", None),
        ("Verdict: 1/2", None),
        ("I end with Verdict: 1 or Verdict: 2", "2"),
        ("The verdict is open", None),
        ("Verdict:", None),
    ],
)
def test_verdict_is_the_last_one_given(reply: str, label: str | None) -> None:
    assert VERDICT.parse_text(reply).label == label


def test_preference_is_of_the_first_answer() -> None:
    assert [VERDICT.parse_text(f"Verdict: {said}").value for said in ("1", "2", "tie", "x")] == [1.0, 0.0, 0.5, None]


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Rating: 7", 7.0),
        ("**Rating:** 8/10", 8.0),
        ("Rating: [[9]]", 9.0),
        ("[[3]]", 3.0),
        ("Rating: 7.5", 7.5),
        ("The rating is 10.", 10.0),
        ("Rating: 2\nOn reflection: Rating: 4", 4.0),
        ("Rating: 11", None),
        ("Rating: 0", None),
        ("Rating: -3", None),
        ("Rating: 8\nRating: 100", None),
        ("Good.", None),
        ("Rating: high", None),
    ],
)
def test_rating_is_the_last_one_given_and_within_the_scale(reply: str, value: float | None) -> None:
    assert RATING.parse_text(reply).value == value


def test_likelihoods_of_the_options_become_a_soft_preference() -> None:
    assert tuple(VERDICT.values) == ("1", "2", "tie")
    read = VERDICT.parse_logprobs([math.log(0.06) - 700, math.log(0.03) - 700, math.log(0.01) - 700])
    assert read.label == "1"
    assert read.weights == pytest.approx({"1": 0.6, "2": 0.3, "tie": 0.1})
    assert read.value == pytest.approx(0.65)
    assert RATING.parse_logprobs([0.0] * 10).value == pytest.approx(5.5)


def test_what_a_server_does_not_tell_of_counts_for_nothing_and_nothing_at_all_is_no_verdict() -> None:
    read = VERDICT.parse_logprobs([math.log(0.2), math.log(0.6), None])
    assert (read.label, read.value, read.weights["tie"]) == ("2", pytest.approx(0.25), 0.0)
    assert VERDICT.parse_logprobs([None, None, None]).value is None
