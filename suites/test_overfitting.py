"""Did training go past what generalises? Read from the log that was stored with the adapter."""

from harness.gates import Scalar
from harness.metrics.training_curves import eval_loss_rise, loss_gap


def test_validation_loss_stays_near_training_loss(training_points, margins, gate):
    points, kept_step = training_points
    gap = Scalar("loss_gap", loss_gap(points, at_step=kept_step), unit="nats", higher_is_better=False)
    gate(gap.at_most(margins.loss_gap))


def test_validation_loss_has_not_risen_past_its_minimum(training_points, margins, gate):
    points, kept_step = training_points
    rise = Scalar("eval_loss_rise", eval_loss_rise(points, at_step=kept_step), unit="nats", higher_is_better=False)
    gate(rise.at_most(margins.eval_loss_rise))
