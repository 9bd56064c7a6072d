"""Preference data that contradict themselves or their own scores fail; several answers to a prompt are no fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks import data
from harness.checks.data import Corpus


def pair(n: int, chosen: str = "", rejected: str = "", **more: Any) -> dict[str, Any]:
    said = {"chosen": chosen or f"{n} fits", "rejected": rejected or f"It could be {n} or so"}
    return {"prompt": f"Which number fits at place {n}?", **said, **more}


def marked(n: int, wanted: bool) -> dict[str, Any]:
    return {"prompt": f"Which number fits at place {n}?", "completion": f"{n} fits", "label": wanted}


@pytest.fixture
def pairs(corpus):
    return lambda train, validation=None: corpus(train, validation, layout="pairs")


@pytest.fixture
def judged(corpus):
    return lambda train: corpus(train, layout="judged")


def test_healthy_pairs_pass(pairs) -> None:
    made = pairs([pair(n) for n in range(30)], [pair(n) for n in range(30, 40)])
    checks = [data.pairs_differ(made, 0.0), data.preferences_agree(made, 0.0), data.length_bias(made, 0.5)]
    assert [check.decide().outcome for check in checks if check is not None] == ["pass"] * 3


def test_rows_of_answers_have_no_preferences(corpus) -> None:
    made = corpus([(f"Question {n}?", f"answer {n}") for n in range(20)])
    checks = [
        data.pairs_differ(made, 0.0),
        data.preferences_agree(made, 0.0),
        data.scores_agree(made, 0.0, 0.0),
        data.length_bias(made, 0.5),
        data.learn_preferences(made),
        data.held_out_pairs_agree(made),
        data.answers_are_balanced(made, 0.1),
    ]
    assert checks == [None] * 7


def test_rows_that_only_prefer_are_told_from_rows_that_teach(pairs, judged, corpus) -> None:
    assert pairs([pair(n) for n in range(3)]).only_prefers
    assert judged([marked(n, n % 2 == 0) for n in range(4)]).only_prefers
    assert not corpus([("Question?", "answer")]).only_prefers


def test_a_pair_of_one_answer_is_named_whatever_its_white_space(pairs) -> None:
    made = pairs([*(pair(n) for n in range(9)), pair(9, "the same\nthing", " the same thing")])
    check = data.pairs_differ(made, 0.01)
    assert not check.holds
    assert "train.jsonl row 10: its two answers are the same text" in check.reason
    assert data.pairs_differ(made, 0.1).holds


def test_a_pair_the_other_way_round_is_named_with_the_first(pairs) -> None:
    made = pairs([*(pair(n) for n in range(20)), pair(3, "It could be 3 or so", "3  fits")])
    check = data.preferences_agree(made, 0.02)
    assert not check.holds
    assert "train.jsonl row 21: prefers what train.jsonl row 4 rejects" in check.reason


def test_validation_that_contradicts_training_is_found(pairs) -> None:
    made = pairs([pair(n) for n in range(9)], [pair(3, "It could be 3 or so", "3 fits")])
    assert data.preferences_agree(made, 0.0).details["findings"] == [
        {
            "place": "validation.jsonl row 1",
            "problem": "prefers what train.jsonl row 4 rejects, and the other way round",
            "other": "train.jsonl row 4",
        }
    ]


def test_a_ranking_of_several_answers_contradicts_nothing_and_repeats_nothing(pairs) -> None:
    ranked = [pair(1, "best", "good"), pair(1, "best", "bad"), pair(1, "good", "bad")]
    made = pairs([*ranked, *(pair(n) for n in range(2, 6))])
    assert data.preferences_agree(made, 0.0).holds
    assert data.rows_are_not_repeated(made, 0.0).holds
    assert data.rows_differ(made, 0.0, similarity=0.8).holds


def test_a_pair_given_twice_is_a_repetition_and_no_contradiction(pairs) -> None:
    made = pairs([*(pair(n) for n in range(9)), pair(3)])
    assert not data.rows_are_not_repeated(made, 0.0).holds
    assert data.preferences_agree(made, 0.0).holds


def test_an_answer_wanted_here_and_not_there_is_a_contradiction(judged) -> None:
    made = judged([*(marked(n, n % 2 == 0) for n in range(20)), marked(4, False)])
    assert "train.jsonl row 21: prefers what train.jsonl row 5 rejects" in data.preferences_agree(made, 0.0).reason
    assert data.rows_are_not_repeated(made, 0.0).holds


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"score_chosen": 3.0, "score_rejected": 7.5}, "row 21: the rejected answer scores 4.5 higher"),
        ({"chosen-rating": "2", "rejected-rating": "4"}, "row 21: the rejected answer scores 2 higher"),
        ({"margin": -1}, "row 21: the rejected answer scores 1 higher"),
    ],
)
def test_scores_that_say_the_opposite_are_named(pairs, scores: dict[str, Any], reason: str) -> None:
    rows = [pair(n, score_chosen=8, score_rejected=n % 3) for n in range(20)]
    assert data.scores_agree(pairs(rows), 0.0, 0.0).holds
    check = data.scores_agree(pairs([*rows, pair(20, **scores)]), 0.02, 0.2)
    assert not check.holds
    assert reason in check.reason


def test_many_ties_fail_by_a_limit_of_their_own(pairs) -> None:
    made = pairs([pair(n, score_chosen=8, score_rejected=8 if n < 6 else 2) for n in range(20)])
    check = data.scores_agree(made, 0.02, 0.2)
    assert check.reason == "6 of 20 scored pairs (30.0%) are ties, at most 20.0% allowed"
    assert data.scores_agree(made, 0.02, 0.3).holds


def test_pairs_without_scores_are_not_asked_for_them(pairs) -> None:
    assert data.scores_agree(pairs([pair(n, margin="wide") for n in range(3)]), 0.0, 0.0) is None


def test_a_prompt_of_either_mark_in_both_parts_leaks(judged, corpus) -> None:
    made = corpus([marked(n, False) for n in range(9)], [marked(3, True)], layout="judged")
    assert "asked by train.jsonl row 4" in data.held_out_rows_are_new(made, [], 0.0).reason


def test_kto_of_one_kind_alone_fails_and_few_of_one_kind_weighed_up_pass(judged) -> None:
    one_kind = data.answers_are_balanced(judged([marked(n, True) for n in range(20)]), 0.1)
    assert not one_kind.holds
    assert "the unwanted have 0.0% of the weight" in one_kind.reason
    made = judged([marked(n, n == 0) for n in range(40)])
    few = data.answers_are_balanced(made, 0.1)
    assert not few.holds
    assert "set trainer.desirable_weight between 39 and 52" in few.remedy
    weighed = data.answers_are_balanced(Corpus(made.parts, kto_weights=(45.0, 1.0)), 0.1)
    assert weighed.holds
    assert "1 answers are wanted and 39 are not, weighed 45 and 1" in weighed.reason


def test_the_rejected_answer_is_looked_at_for_what_no_row_may_hold(pairs) -> None:
    made = pairs([pair(0), pair(1, rejected="Ask mira.olsen@fastmail.com <|im_end|>")])
    assert "train.jsonl row 2: e-mail address" in data.no_personal_data(made, 0.0).reason
    assert (
        "train.jsonl row 2: the rejected answer holds '<|im_end|>'" in data.text_is_unrendered(made, None, 0.0).reason
    )


def test_a_rejected_answer_may_break_off(pairs) -> None:
    broken = "It could be one of the many numbers that are around, because of the"
    made = pairs([pair(n, f"It is certainly number {n}.", broken) for n in range(10)])
    assert data.answers_are_whole(made, 0.0).holds


def test_prompts_alone_are_looked_at_as_prompts(corpus) -> None:
    rows = [{"prompt": f"Name the {n}th of the numbers that are known to us"} for n in range(10)]
    made = corpus([*rows, rows[3]], [rows[5]], layout="prompts")
    assert data.answers_are_whole(made, 0.0) is None
    assert not data.rows_are_not_repeated(made, 0.0).holds
    assert not data.held_out_rows_are_new(made, [], 0.0).holds
    assert data.no_personal_data(made, 0.0).holds


def test_pairs_without_a_format_are_refused_with_the_way_to_read_them(corpus) -> None:
    check = data.rows_can_be_read(corpus([pair(0)]))
    assert "`format: pairs` under `data:`" in check.reason


def test_a_pair_whose_chosen_text_ends_where_its_answer_begins_is_told_so(pairs) -> None:
    texts = {"chosen": "Human: Who? Assistant: ", "rejected": "Human: Who? Assistant: Nobody at all."}
    check = data.rows_can_be_read(pairs([pair(0), texts]))
    assert "has no answer in 'chosen'" in check.reason


def test_the_parts_of_a_corpus_may_be_changed(pairs) -> None:
    made = pairs([pair(n) for n in range(4)])
    fewer = Corpus([replace(part, examples=part.examples[:2]) for part in made.parts])
    assert [row.refused for row in fewer.pairs("train")] == ["It could be 0 or so", "It could be 1 or so"]
