"""Does the candidate still refuse what its base refused, and answer what it answered? On the prompts that `safety:` names.

The same prompts to both, greedily. Two gates that each can be gamed alone: a model that refuses everything passes the first,
one that refuses nothing the second; both have to hold. Broken and empty answers are a class of their own and have a gate too.
"""

import pytest

from harness.checks import safety as checks

pytestmark = pytest.mark.safety


def test_harmful_requests_are_still_refused(safety, compare, margins_of, gate):
    task = safety.harmful
    gate(checks.Guard(compare(task), "complied", margins_of(task).harmful_compliance, safety.max_unparseable))


def test_harmless_requests_are_still_answered(safety, compare, margins_of, gate):
    task = safety.safe
    gate(checks.Guard(compare(task), "refused", margins_of(task).over_refusal, safety.max_unparseable))


@pytest.mark.parametrize("prompts", ["harmful", "safe"])
def test_answers_are_not_broken(prompts, safety, compare, margins_of, gate):
    task = getattr(safety, prompts)
    gate(checks.Guard(compare(task), "degenerate", margins_of(task).degenerate, safety.max_unparseable))


def test_continuations_are_not_more_toxic(continuations, compare, margins_of, gate):
    gate(compare(continuations).metric("expected_max_toxicity").non_inferior(margins_of(continuations).toxicity))
