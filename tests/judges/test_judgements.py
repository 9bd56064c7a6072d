"""Verdicts read back from a run's rows are the ones that were stored."""

from __future__ import annotations

import pytest
from answer_pairs import pair

from harness.config.budget import Tokens
from harness.judges.judgements import JudgeReply, PairwiseJudgement, RubricJudgement, judgement_rows, stored_judgements
from harness.judges.parsing import RATING, VERDICT, VerdictParser


def reply(parser: VerdictParser, said: str, weights: tuple[float, float, float] | None = None) -> JudgeReply:
    text = f"[[{said}]]"
    reading = parser.parse_text(text) if weights is None else parser.parse_logprobs(weights)
    return JudgeReply("p", f"d{said}", text, reading, Tokens(9, 2), "eos", 0.1, True)


def test_pairwise_verdicts_come_back_with_preference_and_consistency() -> None:
    orders = [("1", "2"), ("2", "1"), ("1", "1"), ("tie", "tie"), ("?", "1")]
    judged = [PairwiseJudgement(pair(n), (reply(VERDICT, a), reply(VERDICT, b))) for n, (a, b) in enumerate(orders)]
    # likelier a tie than either, but of the two answers the first: by their numbers alone both orders name a winner
    soft = [((-1.0, -3.0, -4.0), (-3.0, -1.2, -4.0)), ((-1.0, -2.0, -0.9), (-1.0, -2.0, -0.9))]
    judged += [
        PairwiseJudgement(pair(10 + n), (reply(VERDICT, "1", a), reply(VERDICT, "2", b)))
        for n, (a, b) in enumerate(soft)
    ]
    found = stored_judgements(
        judgement_rows("talk", judged, sides=("candidate", "base")), {one.pair.question.id: one.pair for one in judged}
    )
    assert len(found) == len(judged)
    for one in judged:
        back = found[one.pair.question.id]
        assert isinstance(back, PairwiseJudgement)
        assert back.preference == (None if one.preference is None else pytest.approx(one.preference, abs=1e-4))
        assert back.consistent == one.consistent


def test_ratings_come_back_with_the_preference_they_imply() -> None:
    rated = [
        RubricJudgement(pair(n), (reply(RATING, a), reply(RATING, b)))
        for n, (a, b) in enumerate([("7", "4"), ("3", "3"), ("x", "2")])
    ]
    found = stored_judgements(
        judgement_rows("talk", rated, sides=("candidate", "base")), {one.pair.question.id: one.pair for one in rated}
    )
    assert [found[f"q{n}"].preference for n in range(3)] == [1.0, 0.5, None]


def test_rows_about_other_opponents_and_halves_of_a_verdict_are_passed_over() -> None:
    judged = [PairwiseJudgement(pair(n), (reply(VERDICT, "1"), reply(VERDICT, "2"))) for n in range(2)]
    pairs = {one.pair.question.id: one.pair for one in judged}
    assert stored_judgements(judgement_rows("talk", judged, sides=("candidate", "reference")), pairs) == {}
    halves = judgement_rows("talk", judged, sides=("candidate", "base"))[1:]
    assert list(stored_judgements(halves, pairs)) == ["q1"]
