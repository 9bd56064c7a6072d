"""Does the server answer as the candidate that was measured here? Skipped where `--served` names none.

A few dozen next tokens, where base and candidate differ most, are asked of the server and computed here. `--served-base` names
the base where it is served beside the candidate.
"""

import pytest

from harness.checks import serving

pytestmark = pytest.mark.serving


def test_answers_are_the_candidates(parity, margins, gate):
    gate(serving.effect(parity, margins.served_effect), severity="critical")


def test_strength_is_the_candidates(parity, margins, gate):
    gate(serving.strength_is_the_candidates(parity, margins.shipped_strength), severity="critical")


def test_conversations_are_put_alike(parity, gate):
    gate(serving.template(parity), severity="critical")


def test_decoding_is_as_stated(parity, margins, gate):
    gate(serving.decoding(parity, margins.served_decoding), severity="critical")


def test_precision_is_as_stated(parity, margins, gate):
    gate(serving.quantisation(parity, margins.served_noise), otherwise=serving.NO_LOGPROBS)


def test_base_and_candidate_do_not_mix(parity, margins, gate):
    limits = margins.shipped_strength, margins.served_effect
    gate(serving.isolation(parity, *limits), severity="critical", otherwise=serving.NO_BASE)


def test_answers_are_the_same_under_load(parity, margins, gate):
    gate(serving.stability(parity, margins.served_noise, margins.served_decoding))
