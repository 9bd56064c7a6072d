"""What a broken-down verdict says about flips and slices is true, and leaves the verdict as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.gates import Breakdown, Measurement
from harness.metrics.base import Metric
from harness.stats.paired_binary import mcnemar_exact


def measured(base: Sequence[float], candidate: Sequence[float], subjects: str, **changes: Any) -> Measurement:
    n = len(base)
    whole = Measurement(
        metric=Metric("acc", kind="binary"),
        task="t",
        slice={},
        item_ids=tuple(f"i{k}" for k in range(n)),
        candidate=np.array(candidate, dtype=np.float64),
        base=np.array(base, dtype=np.float64),
        clusters=None,
        tags=tuple({"subject": s} for s in subjects),
        targets=(None,) * n,
        candidate_parsed=(None,) * n,
        base_parsed=(None,) * n,
    )
    return replace(whole, **changes)


def test_flips_are_named_in_their_direction() -> None:
    rule = measured([1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 1, 1], "aaabbb").non_inferior(0.5)
    details = Breakdown(rule).decide().details
    assert details["right_to_wrong"] == ["i1"]
    assert details["wrong_to_right"] == ["i2", "i5"]
    assert details["flips"] == 3


def test_verdict_is_the_rule_s_own() -> None:
    rule = measured([1] * 30 + [0] * 10, [1] * 20 + [0] * 20, "ab" * 20).non_inferior(0.05)
    verdict = rule.decide()
    assert replace(Breakdown(rule).decide(), details=verdict.details) == verdict
    assert verdict.outcome == "fail"


def test_slices_carry_p_values_corrected_over_the_slices() -> None:
    base = [1.0] * 12 + [1.0, 0.0] * 6 + [1.0] * 12
    candidate = [0.0] * 10 + [1.0] * 2 + [1.0, 0.0] * 6 + [0.0] * 2 + [1.0] * 10
    rows = (
        Breakdown(measured(base, candidate, "a" * 12 + "b" * 12 + "c" * 12).non_inferior(0.05))
        .decide()
        .details["subject"]
    )
    assert (rows["a"]["n"], rows["a"]["base"], rows["a"]["candidate"]) == (12, 1.0, pytest.approx(2 / 12))
    assert rows["a"]["difference"] == pytest.approx(-10 / 12)
    raw = {name: mcnemar_exact(0, lost) for name, lost in (("a", 10), ("b", 0), ("c", 2))}
    assert {name: row["p_value"] for name, row in rows.items()} == pytest.approx(raw)
    assert rows["a"]["adjusted_p"] == pytest.approx(3 * raw["a"])
    assert rows["c"]["adjusted_p"] == pytest.approx(3 / 2 * raw["c"])
    json.dumps(rows)


def test_slice_that_is_one_cluster_is_tested_within_itself() -> None:
    subjects = "a" * 10 + "b" * 10
    rule = measured([1.0] * 20, [0.0] * 8 + [1.0] * 12, subjects, clusters=tuple(subjects)).non_inferior(0.05)
    assert Breakdown(rule).decide().details["subject"]["a"]["p_value"] == pytest.approx(mcnemar_exact(0, 8))


def test_slice_of_one_item_has_no_p_value_and_does_not_count_in_the_correction() -> None:
    rule = measured([1.0] * 9, [0.0] * 6 + [1.0] * 3, "a" * 8 + "b").non_inferior(0.05)
    rows = Breakdown(rule).decide().details["subject"]
    assert rows["b"]["p_value"] is rows["b"]["adjusted_p"] is None
    assert rows["a"]["adjusted_p"] == rows["a"]["p_value"]


def test_continuous_metric_has_slices_but_no_flips() -> None:
    metric = Metric("logprob")
    rule = measured([-1.0, -2.0, -1.5, -2.5], [-1.1, -2.3, -1.5, -2.6], "aabb", metric=metric).non_inferior(0.5)
    details = Breakdown(rule).decide().details
    assert "flips" not in details
    assert details["subject"]["a"]["difference"] == pytest.approx(-0.2)


def test_unmeasurable_rule_keeps_its_error() -> None:
    rule = measured([1.0, float("nan")], [1.0, 1.0], "ab").non_inferior(0.05)
    assert Breakdown(rule).decide() == rule.decide()
    assert rule.decide().outcome == "error"


def test_subset_cuts_every_column() -> None:
    part = measured([1, 0, 1], [0, 0, 1], "abc", clusters=("x", "y", "z")).subset(np.array([2, 0]))
    assert (part.item_ids, part.clusters, part.n) == (("i2", "i0"), ("z", "x"), 2)
    assert part.base is not None and (part.base.tolist(), part.candidate.tolist()) == ([1, 1], [1, 0])
    assert [tags["subject"] for tags in part.tags] == ["c", "a"]
