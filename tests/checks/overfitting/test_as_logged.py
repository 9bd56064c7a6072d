"""One loss of the same weights on the same rows: a log that says another is told, and noise and ends of answers are not."""

from __future__ import annotations

import pytest

from harness.checks.data import Corpus
from harness.checks.overfitting import HELD_OUT_ROWS, loss_as_logged, recall_task
from harness.config import OverfittingThresholds
from harness.engines import Answer, Request, Score
from harness.gates import Comparison
from harness.records import TrainingPoint
from harness.training.history import TrainingHistory

from .conftest import MakeCorpus, compared

ROWS = [(f"question {i}", f"answer number {i}") for i in range(30)]
TOKENS = 4


@pytest.fixture
def held_out(corpus: MakeCorpus) -> Comparison:
    """Rows that the candidate answers at 1 nat a token, more or less."""

    def rule(request: Request) -> Answer:
        number = int(request.prompt.messages[-1].content.split()[-1])
        return Score(-(1.0 + 0.05 * (number % 3 - 1)) * TOKENS, False, 9, TOKENS, 0.1)

    data: Corpus = corpus(ROWS, ROWS)
    return compared(recall_task(data, HELD_OUT_ROWS, 100, OverfittingThresholds()), rule, rule)


def history(eval_loss: float | None, **changes: object) -> TrainingHistory:
    points = (TrainingPoint(5, loss=1.0, eval_loss=9.0), TrainingPoint(10, loss=1.0, eval_loss=eval_loss))
    return TrainingHistory(**{"source": "log", "points": points, "kept_step": 10, "steps": 10, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("logged", "outcome"),
    [(1.0, "pass"), (0.8, "pass"), (1.2, "pass"), (0.4, "fail"), (1.5, "fail")],
    ids=["the same", "ends cost nothing", "noise", "rows that saw each other", "prompts learnt too"],
)
def test_the_logged_loss_is_the_candidate_s(held_out: Comparison, logged: float, outcome: str) -> None:
    difference = loss_as_logged(held_out, history(logged))
    assert difference is not None
    decided = difference.at_most(0.3).decide()
    assert decided.outcome == outcome
    assert ("--show 3" in decided.remedy) is (outcome == "fail")
    assert decided.details["measured"] == pytest.approx(1.0)
    assert decided.details["measured_with_ends"] == pytest.approx(0.8)


def test_where_the_kept_step_was_not_validated_or_the_loss_is_none_of_answers_nothing_is_said(
    held_out: Comparison,
) -> None:
    assert loss_as_logged(held_out, history(None)) is None
    assert loss_as_logged(held_out, history(1.0, logged={"rewards/accuracies": [(1, 0.5)]})) is None
