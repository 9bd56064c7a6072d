"""The fixtures of the training and overfitting suites: logs, and what is measured on rows of the training data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import STATE
from harness.records import TrainingPoint

if TYPE_CHECKING:
    from harness.checks.data import Corpus
    from harness.config import OverfittingThresholds, TrainingThresholds
    from harness.gates import Comparison
    from harness.models import ResolvedAdapter
    from harness.session import Session
    from harness.training.history import TrainingHistory

ROW_ANSWERS = "row_answers"


@dataclass(frozen=True)
class Recall:
    """How likely base and candidate hold the answers of rows that were trained on, and of rows held out."""

    trained: Comparison
    held_out: Comparison


@pytest.fixture(scope="session")
def training_rules(request: pytest.FixtureRequest) -> TrainingThresholds:
    """The limits of assay.yaml's `training:` section.

    Example:
        def test_steps_stay_small(training_rules):
            assert training_rules.spike_height <= 2
    """
    return request.config.stash[STATE].settings.config.training


@pytest.fixture(scope="session")
def overfitting_rules(request: pytest.FixtureRequest) -> OverfittingThresholds:
    """The limits and sizes of assay.yaml's `overfitting:` section.

    Example:
        def test_enough_rows_are_compared(overfitting_rules):
            assert overfitting_rules.rows >= 64
    """
    return request.config.stash[STATE].settings.config.overfitting


@pytest.fixture(scope="session")
def overfitting_rules_of(request: pytest.FixtureRequest) -> Callable[[str], OverfittingThresholds]:
    """`overfitting_rules_of(task)`: the same limits, with what `overfitting: tasks:` changes of them for that task.

    Example:
        def test_answers_stay_short(overfitting_rules_of):
            assert overfitting_rules_of("tickets").length_over_base <= 2
    """
    return request.config.stash[STATE].settings.config.overfitting_of


@pytest.fixture(scope="session")
def training_history(assay: Session, adapter: ResolvedAdapter) -> TrainingHistory:
    """How the adapter was trained, as its own log or a Trainer's state tells; skips where neither came with it.

    Example:
        def test_was_trained_to_its_end(training_history):
            assert training_history.steps == training_history.planned_steps
    """
    if assay.models.training_history is None:
        pytest.skip(f"{adapter.name} came without a training log")
    return assay.models.training_history


@pytest.fixture(scope="session")
def training_losses(training_history: TrainingHistory) -> TrainingHistory:
    """The same with training losses enough for a curve; skips where too few were logged.

    Example:
        def test_ends_below_one(training_losses):
            assert [p.loss for p in training_losses.points if p.loss is not None][-1] < 1.0
    """
    from harness.checks.training import LEAST_LOSSES

    logged = sum(p.loss is not None for p in training_history.points)
    if logged < LEAST_LOSSES:
        pytest.skip(f"{training_history.source} has {logged} training losses, too few for a curve: lower logging_steps")
    return training_history


@pytest.fixture(scope="session")
def training_points(training_history: TrainingHistory) -> tuple[list[TrainingPoint], int]:
    """The training log's points and the step the weights are from; skips where no validation loss was logged.

    Example:
        def test_was_validated_before_it_was_kept(training_points):
            points, kept_step = training_points
            assert any(p.eval_loss is not None for p in points if p.step <= kept_step)
    """
    if training_history.summary is None and all(p.eval_loss is None for p in training_history.points):
        pytest.skip(f"{training_history.source} has no validation loss: train with validation data and eval_strategy")
    return list(training_history.points), training_history.kept_step


@pytest.fixture(scope="session")
def recall(
    assay: Session, adapter: ResolvedAdapter, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> Recall:
    """Likelihoods of answers trained on and held out, by base and candidate; skips without held-out rows.

    Example:
        def test_trained_answers_are_likely(recall, gate):
            gate(recall.trained.metric("answer_loss").superior())
    """
    from harness.checks.overfitting import HELD_OUT_ROWS, LEAST_ROWS, TRAINING_ROWS, recall_task

    if adapter.is_served:
        pytest.skip(f"{adapter.location} is served, and a server gives no likelihoods of answers in conversations")
    sizes = {name: _size(assay, name, overfitting_rules.rows) for name in (TRAINING_ROWS, HELD_OUT_ROWS)}
    trained, held_out = (recall_task(training_data, name, sizes[name], overfitting_rules) for name in sizes)
    if min(len(trained.items), len(held_out.items)) < LEAST_ROWS:
        pytest.skip(
            "too few held-out or training rows to tell memorising from learning: give the data a validation part"
        )
    return Recall(assay.compare_on(trained), assay.compare_on(held_out))


@pytest.fixture(scope="session")
def canaries(
    assay: Session, adapter: ResolvedAdapter, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> Comparison:
    """How far base and candidate favour canaries over what might have stood there; skips where none were planted.

    Example:
        def test_canaries_are_not_exposed(canaries, gate):
            gate(canaries.metric("exposure").non_inferior(margin=2.0))
    """
    from harness.checks.overfitting import canary_task

    name = assay.settings.config.data.canaries
    if name is None:
        pytest.skip("no canaries were planted: name a file of them by `canaries:` under `data:`")
    if adapter.is_served:
        pytest.skip(f"{adapter.location} is served, and a server gives no likelihoods of answers in conversations")
    return assay.compare_on(canary_task(assay.settings.config.root / name, training_data))


@pytest.fixture(scope="session")
def row_answers(
    assay: Session, adapter: ResolvedAdapter, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> Comparison:
    """Answers of base and candidate to prompts trained on and held out.

    Example:
        def test_answers_to_rows_end(row_answers, gate):
            gate(row_answers.metric("stops_with_eos").at_least(0.9))
    """
    from harness.checks.overfitting import answer_task

    return assay.compare_on(answer_task(training_data, _size(assay, ROW_ANSWERS, overfitting_rules.answers)))


@pytest.fixture
def answers(request: pytest.FixtureRequest, assay: Session) -> Comparison:
    """Answers of base and candidate in full: a test that takes it runs for `row_answers` and each generating task.

    Example:
        def test_answers_end(answers, gate):
            gate(answers.metric("stops_with_eos").non_inferior(margin=0.05))
    """
    from harness.gates.sequential_comparison import SequentialComparison

    name: str = request.param
    if name == ROW_ANSWERS:
        of_rows: Comparison = request.getfixturevalue(ROW_ANSWERS)
        return of_rows
    request.getfixturevalue("adapter")
    comparison = assay.compare(name)
    return comparison.whole if isinstance(comparison, SequentialComparison) else comparison


def _size(assay: Session, name: str, most: int) -> int:
    """How many rows: what the section says, unless the profile's limit for that name is smaller."""
    limit = assay.settings.profile.limit_of(name)
    return most if limit is None else min(limit, most)
