"""Fixtures of what the adapter was trained on, how, and what is measured on rows of it: for the suites on data and training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.records import TrainingPoint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.checks.data import Corpus, EvaluationItem, JudgedPairs, TokenLengths
    from harness.config import DataThresholds, OverfittingThresholds
    from harness.gates import Comparison
    from harness.models.subject import Subject
    from harness.session import Session
    from harness.tasks.base import TaskLike
    from harness.training.history import TrainingHistory

ROW_ANSWERS = "row_answers"


@pytest.fixture(scope="session")
def training_data(assay: Session, data_rules: DataThresholds) -> Corpus:
    """The rows the adapter is trained on, of its recipe or of `data:` in assay.yaml; skips where neither names them.

    Example:
        def test_no_row_names_the_rival(training_data):
            assert not [row.location for row in training_data.of("train") if "ACME" in row.text]
    """
    from harness.checks.data import corpus_of_files, corpus_of_recipe

    if assay.models.recipe is not None:
        return corpus_of_recipe(assay.models.recipe)
    if data_rules.train is None:
        record = assay.models.training_record
        named = f" (its {record.trainer} read {', '.join(record.data)})" if record is not None and record.data else ""
        name = assay.settings.candidate or assay.settings.adapter or "the candidate"
        pytest.skip(f"{name} came without its training data: name the file by `train:` under `data:`{named}")
    root = assay.settings.config.root
    validation = root / data_rules.validation if data_rules.validation else None
    return corpus_of_files(root / data_rules.train, validation, layout=data_rules.format)


@pytest.fixture(scope="session")
def held_out_items(assay: Session, training_data: Corpus) -> list[EvaluationItem]:
    """Every item of the tasks that assay.yaml defines by a file of their own.

    Example:
        def test_enough_is_held_out(held_out_items):
            assert len(held_out_items) >= 200
    """
    from harness.checks.data import evaluation_items
    from harness.tasks.lm_eval import LmEvalTask

    tasks = _whole_tasks(assay, assay.settings.config.tasks)
    return [item for task in tasks if not isinstance(task, LmEvalTask) for item in evaluation_items(task)]


@pytest.fixture(scope="session")
def items_in_use(assay: Session, training_data: Corpus) -> list[EvaluationItem]:
    """Every item of every evaluation set in use: tasks of assay.yaml, what forgetting is measured on, and `--tasks`.

    Example:
        def test_questions_are_filled_in(items_in_use):
            assert not [item.id for item in items_in_use if not item.question.strip()]
    """
    from harness.checks.data import evaluation_items

    settings = assay.settings
    forgetting = settings.forgetting
    names = [*settings.config.tasks, forgetting.knowledge, forgetting.math, forgetting.text, *settings.tasks]
    return [item for task in _whole_tasks(assay, names) for item in evaluation_items(task)]


@pytest.fixture(scope="session")
def judged_pairs(assay: Session, training_data: Corpus, data_rules: DataThresholds) -> JudgedPairs:
    """Training pairs as the judge sees them; skips where none are to be judged, or the judge is not fit.

    Example:
        def test_the_judge_is_rarely_undecided(judged_pairs):
            assert list(judged_pairs.preferences.values()).count(0.5) <= 10
    """
    from harness.checks.data import JudgedPairs, pairs_to_judge
    from harness.judges.health import JudgeUnfitError

    if assay.settings.judge is None or data_rules.judged_pairs is None:
        pytest.skip(
            "no pairs are to be judged: name a judge, and how many it may read by `judged_pairs:` under `data:`"
        )
    if not (pairs := pairs_to_judge(training_data, data_rules.judged_pairs)):
        pytest.skip("the rows are no pairs of a better and a worse answer")
    try:
        return JudgedPairs(*assay.judge_runner.weigh("training_pairs", pairs))
    except JudgeUnfitError as error:
        pytest.skip(error.problem)


@pytest.fixture(scope="session")
def base_tokenizer(assay: Session) -> PreTrainedTokenizerBase | None:
    """The base's tokenizer; None where the base is served and its tokenizer not at hand.

    Example:
        def test_base_ends_its_turns(base_tokenizer):
            assert base_tokenizer is None or base_tokenizer.eos_token is not None
    """
    from harness.models.loading import load_tokenizer

    base = assay.models.base
    if base.is_served:
        return None
    return load_tokenizer(base.directory, trust_remote_code=assay.settings.trust_remote_code)


@pytest.fixture(scope="session")
def row_lengths(
    assay: Session, training_data: Corpus, data_rules: DataThresholds, base_tokenizer: PreTrainedTokenizerBase | None
) -> TokenLengths:
    """The training rows in tokens of the base; skips where the base is served and its tokenizer not at hand.

    Example:
        def test_rows_are_short(row_lengths):
            assert max(row.tokens for row in row_lengths.rows) <= 1024
    """
    from harness.checks.data import token_lengths
    from harness.training.configs import max_length_tokens

    if base_tokenizer is None:
        pytest.skip(f"{assay.models.base.location} is served: its tokenizer is not at hand")
    record = assay.models.training_record if assay.models.recipe is None else None
    told = data_rules.max_length or (record.max_length if record is not None else None)
    bound = told if assay.models.recipe is None else max_length_tokens(assay.models.recipe)
    return token_lengths(training_data, base_tokenizer, bound)


@pytest.fixture(scope="session")
def training_history(assay: Session, subject: Subject) -> TrainingHistory:
    """How the adapter was trained, as its own log or a Trainer's state tells; skips where neither came with it.

    Example:
        def test_was_trained_to_its_end(training_history):
            assert training_history.steps == training_history.planned_steps
    """
    if assay.models.training_history is None:
        pytest.skip(f"{subject.name} came without a training log")
    return assay.models.training_history


@pytest.fixture(scope="session")
def training_losses(training_history: TrainingHistory) -> TrainingHistory:
    """The same with training losses enough for a curve; skips where too few were logged, or where the loss is none of
    answers to learn (GRPO, DPO ...), for which rewards and margins are gated instead.

    Example:
        def test_ends_below_one(training_losses):
            assert [p.loss for p in training_losses.points if p.loss is not None][-1] < 1.0
    """
    from harness.checks.training import LEAST_LOSSES

    if not training_history.method.loss_is_cross_entropy:
        pytest.skip(
            f"{training_history.source} is of {training_history.method.name}, whose loss is not the cross-entropy of answers "
            "and need not fall: what it maximises is gated instead"
        )
    logged = sum(p.loss is not None for p in training_history.points)
    if logged < LEAST_LOSSES:
        pytest.skip(f"{training_history.source} has {logged} training losses, too few for a curve: lower logging_steps")
    return training_history


@pytest.fixture(scope="session")
def preference_history(training_history: TrainingHistory) -> TrainingHistory:
    """The same of a training on rewards or preferences (GRPO, PPO, DPO, KTO, ORPO ...); skips for every other.

    Example:
        def test_is_no_ppo(preference_history):
            assert preference_history.method.name != "PPO"
    """
    if training_history.method.loss_is_cross_entropy:
        pytest.skip(f"{training_history.source} logs no rewards or preferences: its loss is gated")
    return training_history


@pytest.fixture(scope="session")
def training_points(training_history: TrainingHistory) -> tuple[list[TrainingPoint], int]:
    """The training log's points and the step the weights are from; skips where no validation loss was logged.

    Example:
        def test_was_validated_before_it_was_kept(training_points):
            points, kept_step = training_points
            assert any(p.eval_loss is not None for p in points if p.step <= kept_step)
    """
    if "reward" in training_history.method.keys:
        pytest.skip(
            f"{training_history.source} is of {training_history.method.name}, whose loss says nothing of overfitting"
        )
    if training_history.summary is None and all(p.eval_loss is None for p in training_history.points):
        pytest.skip(f"{training_history.source} has no validation loss: train with validation data and eval_strategy")
    return list(training_history.points), training_history.kept_step


@dataclass(frozen=True)
class Recall:
    """How likely base and candidate hold the answers of rows that were trained on, and of rows held out."""

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
    request.getfixturevalue("subject")
    comparison = assay.compare(name)
    return comparison.whole if isinstance(comparison, SequentialComparison) else comparison


def _whole_tasks(assay: Session, names: Iterable[str]) -> Iterator[TaskLike]:
    """Each task once, not cut to the profile's limits."""
    from harness.config import Profile
    from harness.tasks.lm_eval import LmEvalTask
    from harness.tasks.lookup import find_task

    whole = assay.settings.model_copy(update={"profile": Profile(name="whole")})
    for name in dict.fromkeys(names):
        task = assay.task(name)  # of a benchmark, the session's own object: its documents are read once
        yield task if isinstance(task, LmEvalTask) else find_task(name, whole)


def _skip_if_served(subject: Subject) -> None:
    if subject.is_served:
        pytest.skip(f"{subject.location} is served, and a server gives no likelihoods of answers in conversations")


def _size(assay: Session, name: str, most: int) -> int:
    """How many rows: what the section says, unless the profile's limit for that name is smaller."""
    limit = assay.settings.profile.limit_of(name)
    return most if limit is None else min(limit, most)
