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
def data(corpus: MakeCorpus) -> Corpus:
    return corpus(ROWS, ROWS)


@pytest.fixture
def held_out(data: Corpus) -> Comparison:
    """Rows that the candidate answers at 1 nat a token, more or less."""

    def rule(request: Request) -> Answer:
        number = int(request.prompt.messages[-1].content.split()[-1])
        return Score(-(1.0 + 0.05 * (number % 3 - 1)) * TOKENS, False, 9, TOKENS, 0.1)

    return compared(recall_task(data, HELD_OUT_ROWS, 100, OverfittingThresholds()), rule, rule)


def history(eval_loss: float | None, **changes: object) -> TrainingHistory:
    points = (TrainingPoint(5, loss=1.0, eval_loss=9.0), TrainingPoint(10, loss=1.0, eval_loss=eval_loss))
    return TrainingHistory(**{"source": "log", "points": points, "kept_step": 10, "steps": 10, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("logged", "outcome"),
    [(1.0, "pass"), (0.8, "pass"), (1.05, "pass"), (0.4, "fail"), (1.5, "fail")],
    ids=["the same", "ends cost nothing", "rounding", "rows that saw each other", "prompts learnt too"],
)
def test_the_logged_loss_is_the_candidate_s(held_out: Comparison, data: Corpus, logged: float, outcome: str) -> None:
    difference = loss_as_logged(held_out, data, history(logged))
    assert difference is not None
    decided = difference.at_most(0.1).decide()
    assert decided.outcome == outcome
    assert ("--show 3" in decided.remedy) is (outcome == "fail")
    assert decided.details["measured"] == pytest.approx(1.0)
    assert decided.details["measured_with_ends"] == pytest.approx(0.8)


def test_where_the_kept_step_was_not_validated_or_the_loss_is_none_of_answers_nothing_is_said(
    held_out: Comparison, data: Corpus
) -> None:
    assert loss_as_logged(held_out, data, history(None)) is None
    assert loss_as_logged(held_out, data, history(1.0, stage="chat")) is None
    assert loss_as_logged(held_out, data, history(1.0, logged={"rewards/accuracies": [(1, 0.5)]})) is None


def test_of_answers_that_are_scored_by_their_beginning_nothing_is_said(
    held_out: Comparison, corpus: MakeCorpus
) -> None:
    long = corpus(ROWS, [*ROWS, ("question 31", "word " * 100)])
    assert loss_as_logged(held_out, long, history(1.0)) is None


def test_of_some_of_the_rows_a_difference_may_be_chance(data: Corpus) -> None:
    def rule(request: Request) -> Answer:
        number = int(request.prompt.messages[-1].content.split()[-1])
        return Score(-(1.0 + 0.5 * (number % 3 - 1)) * TOKENS, False, 9, TOKENS, 0.1)

    some = compared(recall_task(data, HELD_OUT_ROWS, 10, OverfittingThresholds()), rule, rule)
    measured = sum(float(loss) for loss in some.metric("answer_loss").candidate) / 10
    difference = loss_as_logged(some, data, history(measured + 0.15))
    assert difference is not None
    assert difference.at_most(0.1).decide().outcome == "inconclusive"
