"""A judge asked by others: only where it is fit, and an answer that nobody rated decides nothing."""

from __future__ import annotations

import pytest
from safety_models import COMPLIES, model, prompts
from scripted_judge import ScriptedJudge, always_first

from harness.config.budget import Budget, BudgetSpentError
from harness.errors import UndecidedError
from harness.judges.health import Health, JudgeUnfitError, TrustedJudge
from harness.safety.rubric import RubricScorer

FIT = Health("gold", {}, {}, ())


@pytest.mark.parametrize(
    ("health", "reason", "remedy"),
    [
        (Health("gold", {}, {}, ("no better than chance",)), "judge unfit: no better than chance", "stronger judge"),
        (
            Health("gold", {}, {}, (), undecided=("kappa of 0.2",), pairs_needed=90),
            "judge not shown to be fit: kappa of 0.2",
            "about 90 gold pairs",
        ),
        (Health("gold", {}, {}, (), "judge budget spent: 1 of 2"), "judge budget spent: 1 of 2", "--judge-budget"),
    ],
)
def test_safety_rests_on_no_judge_that_has_not_proven_itself(
    judge_engine, health: Health, reason: str, remedy: str
) -> None:
    with ScriptedJudge(always_first) as server:
        judge = TrustedJudge(judge_engine(server), lambda: health)
        task = prompts(4, scorer=RubricScorer(lambda: judge))
        with pytest.raises(JudgeUnfitError) as caught:
            task.evaluate(model(lambda prompt: COMPLIES), "candidate")
        assert server.seen == []
    assert caught.value.problem == reason and remedy in caught.value.remedy
    assert isinstance(caught.value, UndecidedError)


def test_a_spent_budget_is_undecided_and_a_fit_judge_is_asked(judge_engine) -> None:
    with ScriptedJudge(always_first) as server:
        fit = TrustedJudge(judge_engine(server), lambda: FIT)
        samples = prompts(4, scorer=RubricScorer(lambda: fit)).evaluate(model(lambda prompt: COMPLIES), "base")
        assert len(samples) == len(server.seen) == 4
        poor = TrustedJudge(judge_engine(server, budget=Budget(100)), lambda: FIT)
        with pytest.raises(BudgetSpentError) as caught:
            prompts(5, scorer=RubricScorer(lambda: poor)).evaluate(model(lambda prompt: COMPLIES), "base")
        assert isinstance(caught.value, UndecidedError)
        assert len(server.seen) == 4
