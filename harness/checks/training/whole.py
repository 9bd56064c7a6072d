"""All that a training's log is asked, at once: for a training that goes on only where it went well so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.checks.training.gradients import largest_gradient, median_gradient
from harness.checks.training.health import (
    LEAST_LOSSES,
    kept_share,
    learning_rate_keeps_to_plan,
    learns_from_the_start,
    log_is_finite,
    loss_does_not_spike,
    loss_falls,
    loss_stays_low,
    masked_share,
    no_jump_is_high,
    truncated_share,
)
from harness.checks.training.loss import loss_has_its_scale, losses_are_not_zero
from harness.checks.training.method import method_gates
from harness.config import TrainingThresholds
from harness.gates import Gateable
from harness.training.history import TrainingHistory


def gates_on_log(history: TrainingHistory, base: Path, rules: TrainingThresholds) -> Iterator[Gateable]:
    """The gates of `suites/test_training.py` that this log allows.

    Args:
        base: directory of the base.
    """
    yield log_is_finite(history)
    facts = (losses_are_not_zero(history), loss_has_its_scale(history, base, rules.loss_scale))
    yield from (fact for fact in facts if fact is not None)
    if history.method.loss_is_cross_entropy:
        yield from _gates_on_losses(history, rules)
    else:
        yield from (gate for gate in method_gates(history, rules).values() if gate is not None)
    at_most = (
        (largest_gradient(history), rules.largest_gradient),
        (learning_rate_keeps_to_plan(history), rules.learning_rate_deviation),
        (truncated_share(history), rules.truncated_share),
        (masked_share(history), rules.masked_share),
    )
    yield from (found.at_most(limit) for found, limit in at_most if found is not None)
    at_least = ((median_gradient(history), rules.median_gradient), (kept_share(history), rules.kept_share))
    yield from (found.at_least(limit) for found, limit in at_least if found is not None)


def _gates_on_losses(history: TrainingHistory, rules: TrainingThresholds) -> Iterator[Gateable]:
    if sum(point.loss is not None for point in history.points) < LEAST_LOSSES:
        return
    yield loss_falls(history).at_least(rules.loss_drop)
    yield learns_from_the_start(history).at_most(rules.plateau_share)
    yield loss_stays_low(history).at_most(rules.loss_rise)
    yield loss_does_not_spike(history).at_most(rules.spike_share)
    yield no_jump_is_high(history).at_most(rules.spike_height)
