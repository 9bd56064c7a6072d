"""The order of asking: seeded, and every beginning of it a fair picture of the whole."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.requests import Prompt
from harness.tasks.base import Item
from harness.tasks.sampling import item_strata, stratified_order

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def strata_of(sizes: list[int]) -> dict[str, str]:
    return {f"{stratum}-{place}": str(stratum) for stratum, size in enumerate(sizes) for place in range(size)}


@given(SIZES, st.integers(0, 5))
def test_it_is_a_permutation_that_only_the_seed_decides(sizes: list[int], seed: int) -> None:
    strata = strata_of(sizes)
    order = stratified_order(strata, seed)
    assert sorted(order) == sorted(strata)
    assert stratified_order(dict(reversed(strata.items())), seed) == order


@given(SIZES, st.integers(0, 5))
def test_strata_keep_pace_with_each_other(sizes: list[int], seed: int) -> None:
    """Of two strata, neither is ever ahead of the other by more than an item of each."""
    strata = strata_of(sizes)
    seen: Counter[str] = Counter()
    for item in stratified_order(strata, seed):
        seen[strata[item]] += 1
        progress = [(seen[str(k)] - 1, seen[str(k)] + 1, size) for k, size in enumerate(sizes)]
        assert max(low / size for low, _, size in progress) <= min(high / size for _, high, size in progress)


def test_every_item_may_come_first() -> None:
    strata = strata_of([2, 3])
    firsts = Counter(stratified_order(strata, seed)[0] for seed in range(1000))
    assert all(130 < firsts[item] < 280 for item in strata)


def test_tags_make_strata_and_clusters_do_where_there_are_none() -> None:
    prompt = Prompt(text="Hello")
    items = [
        Item("a", prompt, "", tags={"subject": "law"}, cluster="p1"),
        Item("b", prompt, "", tags={"subject": "law"}, cluster="p2"),
        Item("c", prompt, "", tags={"subject": "art"}),
        Item("d", prompt, "", cluster="p1"),
        Item("e", prompt, "", cluster="p1"),
    ]
    strata = item_strata(items)
    assert strata["a"] == strata["b"] and strata["d"] == strata["e"]
    assert len(set(strata.values())) == 3
