"""Fixtures of what is measured on rows trained on and held out: for the suite on overfitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.checks.data import Corpus
    from harness.checks.overfitting.pair_margins import PairMargins
    from harness.config import OverfittingThresholds
    from harness.gates import Comparison
    from harness.models.subject import Subject
    from harness.session import Session

ROW_ANSWERS = "row_answers"


@dataclass(frozen=True)
class Recall:
    """How likely base and candidate hold the answers (or pairs of them) of rows trained on, and of rows held out."""

    trained: Comparison
    held_out: Comparison


@pytest.fixture(scope="session")
def recall(assay: Session, subject: Subject, training_data: Corpus, overfitting_rules: OverfittingThresholds) -> Recall:
    """Likelihoods of answers trained on and held out, by base and candidate; skips without held-out rows.

    Example:
        def test_trained_answers_are_likely(recall, gate):
            gate(recall.trained.metric("answer_loss").superior())
    """
    from harness.checks.overfitting import HELD_OUT_ROWS, LEAST_ROWS, TRAINING_ROWS, recall_task

    _skip_if_served(subject)
    sizes = {name: _size(assay, name, overfitting_rules.rows) for name in (TRAINING_ROWS, HELD_OUT_ROWS)}
    trained, held_out = (recall_task(training_data, name, sizes[name], overfitting_rules) for name in sizes)
    if min(len(trained.items), len(held_out.items)) < LEAST_ROWS:
        pytest.skip(
            "too few held-out or training rows to tell memorising from learning: give the data a validation part"
        )
    return Recall(assay.compare_on(trained), assay.compare_on(held_out))


@pytest.fixture(scope="session")
def pair_preferences(
    assay: Session, subject: Subject, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> Recall:
    """How much likelier base and candidate hold the better than the worse answer of preference pairs, of those trained on and
    those held out; skips where the data has none.

    Example:
        def test_pairs_are_told_apart(pair_preferences, gate):
            gate(pair_preferences.held_out.metric("preference_margin").superior())
    """
    from harness.checks.overfitting import HELD_OUT_PAIRS, LEAST_PAIRS, TRAINING_PAIRS, pair_task

    _skip_if_served(subject)
    sizes = {name: _size(assay, name, overfitting_rules.pairs) for name in (TRAINING_PAIRS, HELD_OUT_PAIRS)}
    trained, held_out = (pair_task(training_data, name, size) for name, size in sizes.items())
    if not trained.items:
        pytest.skip("no preference pairs were trained on")
    if min(len(trained.items), len(held_out.items)) < LEAST_PAIRS:
        pytest.skip("too few preference pairs were held out: give the data a validation part")
    return Recall(assay.compare_on(trained), assay.compare_on(held_out))


@pytest.fixture(scope="session")
def reward_margins(
    assay: Session, subject: Subject, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> PairMargins:
    """By how much a reward model scores the better answers of held-out pairs above the worse ones; skips for every other
    candidate.

    Example:
        def test_most_pairs_are_told_apart(reward_margins):
            assert (reward_margins.margins > 0).mean() > 0.7
    """
    from harness.checks.overfitting import HELD_OUT_PAIRS, LEAST_PAIRS, score_pairs
    from harness.models.reward_models import RewardModel

    if subject.adapter is None or not _is_reward_model(subject):
        pytest.skip(f"{subject.name} is no reward model")
    size = _size(assay, HELD_OUT_PAIRS, overfitting_rules.pairs)
    model = RewardModel(subject.weights.directory, subject.adapter.directory, assay.models.load_options)
    pairs = score_pairs(training_data, model, size)
    if len(pairs.names) < LEAST_PAIRS:
        pytest.skip("too few preference pairs were held out: give the data a validation part")
    return pairs


@pytest.fixture(scope="session")
def canaries(
    assay: Session, subject: Subject, training_data: Corpus, overfitting_rules: OverfittingThresholds
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
    _skip_if_served(subject)
    return assay.compare_on(canary_task(assay.settings.config.root / name, training_data))


@pytest.fixture(scope="session")
def row_answers(
    assay: Session, subject: Subject, training_data: Corpus, overfitting_rules: OverfittingThresholds
) -> Comparison:
    """Answers of base and candidate to prompts trained on and held out.

    Example:
        def test_answers_to_rows_end(row_answers, gate):
            gate(row_answers.metric("stops_with_eos").at_least(0.9))
    """
    from harness.checks.overfitting import answer_task

    _skip_reward_models(subject)
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
    _skip_reward_models(request.getfixturevalue("subject"))
    comparison = assay.compare(name)
    return comparison.whole if isinstance(comparison, SequentialComparison) else comparison


def _skip_if_served(subject: Subject) -> None:
    _skip_reward_models(subject)
    if subject.is_served:
        pytest.skip(f"{subject.location} is served, and a server gives no likelihoods of answers in conversations")


def _skip_reward_models(subject: Subject) -> None:
    if _is_reward_model(subject):
        pytest.skip(f"{subject.name} is a reward model, which writes no text")


def _is_reward_model(subject: Subject) -> bool:
    from harness.models.reward_models import is_reward_model

    return subject.adapter is not None and is_reward_model(subject.adapter.directory)


def _size(assay: Session, name: str, most: int) -> int:
    """How many rows: what the section says, unless the profile's limit for that name is smaller."""
    limit = assay.settings.profile.limit_of(name)
    return most if limit is None else min(limit, most)
