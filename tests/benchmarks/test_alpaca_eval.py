"""AlpacaEval's published figures from its own annotations."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness.stats.length_control import length_controlled_win_rate
from harness.stats.win_rate import Tally, tally, win_rate

DATA_DIR = os.environ.get("ASSAY_DATA_DIR", "")
pytestmark = pytest.mark.skipif(not DATA_DIR, reason="ASSAY_DATA_DIR is not set: no published annotations")
MODEL = "alpaca-7b"


@pytest.fixture(scope="module")
def files():
    """The readers of AlpacaEval's files that the benchmark has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        yield importlib.import_module("benchmarks.alpaca_eval")


@pytest.fixture(scope="module")
def leaderboard(files) -> dict[str, dict[str, str]]:
    return files.read_leaderboard(Path(DATA_DIR))


@pytest.fixture(scope="module")
def annotations(files):
    return files.read_annotations(Path(DATA_DIR), MODEL)


def test_the_published_win_rate_its_error_and_counts_come_out_of_the_annotations(annotations, leaderboard):
    judged, published = annotations.preferences, leaderboard[MODEL]
    interval = win_rate(judged)
    assert 100 * interval.value == pytest.approx(float(published["win_rate"]), abs=1e-6)
    assert 100 * interval.standard_error == pytest.approx(float(published["standard_error"]), abs=1e-6)
    counts = Tally(*(int(published[name]) for name in ("n_wins", "n_draws", "n_wins_base")))
    assert tally(judged) == counts
    assert interval.low < interval.value < interval.high


def test_the_model_takes_its_place_on_the_leaderboard(annotations, leaderboard):
    others = {name: float(row["win_rate"]) for name, row in leaderboard.items() if name != MODEL}
    ours = 100 * win_rate(annotations.preferences).value
    place = sum(rate > ours for rate in others.values())
    assert [*leaderboard][place] == MODEL


def test_the_leaderboards_rates_and_order_come_out_of_its_counts(files, leaderboard):
    rates = {
        name: 100 * win_rate(files.preferences_by_counts(row), resamples=2).value for name, row in leaderboard.items()
    }
    published = {name: float(row["win_rate"]) for name, row in leaderboard.items()}
    assert len(rates) == 102
    assert rates == pytest.approx(published, abs=1e-6)
    assert sorted(rates, key=lambda name: -rates[name]) == [*leaderboard]


def test_the_controlled_rate_is_near_the_published_one_without_its_difficulties(annotations, leaderboard):
    lengths = annotations.lengths, annotations.reference_lengths
    found = length_controlled_win_rate(annotations.preferences, *lengths)
    published = float(leaderboard[MODEL]["length_controlled_winrate"])
    assert 100 * found.interval.value == pytest.approx(published, abs=1.0)
    assert 100 * found.interval.low < published < 100 * found.interval.high
    assert not found.parts_from_raw
    assert found.length_weight > 1


def test_the_controlled_rates_are_near_those_of_alpaca_eval_2_and_rank_alike(files):
    judged, published = files.read_preferences(Path(DATA_DIR)), files.read_leaderboard(Path(DATA_DIR), version=2)
    wanted = [float(published[model]["length_controlled_winrate"]) for model in judged]
    found = [
        length_controlled_win_rate(one.preferences, one.lengths, one.reference_lengths, resamples=2)
        for one in judged.values()
    ]
    rates = [100 * one.interval.value for one in found]
    assert len(rates) >= 11
    assert (
        np.mean(np.abs(np.subtract(rates, wanted)))
        < 1.5
        < np.mean(np.abs([100 * one.raw for one in found] - np.array(wanted)))
    )
    assert spearmanr(rates, wanted).statistic >= 0.98
    assert [model for model, one in zip(judged, found, strict=True) if not one.extrapolates] == [
        "FuseChat-Llama-3.2-3B-Instruct"
    ]
