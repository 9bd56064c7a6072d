"""Adjusted p-values follow their definitions and keep the promises made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import benjamini_hochberg

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_published_example() -> None:
    # Benjamini & Hochberg 1995, table 1: at 5% Bonferroni-type control rejects three or fewer, theirs four
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4


@settings(deadline=None)
@given(P_VALUES)
def test_order_is_kept_and_correction_never_makes_a_value_smaller(p: list[float]) -> None:
    adjusted = benjamini_hochberg(p)
    assert adjusted.shape == (len(p),)
    assert np.all(adjusted >= np.array(p) - 1e-12) and np.all(adjusted <= 1)
    assert np.all(np.diff(adjusted[np.argsort(p)]) >= -1e-12)
    assert benjamini_hochberg(p[::-1])[::-1] == pytest.approx(adjusted)


def test_single_value_is_left_as_it_is() -> None:
    assert benjamini_hochberg([0.03]) == pytest.approx(0.03)


@pytest.mark.parametrize("p", [[], [1.1], [-0.1], [float("nan")]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="p_values"):
        benjamini_hochberg(p)
