"""Does it read better, or worse? As a judge sees it that has to prove itself first, on pairs whose better answer is known.

A judge that is no better than chance, goes by order or gives no readable verdict decides nothing: its gates are inconclusive,
and it is not asked about the candidate at all. Without a judge (`--judge`, or `judge:` in assay.yaml) both are skipped.
"""

import pytest

pytestmark = pytest.mark.judge


def test_judge_is_fit(judge_health, gate):
    gate(judge_health)


def test_answers_are_not_worse(judge, margins, gate):
    gate(judge().not_worse(margins))
