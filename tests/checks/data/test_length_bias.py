"""Length that tells practically every pair fails where the longer answer wins; concise data, and few pairs, do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from preference_sets import public_pairs

from harness.checks import data

DATA_DIR = os.environ.get("ASSAY_DATA_DIR", "")


def pairs_of(longer: int, shorter: int):
    sizes = [(20, 5)] * longer + [(5, 20)] * shorter
    return [{"prompt": f"Question {n}?", "chosen": "yes " * a, "rejected": "no " * b} for n, (a, b) in enumerate(sizes)]


@pytest.mark.parametrize(
    ("longer", "shorter", "holds"), [(200, 0, False), (140, 60, True), (0, 200, True), (12, 0, True)]
)
def test_the_interval_decides(corpus, longer: int, shorter: int, holds: bool) -> None:
    check = data.length_bias(corpus(pairs_of(longer, shorter), layout="pairs"), 0.9)
    assert check.holds is holds
    assert check.details["longer_preferred"]["value"] == longer / (longer + shorter)
    assert f"{longer / (longer + shorter):.1%} of {longer + shorter} pairs of unequal length" in check.reason


def test_answers_of_one_length_have_no_bias(corpus) -> None:
    rows = [{"prompt": f"Question {n}?", "chosen": "yes", "rejected": "not"} for n in range(20)]
    assert data.length_bias(corpus(rows, layout="pairs"), 0.5) is None


def test_marked_answers_are_compared_each_with_each(corpus) -> None:
    rows = [
        {"prompt": f"Question {n}?", "completion": "word " * (10 + n % 7 + 20 * (n % 2)), "label": n % 2 == 1}
        for n in range(80)
    ]
    check = data.length_bias(corpus(rows, layout="judged"), 0.9)
    assert not check.holds
    assert "100.0% of all comparisons of 40 wanted with 40 unwanted answers" in check.reason
    turned = [{**row, "label": not row["label"]} for row in rows]
    assert data.length_bias(corpus(turned, layout="judged"), 0.9).holds


@pytest.mark.skipif(not DATA_DIR, reason="ASSAY_DATA_DIR is not set: no local copies of public data sets")
@pytest.mark.parametrize(("name", "value"), [("hh_rlhf", 0.45), ("alpaca_eval", 0.68), ("llmbar", 0.27)])
def test_public_preferences_pass(corpus, name: str, value: float) -> None:
    check = data.length_bias(corpus(public_pairs(Path(DATA_DIR), name), layout="pairs"), 0.9)
    assert check.holds
    assert check.details["longer_preferred"]["value"] == pytest.approx(value, abs=0.01)
