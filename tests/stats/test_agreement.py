"""Cohen's kappa against scikit-learn's and statsmodels', and its interval where the usual one fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_kappa

from harness.stats import cohens_kappa

labels = st.sampled_from(["1", "2", "tie"])


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=80))
def test_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) == 1:
        return
    ours = cohens_kappa(first, second)
    assert ours.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert ours.low <= ours.value <= ours.high <= 1


def noisy_pair(rng: np.random.Generator, n: int, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    first = rng.integers(0, 2, n)
    return first, np.where(rng.random(n) < accuracy, first, 1 - first)


def test_with_many_items_the_interval_is_near_the_usual_one() -> None:
    first, second = noisy_pair(np.random.default_rng(1), 2000, 0.8)
    table = np.histogram2d(first, second, bins=2)[0]
    ours, oracle = cohens_kappa(first.tolist(), second.tolist()), statsmodels_kappa(table)
    assert (ours.low, ours.high) == pytest.approx((oracle.kappa_low, oracle.kappa_upp), abs=0.005)
    assert ours.standard_error == pytest.approx(oracle.std_kappa, rel=0.02)


def test_full_agreement_on_few_items_is_not_certain() -> None:
    ours = cohens_kappa("1212121212", "1212121212")
    assert (ours.value, ours.high) == (1.0, 1.0)
    assert 0.3 < ours.low < 0.6


def test_near_full_agreement_the_interval_keeps_its_coverage() -> None:
    rng = np.random.default_rng(2)
    truth = 2 * 0.98 - 1
    intervals = [cohens_kappa(*map(list, noisy_pair(rng, 100, 0.98))) for _ in range(400)]
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 1.0


def test_a_coin_agrees_no_better_than_chance() -> None:
    ours = cohens_kappa(*map(list, noisy_pair(np.random.default_rng(3), 300, 0.5)))
    assert ours.low < 0 < ours.high


def test_items_of_one_cluster_are_not_independent_evidence() -> None:
    first, second = (list(side) for side in noisy_pair(np.random.default_rng(4), 40, 0.8))
    alone = cohens_kappa(first, second)
    copies = cohens_kappa(first * 5, second * 5, clusters=list(range(40)) * 5)
    assert copies.value == pytest.approx(alone.value)
    assert copies.low == pytest.approx(alone.low, abs=0.03)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [("12", "1", "2 and 1 items"), ("11", "11", "every label of both raters is '1'"), ("", "", "empty")],
)
def test_what_has_no_kappa_is_refused(first: str, second: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cohens_kappa(first, second)
