"""The gate on a judge's comparison: three ways by its interval, and inconclusive for whatever the judge cannot carry."""

from __future__ import annotations

import random
import re

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


def test_a_judge_whose_gold_pairs_do_not_tell_decides_nothing_either() -> None:
    unknown = Health("gold", {}, {}, (), undecided=("kappa of 0.2",), pairs_needed=90)
    verdict = decide(results(100, 0, 0), health=unknown)
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "judge not shown to be fit: kappa of 0.2")
    assert "about 90 gold pairs" in verdict.remedy


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


def by_length(sizes: list[int], base: int) -> list[PairwiseJudgement]:
    """The longer answer wins."""
    return [won(n, "1" if size > base else "2", candidate="x" * size, base="y" * base) for n, size in enumerate(sizes)]


def test_a_win_by_length_alone_is_told() -> None:
    verdict = decide(by_length([random.Random(n).choice([120, 180, 200]) for n in range(250)], 150))
    assert "at equal lengths" in verdict.reason
    control = verdict.details["length control"]
    assert control["length-controlled win rate"] < 0.58 < (verdict.estimate or 0).value
    assert control["ratio of mean lengths"] == pytest.approx(1.1, abs=0.03)
    assert not control["extrapolates"]


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (
            [20, 60, 200],
            r"answers are 0\.\d\d times as long as those of the base: the correction to \d+\.\d% at equal lengths extrapolates",
        ),
        ([160, 165, 170], r"answers are 1\.10 times as long as those of the base, and longer at every prompt: the"),
    ],
)
def test_a_correction_that_extrapolates_is_told_and_decides_nothing(sizes: list[int], told: str) -> None:
    judged = by_length([random.Random(n).choice(sizes) for n in range(120)], 150)
    verdict = decide(judged)
    assert re.search(told, verdict.reason), verdict.reason
    assert "length may be what the judge prefers" not in verdict.reason
    assert verdict.details["length control"]["extrapolates"]
    assert verdict.estimate is not None and verdict.estimate.value == comparison(judged).win_rate().value


def test_lengths_of_empty_answers_are_no_infinite_number() -> None:
    verdict = decide([won(n, "1", candidate="x" * (n + 1), base="") for n in range(60)])
    assert verdict.details["length control"]["ratio of mean lengths"] is None
    assert "inf times" not in verdict.reason


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
