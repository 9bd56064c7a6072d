"""Overfitting by the log fails with the steps it is about and what to do."""

from __future__ import annotations

import pytest

from harness.checks.overfitting import validation_gap, validation_rise
from harness.errors import DataError
from harness.records import TrainingPoint

LOG = [
    TrainingPoint(10, loss=2.0, eval_loss=2.1),
    TrainingPoint(20, loss=1.0, eval_loss=1.5),
    TrainingPoint(30, loss=0.1, eval_loss=2.4),
]


@pytest.mark.parametrize(("gate", "limit"), [(validation_gap, 0.6), (validation_rise, 0.05)])
def test_weights_past_the_best_step_fail_with_a_remedy_and_the_best_step_s_pass(gate, limit):  # type: ignore[no-untyped-def]
    failed, passed = gate(LOG, 30).at_most(limit).decide(), gate(LOG, 20).at_most(limit).decide()
    assert (failed.outcome, passed.outcome, passed.remedy) == ("fail", "pass", "")
    assert "load_best_model_at_end" in failed.remedy
    assert failed.details == {
        "kept_step": 30, "evaluated_at_step": 30, "eval_loss": 2.4, "lowest_at_step": 20, "lowest_eval_loss": 1.5,
    }  # fmt: skip


def test_a_log_without_validation_loss_is_told_as_before() -> None:
    with pytest.raises(DataError, match="no validation loss"):
        validation_gap([TrainingPoint(1, loss=1.0)], 1)
