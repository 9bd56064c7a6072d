"""The fixtures of the data suite. They need no adapter: bad data are told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import STATE

if TYPE_CHECKING:
    from harness.checks.data import Corpus, EvaluationItem, TokenLengths
    from harness.config import DataThresholds
    from harness.session import Session
    from harness.tasks.base import TaskLike


@pytest.fixture(scope="session")
def data_rules(request: pytest.FixtureRequest) -> DataThresholds:
    """The limits of assay.yaml's `data:` section.

    Example:
        def test_duplicates_are_limited(data_rules):
            assert data_rules.exact_duplicates <= 0.01
    """
    return request.config.stash[STATE].settings.config.data


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
        pytest.skip(f"{assay.settings.adapter} came without its training data: name the file by `train:` under `data:`")
    root = assay.settings.config.root
    validation = root / data_rules.validation if data_rules.validation else None
    return corpus_of_files(root / data_rules.train, validation, layout=data_rules.layout)


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
def row_lengths(assay: Session, training_data: Corpus, data_rules: DataThresholds) -> TokenLengths:
    """The training rows in tokens of the base; skips where the base is served and its tokenizer not at hand.

    Example:
        def test_rows_are_short(row_lengths):
            assert max(row.tokens for row in row_lengths.rows) <= 1024
    """
    from harness.checks.data import token_lengths
    from harness.models.loading import load_tokenizer
    from harness.training.configs import max_length_tokens

    if assay.models.base.is_served:
        pytest.skip(f"{assay.models.base.location} is served: its tokenizer is not at hand")
    tokenizer = load_tokenizer(assay.models.base.directory, trust_remote_code=assay.settings.trust_remote_code)
    bound = data_rules.max_length if assay.models.recipe is None else max_length_tokens(assay.models.recipe)
    return token_lengths(training_data, tokenizer, bound)


def _whole_tasks(assay: Session, names: Iterable[str]) -> Iterator[TaskLike]:
    """Each task once, not cut to the profile's limits."""
    from harness.config import Profile
    from harness.tasks.lm_eval import LmEvalTask
    from harness.tasks.lookup import find_task

    whole = assay.settings.model_copy(update={"profile": Profile(name="whole")})
    for name in dict.fromkeys(names):
        task = assay.task(name)  # of a benchmark, the session's own object: its documents are read once
        yield task if isinstance(task, LmEvalTask) else find_task(name, whole)
