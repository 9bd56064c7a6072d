"""Each known bias of a judge is caught by its own health check, and the oracle passes."""

from __future__ import annotations

import re

import pytest
from answer_pairs import better
from scripted_judge import ScriptedJudge, always_first, always_longer, always_unparseable, at_random, oracle

from harness.config import Config, Judging
from harness.config.budget import Tokens
from harness.config.profiles import BUILT_IN_PROFILES
from harness.config.settings import make_settings
from harness.judges.health import Health, gold_health, with_null
from harness.judges.inputs import GoldPairs, read_gold
from harness.judges.judge import Judge
from harness.judges.judgements import MODES, JudgeReply, PairwiseJudgement
from harness.judges.parsing import VERDICT
from harness.tasks.questions import AnswerPair, Question

LIMITS = Judging()


@pytest.fixture(scope="module")
def gold(tmp_path_factory) -> GoldPairs:
    judging = Judging(gold="mini_judge")
    config = Config(root=tmp_path_factory.mktemp("project"), profiles=BUILT_IN_PROFILES, judge=judging)
    return read_gold(make_settings(config))


def health(judge_engine, gold: GoldPairs, rule, limits: Judging = LIMITS) -> Health:
    with ScriptedJudge(rule) as server:
        judge = Judge(judge_engine(server, concurrency=16), logprobs=False)
        judged, stopped = judge.judge(MODES[limits.mode], gold.pairs)
        assert len(server.answered) == 2 * len(gold.pairs) >= 100
    return gold_health(gold.name, judged, limits, stopped=stopped)


def test_the_oracle_is_fit(judge_engine, gold) -> None:
    found = health(judge_engine, gold, oracle(better(gold.pairs)))
    assert found.obstacle == ""
    assert {name: one.value for name, one in found.measures.items()} == {
        "parse_failures": 0.0, "strict_accuracy": 1.0, "swap_consistency": 1.0, "first_position": 0.5, "accuracy": 1.0,
        "kappa": 1.0,
    }  # fmt: skip
    verdict = found.decide()
    assert (verdict.outcome, verdict.n) == ("pass", 64)
    assert "agrees with 100.0% of the mini_judge pairs" in verdict.reason
    assert verdict.details["gold pairs by category"]["trap"] == {
        "n": 40, "accuracy": 1.0, "strict accuracy": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "defects"),
    [
        (
            always_first,
            [
                r"agrees with 50.0% of 64 gold pairs, between .*: no better than chance",
                r"both orders name one winner in 0.0% of 64 pairs, between 0.0% and 5.9% \(at least 65.0% required\)",
                r"prefers the answer shown first 100.0% of the time in 64 pairs, .* \(50% give or take 15.0% allowed\)",
            ],
        ),
        (always_longer, [r"agrees with 36.7% of 64 gold pairs, between 24.7% and 49.5%: no better than chance"]),
        (at_random(7), [r"kappa of -?0.\d\d, between", r"both orders name one winner in \d\d.\d% of 64 pairs"]),
        (always_unparseable, [r"100.0% of 128 replies hold no readable verdict, between .* \(at most 5.0% allowed\)"]),
    ],
)
def test_a_bias_makes_a_judge_unfit(judge_engine, gold, rule, defects: list[str]) -> None:
    found = health(judge_engine, gold, rule)
    assert len(found.defects) == len(defects)
    for seen, wanted in zip(found.defects, defects, strict=True):
        assert re.search(wanted, seen), seen
    verdict = found.decide()
    assert verdict.outcome == "inconclusive"
    assert verdict.reason.startswith("judge unfit: ")
    assert "--judge" in verdict.remedy


@pytest.mark.parametrize(
    ("rule", "fit"), [(None, True), (always_longer, False), (always_first, False), (at_random(2), False)]
)
def test_a_judge_that_rates_is_tried_too(judge_engine, gold, rule, fit: bool) -> None:
    found = health(judge_engine, gold, rule or oracle(better(gold.pairs)), Judging(mode="rubric"))
    assert (found.obstacle == "") == fit
    assert "first_position" not in found.measures


def judged(labels: list[tuple[str, str]], golds: list[str]) -> list[PairwiseJudgement]:
    def reply(label: str) -> JudgeReply:
        return JudgeReply("p", "d", label, VERDICT.parse_text(f"Verdict: {label}"), Tokens(), "eos", 0.0, False)

    return [
        PairwiseJudgement(AnswerPair(Question(f"q{n}", ("?",)), ("a",), ("b",), gold), (reply(first), reply(second)))
        for n, ((first, second), gold) in enumerate(zip(labels, golds, strict=True))
    ]


RIGHT, WRONG, TIE = ("1", "2"), ("2", "1"), ("tie", "tie")


def agreeing(right: int, wrong: int) -> list[PairwiseJudgement]:
    """Consistent judgements of gold pairs, as many right and wrong, half of them of either label."""
    golds = ["1" if n % 2 else "2" for n in range(right + wrong)]
    says = {("1", True): RIGHT, ("2", True): WRONG, ("1", False): WRONG, ("2", False): RIGHT}
    return judged([says[gold, n < right] for n, gold in enumerate(golds)], golds)


def test_a_judge_above_chance_but_of_little_agreement_is_unfit() -> None:
    weak = gold_health("mine", agreeing(1120, 880), LIMITS)
    assert weak.measures["accuracy"].low > 0.5
    assert weak.obstacle.startswith("judge unfit: ")
    assert re.search(r"kappa of 0.12, between 0.08 and 0.16 \(at least 0.2 required\)", weak.obstacle)


@pytest.mark.parametrize("right", [239, 241])
def test_agreement_on_either_side_of_the_limit_is_undecided_where_its_interval_holds_it(right: int) -> None:
    found = gold_health("mine", agreeing(right, 400 - right), LIMITS)
    assert abs(found.measures["kappa"].value - LIMITS.kappa) < 0.006
    assert found.defects == ()
    assert found.obstacle.startswith("judge not shown to be fit: agrees with their labels beyond chance by a kappa of ")
    verdict = found.decide()
    assert (verdict.outcome, verdict.open_because) == ("inconclusive", ("interval",))
    assert found.table()["kappa"]["outcome"] == "inconclusive"
    assert found.pairs_needed is None
    assert "no number of gold pairs within reach" in verdict.remedy


def test_the_gold_pairs_that_would_tell_are_told_and_tell() -> None:
    few = gold_health("mine", agreeing(43, 21), LIMITS)
    assert few.undecided and few.pairs_needed is not None and 64 < few.pairs_needed < 500
    assert f"about {few.pairs_needed} gold pairs" in few.decide().remedy
    assert few.decide().details["gold pairs needed"] == few.pairs_needed
    right = round(few.pairs_needed * 43 / 64)
    assert gold_health("mine", agreeing(right, few.pairs_needed - right), LIMITS).obstacle == ""


def test_ties_and_unread_pairs_count_against_strict_accuracy_alone() -> None:
    said = [RIGHT, WRONG] * 40 + [TIE] * 16 + [("?", "?")] * 4
    found = gold_health("mine", judged(said, ["1", "2"] * 50), LIMITS)
    assert found.measures["accuracy"].value == pytest.approx(88 / 96)
    assert (found.measures["strict_accuracy"].value, found.measures["strict_accuracy"].n) == (0.8, 100)
    assert found.table()["strict accuracy"]["outcome"] == "no limit"
    verdict = found.decide()
    assert verdict.outcome == "pass"
    assert "agrees with 91.7% of the mine pairs" in verdict.reason
    assert "ties and unread pairs counted as wrong, it agrees with 80.0% of all 100 gold pairs" in verdict.reason
    unfit = gold_health("mine", judged([("1", "1")] * 40, ["1", "2"] * 20), LIMITS)
    assert "it agrees with 0.0% of all 40 gold pairs" in unfit.obstacle


def test_a_gold_tie_is_agreed_with_by_a_tie() -> None:
    found = gold_health("mine", judged([TIE, ("?", "?")] * 20, ["tie"] * 40), LIMITS)
    assert found.measures["strict_accuracy"].value == 0.5


@pytest.mark.parametrize(
    ("unread", "outcome", "told"), [(0, "pass", False), (5, "pass", True), (20, "inconclusive", True)]
)
def test_unread_replies_count_where_they_are_shown_to_be_too_many_and_are_told_before(
    unread: int, outcome: str, told: bool
) -> None:
    said = [("?", "?")] * unread + [RIGHT, WRONG] * 40
    found = gold_health("mine", judged(said[:80], (["1", "2"] * 60)[: len(said)][unread % 2 : 80 + unread % 2]), LIMITS)
    assert found.decide().outcome == outcome
    assert ("hold no readable verdict" in found.decide().reason) == told


def test_a_few_pairs_without_a_leaning_show_none() -> None:
    position = gold_health("mine", agreeing(20, 0), LIMITS).measures["first_position"]
    assert position.value == 0.5
    assert 0.35 < position.low < 0.47 and 0.53 < position.high < 0.65


def test_nothing_that_could_be_read_is_no_accuracy() -> None:
    found = gold_health("mine", judged([("?", "?")] * 30, ["1", "2"] * 15), LIMITS)
    assert found.measures["strict_accuracy"].value == 0.0
    assert "accuracy" not in found.measures
    assert found.obstacle.startswith("judge unfit: ")
    assert gold_health("mine", [], LIMITS).obstacle == (
        "judge not shown to be fit: 0 gold pairs could be judged, and at least 20 are needed"
    )


def test_gold_ties_count_and_a_judge_that_only_ties_is_at_chance() -> None:
    all_ties = gold_health("mine", judged([TIE] * 30, ["1", "2", "1"] * 10), LIMITS)
    assert all_ties.measures["accuracy"].value == 0.5
    assert "no better than chance" in all_ties.obstacle
    with_ties = gold_health("mine", judged([RIGHT, WRONG, TIE] * 10, ["1", "2", "tie"] * 10), LIMITS)
    assert with_ties.obstacle == ""


def test_gold_of_one_label_leaves_kappa_out() -> None:
    found = gold_health("mine", judged([RIGHT] * 30, ["1"] * 30), LIMITS)
    assert found.obstacle == ""
    assert "kappa" not in found.measures


def test_few_pairs_prove_nothing() -> None:
    found = gold_health("mine", judged([RIGHT] * 10, ["1", "1"] * 5), LIMITS)
    assert found.obstacle.startswith(
        "judge not shown to be fit: 10 gold pairs could be judged, and at least 20 are needed"
    )
    assert "about 20 gold pairs" in found.decide().remedy


def test_a_base_that_beats_itself_makes_the_judge_unfit() -> None:
    fit = gold_health("mine", judged([RIGHT, WRONG] * 20, ["1", "2"] * 20), LIMITS)
    fair = with_null(fit, judged([RIGHT, WRONG] * 12, ["1"] * 24), LIMITS)
    assert fair.obstacle == ""
    assert fair.table()["base against base"]["value"] == 0.5
    odd = with_null(fit, judged([RIGHT] * 20 + [WRONG] * 4, ["1"] * 24), LIMITS)
    assert "lets the base win 83.3%" in odd.obstacle and "against itself" in odd.obstacle
    by_chance = with_null(fit, judged([RIGHT] * 16 + [WRONG] * 8, ["1"] * 24), LIMITS)
    assert by_chance.obstacle == ""
    assert by_chance.table()["base against base"]["outcome"] == "inconclusive"


def test_a_budget_that_ends_during_the_trial_decides_nothing_of_fitness() -> None:
    found = gold_health("mine", judged([WRONG] * 30, ["1", "1"] * 15), LIMITS, stopped="judge budget spent: 5 of 5")
    assert found.defects == ()
    verdict = found.decide()
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "judge budget spent: 5 of 5")
    assert "--judge-budget" in verdict.remedy
