"""The gate on a judge's comparison: three ways by its interval, and inconclusive for whatever the judge cannot carry."""

from __future__ import annotations

import random

import pytest

from harness.checks.judge.comparison import JudgeComparison, JudgeComparisonError
from harness.config import Judging, Thresholds
from harness.config.budget import Prices, Tokens
from harness.judges.health import Health
from harness.judges.judgements import JudgeReply, PairwiseJudgement, RubricJudgement
from harness.judges.parsing import RATING, VERDICT, VerdictParser
from harness.records import Verdict
from harness.tasks.questions import AnswerPair, Question

FIT = Health("gold", {}, {}, ())
UNFIT = Health("gold", {}, {}, ("agrees with 51.0% of 60 gold pairs: no better than chance",))
MARGINS = Thresholds(win_rate=0.05, rating=0.5)


def reply(parser: VerdictParser, said: str, *, cached: bool = False) -> JudgeReply:
    text = f"[[{said}]]"
    return JudgeReply("p", "d", text, parser.parse_text(text), Tokens(100, 10), "eos", 0.0, cached)


def question(n: int) -> Question:
    return Question(f"q{n}", ("?",), ("talk", "code")[n % 2], cluster=f"c{n}")


def won(
    n: int, said: str, *, candidate: str | None = None, base: str = "short", cached: bool = False
) -> PairwiseJudgement:
    """The candidate wins (`1`), loses (`2`), ties, or the judge is not understood (`?`)."""
    pair = AnswerPair(question(n), (candidate or "long" * random.Random(n).randint(1, 30),), (base,))
    other = {"1": "2", "2": "1"}.get(said, said)
    return PairwiseJudgement(pair, (reply(VERDICT, said, cached=cached), reply(VERDICT, other, cached=cached)))


def comparison(
    judged, *, health: Health = FIT, stopped: str = "", limits: Judging | None = None, **more
) -> JudgeComparison:
    return JudgeComparison("talk", "base", judged, health, limits or Judging(), stopped, **more)


def decide(judged, **settings) -> Verdict:
    return comparison(judged, **settings).not_worse(MARGINS).decide()


def results(wins: int, ties: int, losses: int) -> list[PairwiseJudgement]:
    said = ["1"] * wins + ["tie"] * ties + ["2"] * losses
    random.Random(0).shuffle(said)
    return [won(n, one) for n, one in enumerate(said)]


@pytest.mark.parametrize(
    ("wins", "ties", "losses", "outcome", "words"),
    [
        (80, 20, 20, "pass", "preferred to the base 75.0% of the time"),
        (20, 20, 80, "fail", "but at least 45.0% is required"),
        (25, 10, 25, "inconclusive", "which may or may not be at least 45.0%"),
        (0, 300, 0, "pass", "(0 won, 300 tied, 0 lost)"),
    ],
)
def test_the_whole_interval_decides(wins: int, ties: int, losses: int, outcome: str, words: str) -> None:
    verdict = decide(results(wins, ties, losses))
    assert verdict.outcome == outcome
    assert words in verdict.reason
    assert verdict.estimate is not None and verdict.estimate.value == (wins + ties / 2) / (wins + ties + losses)
    assert (verdict.task, verdict.metric, verdict.n) == ("judge:talk", "win_rate", wins + ties + losses)


def test_an_unfit_judge_neither_passes_nor_fails() -> None:
    for judged in (results(100, 0, 0), results(0, 0, 100), []):
        verdict = decide(judged, health=UNFIT)
        assert verdict.outcome == "inconclusive"
        assert verdict.reason == "judge unfit: agrees with 51.0% of 60 gold pairs: no better than chance"
        assert verdict.estimate is None
        assert "stronger judge" in verdict.remedy


def test_a_spent_budget_decides_nothing() -> None:
    verdict = decide(results(100, 0, 0), stopped="judge budget spent: 9 tokens of 10 tokens")
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "judge budget spent: 9 tokens of 10 tokens")
    assert "--judge-budget" in verdict.remedy


def test_judgements_that_cannot_be_read_are_counted_and_capped() -> None:
    few = decide([*results(80, 0, 10), *(won(200 + n, "?") for n in range(4))])
    assert (few.outcome, few.n) == ("pass", 90)
    many = decide([*results(80, 0, 10), *(won(200 + n, "?") for n in range(10))])
    assert many.outcome == "inconclusive"
    assert "judge unfit: 10 of 100 judgements hold no readable verdict (at most 5.0% allowed)" in many.reason


@pytest.mark.parametrize("count", [0, 1])
def test_one_answer_decides_nothing(count: int) -> None:
    verdict = decide(results(count, 0, 0))
    assert (verdict.outcome, verdict.estimate) == ("inconclusive", None)


def test_a_win_by_length_alone_is_told() -> None:
    lengths = [random.Random(n).choice([20, 400]) for n in range(150)]
    judged = [
        won(n, "1" if size > 200 else "2", candidate="x" * size, base="y" * 150) for n, size in enumerate(lengths)
    ]
    longer = [won(200 + n, "1", candidate="x" * 500, base="y" * 150) for n in range(100)]
    verdict = decide([*judged, *longer])
    assert "at equal lengths" in verdict.reason
    assert verdict.details["length control"]["length-controlled win rate"] < 0.65 < (verdict.estimate or 0).value


def test_details_hold_categories_health_and_cost() -> None:
    judged = [*results(20, 0, 20), won(50, "1", cached=True), won(51, "1", candidate="same", base="same")]
    judged[-1] = PairwiseJudgement(judged[-1].pair)
    details = decide(judged, prices=Prices(1.0, 10.0)).details
    assert set(details["by category"]) == {"talk", "code"}
    assert {"n", "win rate", "wins", "ties", "losses"} == details["by category"]["code"].keys()
    assert details["judging"] == {
        "judgements": 82,
        "identical answers, not asked about": 1,
        "prompt tokens": 8000,
        "completion tokens": 800,
        "tokens from the cache": 220,
        "cost in USD": 0.016,
    }


def rated(pairs: list[tuple[int, int]]) -> JudgeComparison:
    judged = [
        RubricJudgement(AnswerPair(question(n), ("a",), ("b",)), (reply(RATING, str(a)), reply(RATING, str(b))))
        for n, (a, b) in enumerate(pairs)
    ]
    return comparison(judged, limits=Judging(mode="rubric"))


@pytest.mark.parametrize(
    ("pairs", "outcome"),
    [
        ([(7, 6), (8, 8), (6, 6)] * 20, "pass"),
        ([(4, 7), (5, 7), (3, 6)] * 20, "fail"),
        ([(9, 1), (1, 9)] * 5, "inconclusive"),
    ],
)
def test_ratings_are_compared_in_pairs(pairs: list[tuple[int, int]], outcome: str) -> None:
    verdict = rated(pairs).not_worse(MARGINS).decide()
    assert verdict.outcome == outcome
    assert (verdict.task, verdict.metric, verdict.margin) == ("judge:talk", "rating", 0.5)
    assert verdict.base is not None and verdict.candidate is not None


def test_pairwise_verdicts_are_no_ratings() -> None:
    with pytest.raises(JudgeComparisonError, match="not rated"):
        comparison(results(3, 0, 0)).ratings()
