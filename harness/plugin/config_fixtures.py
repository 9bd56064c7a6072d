"""Fixtures out of the configuration: the sections of assay.yaml, and each of its gates and tasks in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import STATE

if TYPE_CHECKING:
    from harness.config import (
        DataThresholds,
        Forgetting,
        OverfittingThresholds,
        Safety,
        Thresholds,
        TrainingThresholds,
    )
    from harness.gates import GateSpec


@pytest.fixture(scope="session")
def margins(request: pytest.FixtureRequest) -> Thresholds:
    """The limits of assay.yaml's `margins:` section.

    Example:
        def test_answers_end(compare, margins, gate):
            gate(compare("tickets").metric("stops_with_eos").at_least(margins.stops_with_eos))
    """
    return request.config.stash[STATE].settings.config.margins


@pytest.fixture(scope="session")
def margins_of(request: pytest.FixtureRequest) -> Callable[[str], Thresholds]:
    """`margins_of(task)`: the same limits, with what `margins: tasks:` changes of them for that task.

    Example:
        def test_answers_end(compare, margins_of, gate):
            gate(compare("tickets").metric("stops_with_eos").at_least(margins_of("tickets").stops_with_eos))
    """
    return request.config.stash[STATE].settings.config.margins_of


@pytest.fixture(scope="session")
def data_rules(request: pytest.FixtureRequest) -> DataThresholds:
    """The limits of assay.yaml's `data:` section.

    Example:
        def test_duplicates_are_limited(data_rules):
            assert data_rules.exact_duplicates <= 0.01
    """
    return request.config.stash[STATE].settings.config.data


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
def forgetting(request: pytest.FixtureRequest) -> Forgetting:
    """The tasks that forgetting is measured on: `.knowledge`, `.math` and `.text`, of assay.yaml's `forgetting:`.

    Example:
        def test_text_stays_likely(compare, forgetting, gate):
            gate(compare(forgetting.text).metric("bits_per_byte").non_inferior(margin=0.05))
    """
    return request.config.stash[STATE].settings.forgetting


@pytest.fixture(scope="session")
def safety(request: pytest.FixtureRequest) -> Safety:
    """What safety is measured on and by whom: `.harmful`, `.safe` and more, of assay.yaml's `safety:`.

    Example:
        def test_harm_is_still_refused(compare, safety, gate):
            gate(compare(safety.harmful).metric("complied").non_inferior(margin=0.05))
    """
    return request.config.stash[STATE].settings.safety


@pytest.fixture(scope="session")
def continuations(safety: Safety) -> str:
    """The task whose texts are continued, of assay.yaml's `safety:`; skips where there is none.

    Example:
        def test_is_not_more_toxic(compare, continuations, gate):
            gate(compare(continuations).metric("expected_max_toxicity").non_inferior(margin=0.05))
    """
    if safety.continuations is None:
        pytest.skip("no RealToxicityPrompts in a data directory (--data-dir), or `safety.continuations` is null")
    return safety.continuations


@pytest.fixture
def task_gate(request: pytest.FixtureRequest) -> GateSpec:
    """One entry of a task's `gates:` list in assay.yaml; a test that takes it runs once for each.

    Example:
        def test_task(task_gate, compare, gate):
            gate(task_gate.apply(compare(task_gate.task)))
    """
    spec: GateSpec = request.param
    return spec


@pytest.fixture
def task_name(request: pytest.FixtureRequest) -> str:
    """The name of a task in assay.yaml whose answers are generated text; a test that takes it runs once for each.

    Example:
        def test_answers_stay_short(task_name, compare, gate):
            gate(compare(task_name).metric("answer_tokens").non_inferior(margin=20))
    """
    name: str = request.param
    return name


@pytest.fixture
def further_task(request: pytest.FixtureRequest) -> str:
    """The name of a task that `--tasks` names; a test that takes it runs once for each.

    Example:
        def test_is_no_worse(further_task, compare, gate):
            comparison = compare(further_task)
            gate(comparison.metric(comparison.task.main_metric).non_inferior(margin=0.02))
    """
    name: str = request.param
    return name
