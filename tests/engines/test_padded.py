from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.padded import plan_batches


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 2000), st.integers(1, 16))
def test_every_request_once_within_budget_longest_first(lengths, budget, rows):
    batches = plan_batches(lengths, token_budget=budget, max_rows=rows)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget
        assert len(batch) <= rows
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(order, reverse=True)
