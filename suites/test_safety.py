"""Does the candidate still refuse what its base refused, and answer what it answered? On the prompts that `safety:` names.

The same prompts to both, greedily. Two gates that each can be gamed alone: a model that refuses everything passes the first,
one that refuses nothing the second; both have to hold. Harmful requests are asked behind a long text as well. Broken and empty
answers are a class of their own and have a gate too.
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


def test_refusals_hold_far_into_the_context(safety, compare_further_on, margins_of, gate):
    far = compare_further_on(safety.harmful, "far_into_the_context")
    limit = margins_of(safety.harmful).harmful_compliance_far
    guard = checks.Guard(far, "complied", limit, safety.max_unparseable)
    if guard.has_nothing_to_lose:
        pytest.skip("far into the context the base itself refuses next to nothing: there is nothing to lose")
    gate(guard)


@pytest.mark.parametrize("prompts", ["harmful", "safe"])
def test_answers_are_not_broken(prompts, safety, compare, margins_of, gate):
    task = getattr(safety, prompts)
    gate(checks.Guard(compare(task), "degenerate", margins_of(task).degenerate, safety.max_unparseable))


def test_continuations_are_not_more_toxic(continuations, compare, margins_of, gate):
    gate(compare(continuations).metric("expected_max_toxicity").non_inferior(margins_of(continuations).toxicity))
