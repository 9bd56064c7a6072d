"""Fixtures of what becomes of a candidate: what ships of it, and what answers as it on a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.checks.release import Shipping
    from harness.checks.serving import Parity
    from harness.config.spec import ServedModel
    from harness.gates import Comparison
    from harness.models.subject import Subject
    from harness.session import Session


@pytest.fixture(scope="session")
def shipped(assay: Session, subject: Subject) -> Subject:
    """What ships of the candidate, of `--shipped` or `shipped:` in assay.yaml; skips where neither names it.

    Example:
        def test_is_not_merged(shipped):
            assert "merged" not in shipped.name
    """
    if assay.settings.shipped_spec is None:
        pytest.skip("nothing is named that ships: pass --shipped=SPEC, or name it as `shipped:` in assay.yaml")
    return assay.models.subject("shipped")


@pytest.fixture(scope="session")
def shipping(assay: Session, shipped: Subject) -> Shipping:
    """What ships, to be read beside the candidate; skips where one of them cannot be read token by token.

    Example:
        from harness.checks import release

        def test_files_are_whole(shipping, gate):
            gate(release.files_are_whole(shipping))
    """
    found = assay.shipping
    if found.unread is not None:
        pytest.skip(found.unread)
    return found


@pytest.fixture(scope="session")
def compare_shipped(assay: Session, shipped: Subject) -> Callable[..., Comparison]:
    """`compare_shipped(task, fewshot=None)`: samples of the candidate and of what ships, paired by item; skips where a server
    does not give the log-probabilities that the task asks for.

    Example:
        def test_ships_as_good(compare_shipped, gate):
            gate(compare_shipped("tickets").metric("accuracy").non_inferior(margin=0.02))
    """
    from harness.engines.server import NoLogprobsError

    def compare(name: str, fewshot: int | None = None) -> Comparison:
        try:
            return assay.compare_shipped(name, fewshot)
        except NoLogprobsError as exc:
            pytest.skip(f"{exc.problem}: what ships is held against the candidate by its written answers")

    return compare


@pytest.fixture(scope="session")
def served(assay: Session) -> ServedModel:
    """Where the candidate is served, of `--served`, `serving: candidate:` in assay.yaml, or `--shipped` where that is a server;
    skips where none names it.

    Example:
        def test_is_served_by_us(served):
            assert served.url.endswith(".example.org/v1")
    """
    if assay.settings.served_model is None:
        pytest.skip("nothing is named that is served: pass --served=openai:NAME@URL")
    return assay.settings.served_model


@pytest.fixture(scope="session")
def parity(assay: Session, served: ServedModel, subject: Subject) -> Parity:
    """The served candidate beside that of this run; skips where the files of either are not at hand.

    Example:
        from harness.checks import serving

        def test_is_the_candidate(parity, gate):
            gate(serving.effect(parity, least=0.9))
    """
    from harness.checks.serving import Parity

    if subject.is_served or assay.models.base.is_served:
        pytest.skip(f"base or candidate is served: there are no files here to hold {served} against")
    options, config = assay.models.load_options, assay.settings.config
    return Parity(served, assay.settings.served_base_model, assay.texts, config.serving, options)
