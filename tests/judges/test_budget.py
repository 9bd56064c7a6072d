"""The budget: what it may say, that it is never overrun, and that a larger one goes on where it stopped."""

from __future__ import annotations

import pytest
from answer_pairs import better, pair
from scripted_judge import ScriptedJudge, oracle

from harness.config.budget import Budget, Prices, Tokens
from harness.errors import ConfigError
from harness.judges.judge import Judge
from harness.judges.judgements import PairwiseJudgement
from harness.judges.prompts import pairwise_prompt

PRICES = Prices(2.0, 10.0)
PAIRS = [pair(n, f"good {n}", f"bad {n}") for n in range(40)]
# of one answer: a token a byte of the prompt, the template's, and all that the reply may have
WORST = len(pairwise_prompt(PAIRS[-1].question, ("good 39",), ("bad 39",), explain=True).display()) + 128 + 100


@pytest.mark.parametrize(
    ("text", "prices", "limit", "shown"),
    [
        ("200000", None, 200_000, "200,000 tokens"),
        (" 5USD", PRICES, 5.0, "5.00 USD"),
        ("0.25 usd", PRICES, 0.25, "0.25 USD"),
        ("1000", PRICES, 1000, "1,000 tokens"),
    ],
)
def test_a_budget_is_tokens_or_dollars(text: str, prices: Prices | None, limit: float, shown: str) -> None:
    budget = Budget.parse(text, prices)
    assert (budget.limit, budget.show()) == (limit, shown)
    assert (budget.prices is None) == ("tokens" in shown)


@pytest.mark.parametrize("text", ["", "0", "-5", "many", "5EUR", "0USD", "nan"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no budget"):
        Budget.parse(text, PRICES)


def test_dollars_need_prices() -> None:
    with pytest.raises(ConfigError, match="no prices") as error:
        Budget.parse("5USD", None)
    assert "price_input" in error.value.remedy


def test_a_budget_in_dollars_counts_what_tokens_cost() -> None:
    budget = Budget.parse("0.01USD", PRICES)
    assert PRICES.cost_usd(Tokens(2000, 600)) == pytest.approx(0.01)
    assert budget.allows(Tokens(2000, 600))
    assert not budget.allows(Tokens(2000, 601))
    assert not budget.shared(2).allows(Tokens(2000, 600))


def test_the_judge_stops_before_its_budget_is_overrun_and_goes_on_with_a_larger_one(judge_engine) -> None:
    with ScriptedJudge(oracle(better(PAIRS))) as server:
        engine = judge_engine(server, budget=Budget(WORST + 300))
        judged, stopped = Judge(engine, logprobs=False, reply_tokens=100).judge(PairwiseJudgement, PAIRS)
        assert 0 < len(judged) < len(PAIRS)
        assert 300 < engine.spent.total <= 320  # an answer is counted as 10 tokens by the server
        assert stopped.startswith(f"judge budget spent: {engine.spent.total:,} tokens of {WORST + 300:,} tokens")
        asked = len(server.answered)
        assert asked * 10 == engine.spent.total

        larger = judge_engine(server, budget=Budget(10_000))
        judged, stopped = Judge(larger, logprobs=False, reply_tokens=100).judge(PairwiseJudgement, PAIRS)
        assert (len(judged), stopped) == (len(PAIRS), "")
        assert (larger.cached, larger.computed) == (asked, 80 - asked)
        assert larger.spent.total == (80 - asked) * 10
        assert len(server.answered) == 80


def test_a_budget_that_allows_not_even_one_question_asks_none(judge_engine) -> None:
    with ScriptedJudge(oracle(better(PAIRS))) as server:
        judged, stopped = Judge(judge_engine(server, budget=Budget(200)), logprobs=False).judge(
            PairwiseJudgement, PAIRS
        )
        assert (judged, server.seen) == ([], [])
        assert "0 tokens of 200 tokens" in stopped


def test_cached_answers_cost_nothing(judge_engine) -> None:
    with ScriptedJudge(oracle(better(PAIRS))) as server:
        Judge(judge_engine(server), logprobs=False).judge(PairwiseJudgement, PAIRS)
        judged, stopped = Judge(judge_engine(server, budget=Budget(1)), logprobs=False).judge(PairwiseJudgement, PAIRS)
    assert (len(judged), stopped) == (len(PAIRS), "")


def test_a_verdict_read_from_one_token_is_bounded_by_its_prompt(judge_engine) -> None:
    with ScriptedJudge(oracle(better(PAIRS)), certainty=0.9) as server:
        engine = judge_engine(server, budget=Budget(WORST))
        judged, stopped = Judge(engine, logprobs=True).judge(PairwiseJudgement, PAIRS)
    assert 0 < len(judged) < len(PAIRS)
    assert stopped.startswith(f"judge budget spent: {engine.spent.total:,} tokens of")
    assert engine.spent.total == 10 * len(server.answered) <= WORST
