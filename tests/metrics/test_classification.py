"""Macro averages agree with their definition and count answers without a label as wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.classification import macro_f1, macro_precision, macro_recall

TARGETS = ["a", "a", "a", "b", "b", "c"]
ANSWERS = ["a", "a", "b", "b", None, "a"]


def test_macro_averages_by_hand() -> None:
    assert macro_precision(TARGETS, ANSWERS) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert macro_recall(TARGETS, ANSWERS) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert macro_f1(TARGETS, ANSWERS) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_a_label_that_is_no_target_costs_only_the_items_it_was_given_to() -> None:
    assert macro_recall(["a", "a", "b"], ["a", "z", "b"]) == pytest.approx(0.75)
    assert macro_precision(["a", "a", "b"], ["a", "z", "b"]) == pytest.approx(1.0)


def test_a_label_named_like_the_mark_of_unparsed_answers_is_a_label() -> None:
    assert macro_recall(["(none)", "a"], [None, "a"]) == pytest.approx(0.5)


def test_no_answer_parsed_scores_zero() -> None:
    assert macro_f1(TARGETS, [None] * 6) == 0.0


def test_constant_and_uniform_answers_do_not_pass_the_floor_of_one_in_k() -> None:
    targets = ["a"] * 80 + ["b"] * 15 + ["c"] * 5
    for answers in (["a"] * 100, ["a", "b", "c", "b"] * 25):
        for metric in (macro_precision, macro_recall, macro_f1):
            assert metric(targets, answers) <= 0.36


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["a", "b", "c", "e", None])), min_size=1, max_size=40)
)
def test_macro_averages_are_those_of_scikit_learn(pairs: list[tuple[str, str | None]]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    targets, predictions = [target for target, _ in pairs], [answer for _, answer in pairs]
    named = [answer or "none" for answer in predictions]
    *theirs, _ = precision_recall_fscore_support(
        targets, named, labels=sorted(set(targets)), average="macro", zero_division=0.0
    )
    ours = [function(targets, predictions) for function in (macro_precision, macro_recall, macro_f1)]
    assert ours == pytest.approx(theirs)
