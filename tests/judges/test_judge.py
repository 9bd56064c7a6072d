"""Pairs in both orders: what is never asked, what is a tie, and that nothing is lost or counted twice."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from answer_pairs import better, pair
from scripted import scripted_engine
from scripted_judge import ScriptedJudge, always_first, at_random, oracle, transient_faults

from harness.engines import Choice, ChoiceRequest, Generation, Request
from harness.judges.judge import Judge
from harness.judges.judgements import PairwiseJudgement, RubricJudgement, judgement_rows
from harness.tasks.questions import AnswerPair


def saying(*replies: str) -> Judge:
    """A judge whose n-th request gets the n-th reply; the last is answered first."""
    left = list(replies)
    return Judge(scripted_engine(lambda _: Generation(left.pop(), "eos", 10, 2, 0.1)), logprobs=False)


def test_identical_answers_are_a_tie_and_never_asked_about(judge_engine) -> None:
    pairs = [pair(1, "same", "same"), pair(2)]
    with ScriptedJudge(oracle(better(pairs))) as server:
        judged, _ = Judge(judge_engine(server), logprobs=False).judge(PairwiseJudgement, pairs)
    assert [one.preference for one in judged] == [0.5, 1.0]
    assert judged[0].replies == ()
    assert len(server.seen) == 2
    assert not any("Question 1?" in str(seen.body) for seen in server.seen)


@pytest.mark.parametrize(
    ("a_first", "b_first", "preference", "consistent"),
    [
        ("Verdict: 1", "Verdict: 2", 1.0, True),
        ("Verdict: 2", "Verdict: 1", 0.0, True),
        ("Verdict: 1", "Verdict: 1", 0.5, False),
        ("Verdict: 2", "Verdict: 2", 0.5, False),
        ("Verdict: tie", "Verdict: tie", 0.5, True),
        ("Verdict: tie", "Verdict: 2", 0.5, False),
        ("Verdict: 1", "who knows", None, None),
    ],
)
def test_orders_that_disagree_are_a_tie(a_first, b_first, preference, consistent) -> None:
    [judged], stopped = saying(a_first, b_first).judge(PairwiseJudgement, [pair(1)])
    assert (judged.preference, judged.consistent, stopped) == (preference, consistent, "")


def soft_judge(first: float, second: float) -> Judge:
    """How likely it finds `1`, by what is shown first; the rest is `2`."""

    def rule(request: Request) -> Choice:
        assert isinstance(request, ChoiceRequest) and request.choices == ("1", "2", "tie")
        shown = request.prompt.messages[-1].content
        likely = first if shown.index("good") < shown.index("bad") else second
        return Choice((math.log(likely), math.log(1 - likely), None), 90, 3, 0.1)

    return Judge(scripted_engine(rule), logprobs=True)


def test_likelihoods_give_a_soft_preference_over_both_orders() -> None:
    [judged], _ = soft_judge(0.9, 0.3).judge(PairwiseJudgement, [pair(1)])
    assert judged.preference == pytest.approx((0.9 + 0.7) / 2)
    assert judged.replies[0].text == "1"
    assert (judged.replies[0].tokens.prompt, judged.replies[0].tokens.completion) == (90, 3)


def test_likelihoods_whose_favourite_depends_on_the_order_are_a_tie() -> None:
    [judged], _ = soft_judge(0.9, 0.8).judge(PairwiseJudgement, [pair(1)])
    assert judged.preference == 0.5


def test_a_server_that_tells_log_probabilities_gives_soft_preferences_from_one_token_a_question(judge_engine) -> None:
    pairs = [pair(n) for n in range(3)]
    with ScriptedJudge(oracle(better(pairs)), certainty=0.8) as server:
        judged, stopped = Judge(judge_engine(server), logprobs=True).judge(PairwiseJudgement, pairs)
    assert stopped == ""
    # the tie's tenth counts half to each
    assert [one.preference for one in judged] == pytest.approx([0.85] * 3)
    assert {one.replies[0].verdict.label for one in judged if one.replies} == {"1"}
    for seen in server.seen:
        assert (seen.path, seen.body["max_tokens"], seen.body["top_logprobs"]) == ("/v1/chat/completions", 1, 20)
        assert seen.body["messages"][0]["role"] == "user"


def test_five_hundred_judgements_under_faults_are_each_given_once(judge_engine) -> None:
    pairs = [pair(n, f"good {n}", f"bad {n}") for n in range(250)]
    with ScriptedJudge(oracle(better(pairs)), faults=transient_faults(0.1, seed=3, hang=True)) as server:
        engine = judge_engine(server, concurrency=32, timeout_s=3.0)
        judged, stopped = Judge(engine, logprobs=False).judge(PairwiseJudgement, pairs)
        assert stopped == ""
        assert [one.preference for one in judged] == [1.0] * 250
        assert (engine.computed, engine.cached) == (500, 0)
        assert (engine.spent.prompt, engine.spent.completion) == (500 * 7, 500 * 3)
        faults = Counter(type(seen.fault).__name__ for seen in server.seen if seen.fault is not None)
        assert faults["Status"] > 20 and faults["Hang"] > 5
        assert len(server.answered) == 500
        again = judge_engine(server)
        assert [one.preference for one in Judge(again, logprobs=False).judge(PairwiseJudgement, pairs)[0]] == [
            1.0
        ] * 250
        assert (again.computed, again.cached, again.spent.total) == (0, 500, 0)
        assert len(server.answered) == 500


def test_ratings_are_compared_and_a_missing_one_is_no_tie(judge_engine) -> None:
    pairs = [pair(1), pair(2, "same", "same")]
    with ScriptedJudge(oracle(better(pairs[:1]))) as server:
        rated, _ = Judge(judge_engine(server), logprobs=False).judge(RubricJudgement, pairs)
    assert [one.values for one in rated] == [(9.0, 2.0), (2.0, 2.0)]
    assert [one.preference for one in rated] == [1.0, 0.5]
    [unread], _ = saying("Rating: 5", "no idea").judge(RubricJudgement, [pair(1)])
    assert (unread.values, unread.preference) == (None, None)


def test_every_judgement_is_a_sample_row(judge_engine) -> None:
    gold = AnswerPair(pair(1).question, ("good",), ("bad",), gold="1")
    with ScriptedJudge(always_first) as server:
        judged, _ = Judge(judge_engine(server), logprobs=False).judge(PairwiseJudgement, [gold, pair(2, "x", "x")])
    rows = judgement_rows("talk", judged, sides=("candidate", "base"))
    assert [(r.task, r.item_id, r.role, r.scores) for r in rows] == [
        ("judge:talk", "q1/candidate-first", "judge", {"preference": 1.0}),
        ("judge:talk", "q1/base-first", "judge", {"preference": 0.0}),
    ]
    assert {(r.target, r.parsed, r.cluster, r.tags["category"]) for r in rows} == {("1", "1", "c1", "talk")}
    assert all(r.answer.endswith("Verdict: 1") and "<answer_1>" in r.prompt for r in rows)
    assert len({r.prompt_digest for r in rows}) == 2


def test_every_rating_is_a_sample_row() -> None:
    rated, _ = saying("Rating: 3", "Rating: 8").judge(RubricJudgement, [pair(1)])
    rows = judgement_rows("talk", rated, sides=("candidate", "base"))
    assert [(r.item_id, r.scores) for r in rows] == [
        ("q1/candidate", {"rating": 3.0}),
        ("q1/base", {"rating": 8.0}),
    ]


def test_a_judge_at_random_is_not_consistent(judge_engine) -> None:
    with ScriptedJudge(at_random(1)) as server:
        judged, _ = Judge(judge_engine(server), logprobs=False).judge(PairwiseJudgement, [pair(n) for n in range(60)])
    assert 10 < sum(one.consistent or False for one in judged) < 50
    assert isinstance(judged[0], PairwiseJudgement)
