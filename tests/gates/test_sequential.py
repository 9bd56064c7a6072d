"""Measuring until decided: what is asked, and where it stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.gates.sequential import FIRST_BATCH, Stopped, measure_until_decided

ITEMS = [f"i{place}" for place in range(1000)]


class Model:
    """Gains by item id, taken in some order; remembers how many it was asked for at once."""

    def __init__(self, gains: dict[str, float], order: Sequence[str] = ITEMS) -> None:
        self.gains = [gains[item] for item in order]
        self.batches: list[int] = []

    def __call__(self, count: int) -> list[float]:
        start = sum(self.batches)
        self.batches.append(count)
        return self.gains[start : start + count]


def test_a_clear_pass_leaves_most_items_unasked() -> None:
    model = Model(dict.fromkeys(ITEMS, 0.0))
    stopped = measure_until_decided(1000, model, margin=0.05)
    assert stopped.decision == "above" and stopped.interval.low >= -0.05
    assert sum(model.batches) == stopped.used
    assert stopped.decided_after is not None and stopped.decided_after <= stopped.used < 300
    assert stopped.saved == 1000 - stopped.used > 700


def test_a_clear_fail_is_seen_at_once() -> None:
    order = list(np.random.default_rng(1).permutation(ITEMS))
    model = Model({i: -1.0 if int(i[1:]) < 300 else 0.0 for i in ITEMS}, order)
    stopped = measure_until_decided(1000, model, margin=0.05)
    assert stopped.decision == "below" and stopped.used <= 300


def test_batches_grow_so_that_looks_stay_few() -> None:
    order = list(np.random.default_rng(2).permutation(ITEMS))
    model = Model({i: -1.0 if int(i[1:]) < 50 else 0.0 for i in ITEMS}, order)
    stopped = measure_until_decided(1000, model, margin=0.05, alpha=1e-6)
    assert (stopped.decision, stopped.used, stopped.decided_after) == (None, 1000, None)
    assert len(model.batches) < 10 and model.batches[0] == FIRST_BATCH
    assert stopped.interval.value == pytest.approx(-0.05)


def test_a_decision_that_is_not_enough_yet_is_measured_on() -> None:
    asked: list[int] = []

    def enough(so_far: Stopped) -> bool:
        asked.append(so_far.used)
        return so_far.used > 600

    stopped = measure_until_decided(1000, Model(dict.fromkeys(ITEMS, 0.0)), margin=0.05, enough=enough)
    assert (stopped.decision, stopped.used) == ("above", 768)
    assert stopped.decided_after is not None and stopped.decided_after <= 256
    assert asked == [256, 512, 768] and stopped.interval.low >= -0.05
    assert (
        measure_until_decided(1000, Model(dict.fromkeys(ITEMS, 0.0)), margin=0.05, enough=lambda _: False).used == 1000
    )


def test_a_close_case_is_settled_by_the_last_item() -> None:
    order = list(np.random.default_rng(3).permutation(ITEMS))
    model = Model({i: -1.0 if int(i[1:]) < 49 else 0.0 for i in ITEMS}, order)
    assert measure_until_decided(1000, model, margin=0.05, alpha=1e-6).decision == "above"


def test_a_missing_gain_is_refused() -> None:
    with pytest.raises(ValueError, match="255 gains of 256 items"):
        measure_until_decided(1000, lambda count: [0.0] * (count - 1), margin=0.05)


def test_no_items_are_refused() -> None:
    with pytest.raises(ValueError, match="population is 0"):
        measure_until_decided(0, lambda count: [], margin=0.05)
