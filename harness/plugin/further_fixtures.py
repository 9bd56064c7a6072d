"""Fixtures of what is asked further on: after an earlier turn, and behind a long text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.checks.further_on import Reader
    from harness.gates import Comparison
    from harness.models.subject import Subject
    from harness.session import Session


@pytest.fixture(scope="session")
def compare_further_on(assay: Session, subject: Subject) -> Callable[..., Comparison]:
    """`compare_further_on(task, setting)`: base and candidate samples of a task's items `in_conversation`, after an earlier turn,
    or `far_into_the_context`, behind a long neutral text; of plain texts the bits a byte of their later parts. Skips where the
    task cannot be asked so, or the context is too short.

    Example:
        def test_tickets_are_routed_late_in_a_conversation(compare_further_on, gate):
            found = compare_further_on("tickets", "far_into_the_context")
            gate(found.metric("accuracy").non_inferior(margin=0.05))
    """
    from harness.checks.further_on import UnaskableError, further_on

    made: dict[tuple[str, str, str], Comparison] = {}

    def compare(name: str, setting: str, *, called: str = "") -> Comparison:
        asked = name, setting, called
        if asked not in made:
            tokens = assay.settings.profile.far_tokens
            try:
                task = further_on(assay.task(name), setting, _reader(assay), tokens=tokens, called=called)
            except UnaskableError as error:
                pytest.skip(error.problem)
            made[asked] = assay.compare_on(task)
        return made[asked]

    return compare


_CHARACTERS_A_TOKEN = 6  # more than any tokenizer has of plain English, so that there is no less than is counted
_SERVED_CONTEXT = 4096


def _reader(assay: Session) -> Reader:
    """What base and candidate both can do, as far as their files tell; of a base that is served, little is known."""
    from harness.checks.further_on import Reader
    from harness.models.architecture import read_base_config
    from harness.models.loading import load_tokenizer

    base, candidate = subjects = assay.models.reference, assay.models.candidate
    if base.is_served:
        return Reader(lambda text: len(text) // _CHARACTERS_A_TOKEN, _SERVED_CONTEXT, talks=True, likelihoods=False)
    code = assay.settings.trust_remote_code
    tokenizer = load_tokenizer(base.weights.directory, trust_remote_code=code)
    here = {one.weights.directory for one in subjects if not one.is_served}
    configs = [read_base_config(directory, trust_remote_code=code).get_text_config() for directory in here]
    return Reader(
        lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]),
        min(int(getattr(config, "max_position_embeddings", None) or 1 << 30) for config in configs),
        talks=all(one.is_served or one.own_templates for one in subjects),
        likelihoods=not candidate.is_served,
    )
