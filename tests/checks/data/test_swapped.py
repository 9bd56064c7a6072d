"""Swapped pairs and inverted marks are found and named; data of which text tells little are left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from preference_sets import own_pairs, public_pairs, swapped

from harness.checks import data

DATA_DIR = os.environ.get("ASSAY_DATA_DIR", "")
LIMIT = 0.02
ROWS = own_pairs()
HELD_OUT = own_pairs("heldout")


def as_marked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One answer of each pair, by turns the better and the worse one."""
    sides = ("chosen", "rejected")
    return [
        {"prompt": row["prompt"], "completion": row[sides[n % 2]], "label": n % 2 == 0} for n, row in enumerate(rows)
    ]


def test_no_healthy_pair_is_suspected(corpus) -> None:
    learnt = data.learn_preferences(corpus(ROWS, layout="pairs"))
    assert (learnt.obstacle, learnt.suspects) == ("", [])
    assert data.preferences_are_not_swapped(learnt, 0.0).holds


@pytest.mark.parametrize(("share", "least_found"), [(0.05, 0.5), (0.2, 0.6)])
def test_swapped_pairs_are_found_and_named(corpus, share: float, least_found: float) -> None:
    rows, places = swapped(ROWS, share)
    learnt = data.learn_preferences(corpus(rows, layout="pairs"))
    assert learnt.obstacle == ""
    check = data.preferences_are_not_swapped(learnt, LIMIT)
    assert not check.holds
    found = set(learnt.suspects)
    assert len(found & places) >= max(0.95 * len(found), least_found * len(places))
    assert check.details["estimated_share_swapped"] == pytest.approx(share, abs=0.07)
    first = check.details["findings"][0]["place"]
    assert int(first.rpartition(" ")[2]) - 1 in places


def test_labels_at_random_are_not_taken_for_swaps_of_single_rows(corpus) -> None:
    learnt = data.learn_preferences(corpus(swapped(ROWS, 0.5)[0], layout="pairs"))
    assert "too few to know a swapped one from one that is hard to tell" in learnt.obstacle


def test_held_out_pairs_show_that_the_text_tells_though_many_are_swapped(corpus) -> None:
    rows, places = swapped(ROWS, 0.3)
    assert data.learn_preferences(corpus(rows, layout="pairs")).obstacle != ""
    learnt = data.learn_preferences(corpus(rows, HELD_OUT, layout="pairs"))
    assert learnt.obstacle == ""
    hits = len(set(learnt.suspects) & places)
    assert hits >= max(0.8 * len(learnt.suspects), 0.6 * len(places))
    assert not data.preferences_are_not_swapped(learnt, LIMIT).holds


def test_few_pairs_teach_nothing_of_each_other(corpus) -> None:
    learnt = data.learn_preferences(corpus(ROWS[:150], layout="pairs"))
    assert learnt.obstacle == "150 preferences are too few to learn from what is preferred: 200 are needed"


def test_inverted_marks_are_found(corpus) -> None:
    rows = as_marked([row for row in ROWS if row["kind"] == "concise"] * 3)
    rows = [{**row, "prompt": f"{row['prompt'][0]['content']} ({n})"} for n, row in enumerate(rows)]
    healthy = data.learn_preferences(corpus(rows, layout="judged"))
    assert healthy.obstacle == ""
    assert data.preferences_are_not_swapped(healthy, LIMIT).holds
    turned = [{**row, "label": row["label"] != (n % 10 == 3)} for n, row in enumerate(rows)]
    learnt = data.learn_preferences(corpus(turned, layout="judged"))
    assert learnt.obstacle == ""
    assert not data.preferences_are_not_swapped(learnt, LIMIT).holds


@pytest.mark.parametrize(
    ("share", "remedy"),
    [(0.0, None), (0.5, "swapped in part"), (1.0, "which of the two files has its answers swapped")],
)
def test_held_out_pairs_tell_what_was_swapped_throughout(corpus, share: float, remedy: str | None) -> None:
    check = data.held_out_pairs_agree(corpus(swapped(ROWS, share)[0], HELD_OUT, layout="pairs"))
    assert check.holds is (remedy is None)
    if remedy is not None:
        assert remedy in check.remedy
    few = corpus(ROWS, HELD_OUT[:40], layout="pairs")
    assert data.held_out_pairs_agree(few) is None


@pytest.mark.skipif(not DATA_DIR, reason="ASSAY_DATA_DIR is not set: no local copies of public data sets")
@pytest.mark.parametrize("name", ["hh_rlhf", "alpaca_eval", "llmbar"])
def test_people_s_preferences_are_left_alone(corpus, name: str) -> None:
    rows = public_pairs(Path(DATA_DIR), name)[:800]
    made = corpus(rows[::2], rows[1::2], layout="pairs")
    assert data.learn_preferences(made).obstacle != ""
    assert data.held_out_pairs_agree(made).holds
    assert data.preferences_agree(made, LIMIT).holds
    assert data.pairs_differ(made, 0.01).holds
