from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.sampling import select_items

SIZES = {"big": 1000, "small": 100, "tiny": 3}


def test_no_limit_takes_everything_in_order():
    assert select_items({"a": 3}, limit=None, max_items=None, seed=0) == {"a": [0, 1, 2]}


def test_a_limit_holds_for_each_subtask():
    chosen = select_items(SIZES, limit=10, max_items=None, seed=0)
    assert {subtask: len(items) for subtask, items in chosen.items()} == {"big": 10, "small": 10, "tiny": 3}


def test_a_total_is_shared_out_in_proportion():
    chosen = select_items(SIZES, limit=None, max_items=110, seed=0)
    counts = {subtask: len(items) for subtask, items in chosen.items()}
    assert sum(counts.values()) == 110
    assert abs(counts["big"] - 100) <= 1
    assert abs(counts["small"] - 10) <= 1


def test_items_are_not_the_first_ones():
    assert select_items({"a": 1000}, limit=5, max_items=None, seed=0)["a"] != [0, 1, 2, 3, 4]


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 5))
def test_smaller_totals_are_subsets_so_that_cached_answers_serve_larger_runs(small, more, seed):
    fewer = select_items(SIZES, limit=None, max_items=small, seed=seed)
    larger = select_items(SIZES, limit=None, max_items=small + more, seed=seed)
    assert all(set(items) <= set(larger[subtask]) for subtask, items in fewer.items())
    assert all(items == sorted(set(items)) and items for items in fewer.values())


@given(st.integers(1, 3), st.integers(0, 5))
def test_fewer_subtasks_are_among_those_that_more_take(subtasks, seed):
    def chosen(count):
        return select_items(SIZES, limit=5, max_items=None, seed=seed, max_subtasks=count)

    assert len(chosen(subtasks)) == subtasks
    assert chosen(subtasks).items() <= chosen(subtasks + 1).items()
    assert chosen(3) == select_items(SIZES, limit=5, max_items=None, seed=seed)


def test_a_total_is_shared_out_among_the_subtasks_that_are_drawn():
    sizes = {f"subject {i}": 100 for i in range(57)}
    chosen = select_items(sizes, limit=None, max_items=120, seed=1234, max_subtasks=10)
    assert {len(items) for items in chosen.values()} == {12}
    assert len(chosen) == 10


def test_another_seed_draws_other_items():
    one, two = (select_items(SIZES, limit=10, max_items=None, seed=seed) for seed in (0, 1))
    assert one["big"] != two["big"]
