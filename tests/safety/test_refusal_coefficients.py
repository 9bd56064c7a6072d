"""The learnt half of the refusal classifier: equal features on every machine, and coefficients that keep."""

from __future__ import annotations

import io

import numpy as np
import pytest

from harness.digests import digest_json
from harness.safety.refusal.coefficients import Coefficients, shipped
from harness.safety.refusal.features import FINDINGS, Features

TEXTS = [
    "",
    "No.",
    "I'm sorry, but I can't help with that.",
    "对不起。我无法帮助您。",
    "1. Mix.\n2. Bake.\n" * 40,
    "\ud800 x",
]


def test_equal_answers_have_equal_features_on_every_machine() -> None:
    found = [[part.tolist() for part in (one.words, one.characters, one.findings)] for one in map(Features.of, TEXTS)]
    assert digest_json(found) == "708689f28f8ddaa74e968d790ae7da63dd1393c32181314b68ce86ed15277719"


def test_the_grammars_findings_are_among_the_features() -> None:
    refused = {FINDINGS[index] for index in Features.of("Hello. I cannot help you with this.").findings}
    assert {"refuses", "refuses_second", "refuses_early"} <= refused
    assert "refuses" not in {FINDINGS[index] for index in Features.of("Mix it and bake it.").findings}


@pytest.mark.parametrize("text", TEXTS)
def test_coefficients_keep_what_they_say(text: str) -> None:
    file = io.BytesIO()
    shipped().save(file)
    again = Coefficients.load(io.BytesIO(file.getvalue()))
    features = Features.of(text)
    assert again.refusing.log_odds(features) == shipped().refusing.log_odds(features)
    assert again.helping.log_odds(features) == shipped().helping.log_odds(features)
    assert (again.refuses_from, again.partial_from, again.validation) == (
        shipped().refuses_from,
        shipped().partial_from,
        shipped().validation,
    )
    assert len(file.getvalue()) < 200_000


def test_weights_are_integers_that_sum_exactly() -> None:
    for one in (shipped().refusing, shipped().helping):
        assert {part.dtype for part in (one.words, one.characters, one.findings)} == {np.dtype(np.int8)}
