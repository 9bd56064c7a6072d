"""The fixtures a user's test takes. Their heavy half is imported when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.plugin.gating import GATE, Gate
from harness.plugin.reports import NotOfThisKind
from harness.plugin.state import STATE

if TYPE_CHECKING:
    from harness.checks.integrity import ModelFiles
    from harness.checks.judge.comparison import JudgeComparison
    from harness.gates import Comparison, Evaluation
    from harness.gates.sequential_comparison import SequentialComparison
    from harness.judges.health import Health
    from harness.models import Identity, ResolvedAdapter, ResolvedModel
    from harness.models.loading import LoadedModel
    from harness.models.subject import Member, Subject
    from harness.session import Session


@pytest.fixture(scope="session")
def assay(request: pytest.FixtureRequest) -> Session:
    """The measuring session: models, adapter, engines and tasks, each made when first asked for.

    Example:
        def test_on_everything(assay):
            assert assay.settings.profile.limit is None, "measure a release with --profile=release"
    """
    return request.config.stash[STATE].session


@pytest.fixture(scope="session")
def base(assay: Session) -> ResolvedModel:
    """The base model: `.name` and `.directory`.

    Example:
        def test_base_is_ours(base):
            assert base.name.startswith("my-org/")
    """
    return assay.models.base


@pytest.fixture(scope="session")
def subject(assay: Session, request: pytest.FixtureRequest) -> Subject:
    """What is on trial: `.name`, `.weights`, `.adapter`, `.directory`. Trained now if it was named by a recipe.

    Example:
        def test_is_no_checkpoint(subject):
            assert not subject.name.startswith("checkpoint-")
    """
    with request.config.stash[STATE].on_terminal():
        return assay.models.candidate


@pytest.fixture(scope="session")
def adapter(subject: Subject) -> ResolvedAdapter:
    """The adapter under test: `.name`, `.directory`, `.recipe`; skips where the candidate is a model, or served.

    Example:
        def test_adapter_was_trained_here(adapter):
            assert adapter.recipe is not None
    """
    if subject.adapter is None:
        raise NotOfThisKind(f"{subject.name} is {'served' if subject.is_served else 'a model'}, and no adapter")
    return subject.adapter


@pytest.fixture(scope="session")
def candidate(assay: Session, subject: Subject) -> Identity:
    """Who the candidate is: the digest of everything that can change an answer.

    Example:
        def test_digest_is_recorded(candidate, record_property):
            record_property("candidate", candidate.digest)
    """
    return assay.models.identities["candidate"]


@pytest.fixture(scope="session")
def adapter_directory(adapter: ResolvedAdapter) -> Path:
    """Where the adapter's files are; skips where there is none, or they are not at hand.

    Example:
        def test_has_a_model_card(adapter_directory):
            assert (adapter_directory / "README.md").is_file()
    """
    return adapter.directory


@pytest.fixture(scope="session")
def candidate_directory(subject: Subject) -> Path:
    """Where the files are that make the candidate: of its adapter, else of its model; skips where it is served.

    Example:
        def test_says_its_license(candidate_directory):
            assert (candidate_directory / "LICENSE").is_file()
    """
    if subject.is_served:
        pytest.skip(f"{subject.location} is served: its files are not at hand")
    return subject.directory


@pytest.fixture(scope="session")
def model_files(assay: Session, subject: Subject) -> ModelFiles:
    """The candidate's own model, and the base it is held against; skips where the candidate is an adapter on that base.

    Example:
        def test_has_no_more_than_eight_shards(model_files):
            assert len(set(model_files.shards.values())) <= 8
    """
    from harness.checks.integrity import ModelFiles

    base = assay.models.base
    if subject.is_served or subject.location == base.location:
        what = (
            "served: its files are not at hand"
            if subject.is_served
            else "on the base itself: it has no weights of its own"
        )
        raise NotOfThisKind(f"{subject.name} is {what}")
    own = assay.models.load_options
    return ModelFiles(subject.weights.directory, None if base.is_served else base.directory, own)


@pytest.fixture(scope="session")
def loaded_model(assay: Session, candidate_directory: Path) -> LoadedModel:
    """The candidate in memory; of an adapter on its base: `with loaded_model.adapter(on=False) as model: ...`.

    Example:
        def test_base_has_no_dropout_left_on(loaded_model):
            with loaded_model.adapter(on=False) as model:
                assert not model.training
    """
    return assay.models.loaded


@pytest.fixture(scope="session")
def evaluate(assay: Session, subject: Subject) -> Callable[..., Evaluation]:
    """`evaluate(task, "candidate", fewshot=None)`: one model's samples of a task, of assay.yaml or lm-eval.

    Example:
        def test_is_good_enough(evaluate, gate):
            gate(evaluate("tickets", "candidate").metric("accuracy").at_least(0.8))
    """
    return assay.evaluate


@pytest.fixture(scope="session")
def compare(assay: Session, subject: Subject) -> Callable[..., Comparison | SequentialComparison]:
    """`compare(task, fewshot=None)`: base and candidate samples of a task, of assay.yaml or lm-eval, paired by item.

    `against=` a parent of the candidate has that one's samples in the base's place.

    Example:
        def test_is_better(compare, gate):
            gate(compare("tickets").metric("accuracy").superior(by=0.05))

        def test_german_is_no_worse(compare, gate):
            gate(compare("tickets").where(language="de").metric("accuracy").non_inferior(margin=0.02))
    """
    return assay.compare


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Gate:
    """`gate(rule, severity=None)`: decide it, record the verdict, and fail the test where it does not pass.

    `severity="critical"` blocks, `"supporting"` blocks unless waived, `"advisory"` is told and never blocks. A rule that is
    None, as of a check that does not apply, skips the test: `otherwise=` says why.

    Example:
        def test_answers_stay_short(compare, gate):
            gate(compare("tickets").metric("answer_tokens").non_inferior(margin=5))
    """
    state = request.config.stash[STATE]
    gate = Gate(request.node, state.settings, state.policy, state.baseline)
    request.node.stash[GATE] = gate
    return gate


@pytest.fixture(scope="session")
def members(subject: Subject) -> Sequence[Member]:
    """The adapters that the candidate is made of, where they are several: each with `.name`, `.directory`, `.base`.

    Example:
        def test_is_made_of_two(members):
            assert len(members) == 2
    """
    if not subject.members:
        raise NotOfThisKind(f"{subject.name} is not made of several adapters")
    return subject.members


@pytest.fixture(scope="session")
def parent(request: pytest.FixtureRequest, subject: Subject) -> str:
    """The name of one of those that the candidate was merged from; a test that takes it runs once for each.

    Example:
        def test_is_no_worse(compare, parent, gate):
            gate(compare("tickets", against=parent).metric("accuracy").non_inferior(margin=0.02))
    """
    name: str = request.param
    if not name:
        raise NotOfThisKind(
            f"{subject.name} is no merge, or nothing says of what (`candidate: parents:` in assay.yaml does)"
        )
    return name


@pytest.fixture(scope="session")
def judge(assay: Session, subject: Subject) -> Callable[..., JudgeComparison]:
    """`judge(task=None)`: candidate against base as the judge sees it; skips where no judge is configured.

    Example:
        def test_reads_no_worse(judge, margins, gate):
            gate(judge().not_worse(margins))
    """
    _require_judge(assay)
    return assay.judge


@pytest.fixture(scope="session")
def judge_health(assay: Session, subject: Subject) -> Health:
    """How fit the judge is, on pairs of which the better answer is known; skips where no judge is configured.

    Example:
        def test_judge_is_fit(judge_health, gate):
            gate(judge_health)
    """
    _require_judge(assay)
    return assay.judge_runner.health


def _require_judge(assay: Session) -> None:
    if assay.settings.judge is None:
        pytest.skip("no judge is configured: pass --judge=MODEL, or name `judge: model:` in assay.yaml")
