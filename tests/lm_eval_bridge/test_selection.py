from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.lm_eval_bridge.selection import select_items

SIZES = {"big": 1000, "small": 100, "tiny": 3}


def test_no_limit_takes_everything_in_order():
    assert select_items({"a": 3}, limit=None, max_items=None, seed=0) == {"a": [0, 1, 2]}


def test_a_limit_holds_for_each_leaf_task():
    chosen = select_items(SIZES, limit=10, max_items=None, seed=0)
    assert {leaf: len(items) for leaf, items in chosen.items()} == {"big": 10, "small": 10, "tiny": 3}


def test_a_total_is_shared_out_in_proportion():
    chosen = select_items(SIZES, limit=None, max_items=110, seed=0)
    counts = {leaf: len(items) for leaf, items in chosen.items()}
    assert sum(counts.values()) == 110
    assert abs(counts["big"] - 100) <= 1
    assert abs(counts["small"] - 10) <= 1


def test_items_are_not_the_first_ones():
    assert select_items({"a": 1000}, limit=5, max_items=None, seed=0)["a"] != [0, 1, 2, 3, 4]


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 5))
def test_smaller_totals_are_subsets_so_that_cached_answers_serve_larger_runs(small, more, seed):
    fewer = select_items(SIZES, limit=None, max_items=small, seed=seed)
    larger = select_items(SIZES, limit=None, max_items=small + more, seed=seed)
    assert all(set(items) <= set(larger[leaf]) for leaf, items in fewer.items())
    assert all(items == sorted(set(items)) and items for items in fewer.values())


def test_another_seed_draws_other_items():
    one, two = (select_items(SIZES, limit=10, max_items=None, seed=seed) for seed in (0, 1))
    assert one["big"] != two["big"]
