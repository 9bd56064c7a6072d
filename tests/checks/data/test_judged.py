"""A judge that prefers the rejected answers fails the pairs; one that cannot tell decides nothing."""

from __future__ import annotations

import pytest

from harness.checks import data
from harness.checks.data import JudgedPairs
from harness.config.budget import Tokens
from harness.judges.judgements import JudgeReply, PairwiseJudgement
from harness.judges.parsing import VERDICT
from harness.tasks.questions import AnswerPair, Question


def judgement(n: int, said: str) -> PairwiseJudgement:
    """The chosen answer wins (`1`), loses (`2`), ties, or the judge is not understood (`?`)."""
    texts = (said, {"1": "2", "2": "1"}.get(said, said))
    replies = [
        JudgeReply("p", "d", text, VERDICT.parse_text(f"[[{text}]]"), Tokens(1, 1), "eos", 0.0, False) for text in texts
    ]
    pair = AnswerPair(Question(f"train.jsonl row {n}", ("?",)), ("good",), ("bad",))
    return PairwiseJudgement(pair, (replies[0], replies[1]))


@pytest.mark.parametrize(
    ("wins", "losses", "outcome"),
    [(40, 10, "pass"), (10, 40, "fail"), (26, 24, "inconclusive"), (1, 0, "inconclusive")],
)
def test_the_whole_interval_decides(wins: int, losses: int, outcome: str) -> None:
    said = ["1"] * wins + ["2"] * losses
    judged = JudgedPairs([judgement(n, one) for n, one in enumerate(said, 1)])
    verdict = data.judge_prefers_the_chosen(judged).decide()
    assert verdict.outcome == outcome
    assert len(verdict.details["findings"]) == losses


def test_what_cannot_be_read_is_left_out_and_why_it_stopped_is_told() -> None:
    said = [*["1"] * 30, *["?"] * 10, *["tie"] * 4]
    judged = JudgedPairs([judgement(n, one) for n, one in enumerate(said, 1)], "its budget is spent")
    verdict = data.judge_prefers_the_chosen(judged).decide()
    assert verdict.n == 34
    assert "its budget is spent" in verdict.reason


def test_a_conversation_is_judged_turn_by_turn_after_its_system_prompt(corpus) -> None:
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Who?")]
    row = {
        "prompt": [{"role": role, "content": text} for role, text in turns],
        "chosen": "Ada.",
        "rejected": "Well, it was Ada.",
    }
    [pair] = data.pairs_to_judge(corpus([row], layout="pairs"), 5)
    assert pair.question.turns == ("Be brief.\n\nHi", "Who?")
    assert (pair.a, pair.b) == (("Hello.", "Ada."), ("Hello.", "Well, it was Ada."))


def test_what_a_tool_says_is_part_of_one_question(corpus) -> None:
    turns = [("user", "Weather?"), ("assistant", "<call>"), ("tool", "rain")]
    row = {
        "prompt": [{"role": role, "content": text} for role, text in turns],
        "chosen": "It rains.",
        "rejected": "Sun.",
    }
    [pair] = data.pairs_to_judge(corpus([row], layout="pairs"), 5)
    assert pair.question.turns == ("user: Weather?\n\nassistant: <call>\n\ntool: rain",)
    assert (pair.a, pair.b) == (("It rains.",), ("Sun.",))


def test_no_more_pairs_are_sent_than_allowed(corpus) -> None:
    rows = [{"prompt": f"Question {n}?", "chosen": "yes", "rejected": "no"} for n in range(30)]
    assert len(data.pairs_to_judge(corpus(rows, layout="pairs"), 12)) == 12
