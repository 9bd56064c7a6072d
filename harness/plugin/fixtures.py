"""The fixtures a user's test takes. Their heavy half is imported when they are first used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.plugin.gating import GATE, Gate
from harness.plugin.state import STATE

if TYPE_CHECKING:
    from harness.config import Forgetting, Margins, Safety
    from harness.gates import Comparison, Evaluation, GateSpec
    from harness.gates.unfolding import Unfolding
    from harness.judging.contest import Contest
    from harness.judging.health import Health
    from harness.models import Identity, ResolvedAdapter, ResolvedModel
    from harness.models.loading import LoadedModel
    from harness.session import Session


@pytest.fixture(scope="session")
def assay(request: pytest.FixtureRequest) -> Session:
    """The measuring session: models, adapter, engines and tasks, each made when first asked for."""
    return request.config.stash[STATE].session


@pytest.fixture(scope="session")
def base(assay: Session) -> ResolvedModel:
    """The base model: `.name` and `.directory`."""
    return assay.models.base


@pytest.fixture(scope="session")
def adapter(assay: Session, request: pytest.FixtureRequest) -> ResolvedAdapter:
    """The adapter under test: `.name`, `.directory`, `.recipe`. Trained now if it was named by a recipe."""
    with request.config.stash[STATE].on_terminal():
        return assay.models.adapter


@pytest.fixture(scope="session")
def candidate(assay: Session, adapter: ResolvedAdapter) -> Identity:
    """Who the candidate (base + adapter) is: the digest of everything that can change an answer."""
    return assay.models.identities["candidate"]


@pytest.fixture(scope="session")
def adapter_directory(adapter: ResolvedAdapter) -> Path:
    """Where the adapter's files are; skips where it is served."""
    if adapter.is_served:
        pytest.skip(f"{adapter.place} is served: its files are not at hand")
    return adapter.directory


@pytest.fixture(scope="session")
def loaded_model(assay: Session, adapter_directory: Path) -> LoadedModel:
    """The base in memory with the adapter on it: `with loaded_model.adapter(on=False) as model: ...`."""
    return assay.models.loaded


@pytest.fixture(scope="session")
def evaluate(assay: Session, adapter: ResolvedAdapter) -> Callable[..., Evaluation]:
    """`evaluate(task, "candidate", fewshot=None)`: one model's samples of a task, of assay.yaml or lm-eval."""
    return assay.evaluate


@pytest.fixture(scope="session")
def compare(assay: Session, adapter: ResolvedAdapter) -> Callable[..., Comparison | Unfolding]:
    """`compare(task, fewshot=None)`: base and candidate samples of a task, of assay.yaml or lm-eval, paired by item."""
    return assay.compare


@pytest.fixture(scope="session")
def margins(request: pytest.FixtureRequest) -> Margins:
    """The limits of assay.yaml's `margins:` section."""
    return request.config.stash[STATE].settings.config.margins


@pytest.fixture(scope="session")
def margins_of(request: pytest.FixtureRequest) -> Callable[[str], Margins]:
    """`margins_of(task)`: the same limits, with what `margins: tasks:` changes of them for that task."""
    return request.config.stash[STATE].settings.config.margins_of


@pytest.fixture(scope="session")
def forgetting(request: pytest.FixtureRequest) -> Forgetting:
    """The tasks that forgetting is measured on: `.knowledge`, `.math` and `.text`, of assay.yaml's `forgetting:`."""
    return request.config.stash[STATE].settings.forgetting


@pytest.fixture(scope="session")
def safety(request: pytest.FixtureRequest) -> Safety:
    """What safety is measured on and by whom: `.harmful`, `.safe` and more, of assay.yaml's `safety:`."""
    return request.config.stash[STATE].settings.safety


@pytest.fixture(scope="session")
def continuations(safety: Safety) -> str:
    """The task whose texts are continued, of assay.yaml's `safety:`; skips where there is none."""
    if safety.continuations is None:
        pytest.skip("no RealToxicityPrompts in a data directory (--data-dir), or `safety.continuations` is null")
    return safety.continuations


@pytest.fixture(scope="session")
def judge(assay: Session, adapter: ResolvedAdapter) -> Callable[..., Contest]:
    """`judge(task=None)`: candidate against base as the judge sees it; skips where no judge is configured."""
    _require_judge(assay)
    return assay.judge


@pytest.fixture(scope="session")
def judge_health(assay: Session, adapter: ResolvedAdapter) -> Health:
    """How fit the judge is, on pairs of which the better answer is known; skips where no judge is configured."""
    _require_judge(assay)
    return assay.judge_bench.health


def _require_judge(assay: Session) -> None:
    if assay.settings.judge is None:
        pytest.skip("no judge is configured: pass --judge=MODEL, or name `judge: model:` in assay.yaml")


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Gate:
    """`gate(rule)`: decide it, record the verdict, and fail the test where it does not pass."""
    state = request.config.stash[STATE]
    gate = Gate(request.node, state.settings, state.released)
    request.node.stash[GATE] = gate
    return gate


@pytest.fixture
def task_gate(request: pytest.FixtureRequest) -> GateSpec:
    """One entry of a task's `gates:` list in assay.yaml; a test that takes it runs once for each."""
    spec: GateSpec = request.param
    return spec


@pytest.fixture
def task_name(request: pytest.FixtureRequest) -> str:
    """The name of a task in assay.yaml whose answers are generated text; a test that takes it runs once for each."""
    name: str = request.param
    return name


@pytest.fixture
def further_task(request: pytest.FixtureRequest) -> str:
    """The name of a task that `--tasks` names; a test that takes it runs once for each."""
    name: str = request.param
    return name
