"""Fixtures of what the adapter was trained on, and how: for the suites on data, training and overfitting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from harness.records import TrainingPoint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.checks.data import Corpus, EvaluationItem, JudgedPairs, TokenLengths
    from harness.config import DataThresholds
    from harness.models.subject import Subject
    from harness.session import Session
    from harness.tasks.base import TaskLike
    from harness.training.history import TrainingHistory


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
    from harness.training.configs import longest_max_length

    if base_tokenizer is None:
        pytest.skip(f"{assay.models.base.location} is served: its tokenizer is not at hand")
    record = assay.models.training_record if assay.models.recipe is None else None
    told = data_rules.max_length or (record.max_length if record is not None else None)
    bound = told if assay.models.recipe is None else longest_max_length(assay.models.recipe)
    return token_lengths(training_data, base_tokenizer, bound)


@pytest.fixture(scope="session")
def training_history(request: pytest.FixtureRequest, assay: Session, subject: Subject) -> TrainingHistory:
    """How the adapter was trained, as its own log or a Trainer's state tells; skips where neither came with it. Of one that was
    trained in stages a test that takes it runs for each of them.

    Example:
        def test_was_trained_to_its_end(training_history):
            assert training_history.steps == training_history.planned_steps
    """
    if stage := getattr(request, "param", None):
        return assay.models.stage_history(stage)
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
            "and need not fall: what it maximises is gated instead, where it logs that"
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
    if not training_history.method.keys:
        pytest.skip(f"{training_history.source} logs no rewards or preferences: its loss is gated")
    return training_history


@pytest.fixture(scope="session")
def training_points(training_history: TrainingHistory) -> tuple[list[TrainingPoint], int]:
    """The training log's points and the step the weights are from; skips where no validation loss was logged, or where the loss
    is no cross-entropy in nats (IPO's starts at 25): what was held out is judged by rewards and preferences there.

    Example:
        def test_was_validated_before_it_was_kept(training_points):
            points, kept_step = training_points
            assert any(p.eval_loss is not None for p in points if p.step <= kept_step)
    """
    if not training_history.method.loss_is_cross_entropy:
        pytest.skip(
            f"{training_history.source} is of {training_history.method.name}, whose loss is in no unit that a limit could be in"
        )
    if training_history.summary is None and all(p.eval_loss is None for p in training_history.points):
        pytest.skip(f"{training_history.source} has no validation loss: train with validation data and eval_strategy")
    return list(training_history.points), training_history.kept_step


def _whole_tasks(assay: Session, names: Iterable[str]) -> Iterator[TaskLike]:
    """Each task once, not cut to the profile's limits."""
    from harness.config import Profile
    from harness.tasks.lm_eval import LmEvalTask
    from harness.tasks.lookup import find_task

    whole = assay.settings.model_copy(update={"profile": Profile(name="whole")})
    for name in dict.fromkeys(names):
        task = assay.task(name)  # of a benchmark, the session's own object: its documents are read once
        yield task if isinstance(task, LmEvalTask) else find_task(name, whole)
