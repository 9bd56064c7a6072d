"""What a verdict says about flips, slices and where a loss comes from is true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.gates import Measurement
from harness.gates.slices import LENGTH_TAG, find_driver
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
    details = rule.decide().details
    assert details["right_to_wrong"] == ["i1"]
    assert details["wrong_to_right"] == ["i2", "i5"]
    assert details["flips"] == 3


def test_slices_carry_p_values_corrected_over_the_slices() -> None:
    base = [1.0] * 12 + [1.0, 0.0] * 6 + [1.0] * 12
    candidate = [0.0] * 10 + [1.0] * 2 + [1.0, 0.0] * 6 + [0.0] * 2 + [1.0] * 10
    rows = (
        measured(base, candidate, "a" * 12 + "b" * 12 + "c" * 12)
        .non_inferior(0.05)
        .decide()
        .details["slices"]["subject"]
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
    assert rule.decide().details["slices"]["subject"]["a"]["p_value"] == pytest.approx(mcnemar_exact(0, 8))


def test_slice_of_one_item_has_no_p_value_and_does_not_count_in_the_correction() -> None:
    rule = measured([1.0] * 9, [0.0] * 6 + [1.0] * 3, "a" * 8 + "b").non_inferior(0.05)
    rows = rule.decide().details["slices"]["subject"]
    assert "p_value" in rows["b"] and rows["b"]["p_value"] is rows["b"]["adjusted_p"] is None
    assert rows["a"]["adjusted_p"] == rows["a"]["p_value"]


def test_continuous_metric_has_slices_but_no_flips() -> None:
    metric = Metric("logprob")
    rule = measured([-1.0, -2.0, -1.5, -2.5], [-1.1, -2.3, -1.5, -2.6], "aabb", metric=metric).non_inferior(0.5)
    details = rule.decide().details
    assert "flips" not in details
    assert details["slices"]["subject"]["a"]["difference"] == pytest.approx(-0.2)


def test_unmeasurable_rule_has_no_breakdown() -> None:
    verdict = measured([1.0, float("nan")], [1.0, 1.0], "ab").non_inferior(0.05).decide()
    assert (verdict.outcome, verdict.details) == ("error", {})


def test_subset_cuts_every_column() -> None:
    part = measured([1, 0, 1], [0, 0, 1], "abc", clusters=("x", "y", "z")).subset(np.array([2, 0]))
    assert (part.item_ids, part.clusters, part.n) == (("i2", "i0"), ("z", "x"), 2)
    assert part.base is not None and (part.base.tolist(), part.candidate.tolist()) == ([1, 1], [1, 0])
    assert [tags["subject"] for tags in part.tags] == ["c", "a"]


def billing(**changes: Any) -> Measurement:
    """Ten disputes of which nine are lost, among forty other items of which two are."""
    base = [1.0] * 50
    candidate = [0.0] * 9 + [1.0] + [0.0] * 2 + [1.0] * 38
    tags = tuple(
        {"intent": "billing disputes" if k < 10 else f"other{k % 3}", "lang": "de" if k % 2 else "en"}
        for k in range(50)
    )
    prompts = tuple(
        f"please refund invoice {k}" if k < 10 else f"where is my parcel {k}, you said today" for k in range(50)
    )
    return measured(base, candidate, "x" * 50, tags=tags, prompts=prompts, **changes)


@pytest.mark.parametrize("alone", [False, True])
def test_a_level_that_is_not_reached_names_the_weakest_slice_and_its_items(alone: bool) -> None:
    of = replace(billing(), base=None, base_parsed=None) if alone else billing()
    verdict = of.at_least(0.95).decide()
    assert verdict.outcome == "fail"
    level = "10.0%" if alone else "100.0% to 10.0%"
    named = f"weakest where intent=billing disputes: {level}, 9 of 10 wrong (i0, i1, i2, i3, i4, ...)"
    assert verdict.reason.endswith(named)
    assert verdict.details["worst_items"] == [*(f"i{k}" for k in range(9)), "i10", "i11"]


def test_failed_gate_names_the_slice_that_drives_it_and_what_its_items_share() -> None:
    verdict = billing().non_inferior(0.05).decide()
    assert verdict.outcome == "fail"
    assert (
        "driven by intent=billing disputes: 100.0% to 10.0%, 9 of 10 regressed (i0, i1, i2, i3, i4, ...)"
        in verdict.reason
    )
    details = verdict.details
    assert details["driver"] == "intent=billing disputes"
    assert details["worst_items"] == [*(f"i{k}" for k in range(9)), "i10", "i11"]
    assert details["common_tags"] == ["intent=billing disputes"]
    assert {"refund", "invoice"} <= set(details["common_words"]) and "parcel" not in details["common_words"]
    lengths = details["median_prompt_chars"]
    assert lengths["worst items"] < lengths["other items"]
    json.dumps(details)


def test_a_passed_gate_blames_nobody() -> None:
    verdict = billing().non_inferior(0.9).decide()
    assert verdict.outcome == "pass"
    assert "driven by" not in verdict.reason and "driver" not in verdict.details


def test_an_even_loss_is_driven_by_no_slice() -> None:
    verdict = measured([1.0] * 60, [0.0, 1.0] * 30, "aabbcc" * 10).non_inferior(0.05).decide()
    assert verdict.outcome == "fail"
    assert "driven by" not in verdict.reason and len(verdict.details["worst_items"]) == 30


def test_blame_falls_on_the_slice_of_a_metric_where_less_is_better() -> None:
    metric = Metric("errors", higher_is_better=False)
    noise = [0.01 * (k % 5) for k in range(60)]
    candidate = [value + (2.0 if k < 20 else 0.0) for k, value in enumerate(noise)]
    verdict = measured(noise, candidate, "a" * 20 + "b" * 20 + "c" * 20, metric=metric).non_inferior(0.05).decide()
    assert verdict.details["driver"] == "subject=a"
    assert len(verdict.details["worst_items"]) == 6 and set(verdict.details["worst_items"]) <= {
        f"i{k}" for k in range(20)
    }


def test_blame_is_rare_where_losses_fall_at_random() -> None:
    rng = np.random.default_rng(5)
    blamed = 0
    for _ in range(200):
        candidate = (rng.random(120) > 0.4).astype(float)
        tags = tuple({"a": str(x), "b": str(y)} for x, y in rng.integers(0, 6, (120, 2)))
        blamed += find_driver(measured([1.0] * 120, candidate.tolist(), "x" * 120, tags=tags), candidate) is not None
    assert blamed <= 20  # 5% of 200, with room for chance


def test_a_slice_of_four_is_never_blamed() -> None:
    verdict = measured([1.0] * 40, [0.0] * 4 + [1.0] * 36, "a" * 4 + "b" * 36).superior(0.05).decide()
    assert verdict.outcome == "fail" and "driver" not in verdict.details


def test_prompts_are_banded_by_length_where_there_are_enough_of_them() -> None:
    prompts = tuple("word " * (k + 1) for k in range(30))
    details = measured([1.0] * 30, [1.0] * 10 + [0.0] * 20, "x" * 30, prompts=prompts).superior().decide().details
    rows = details["slices"]
    assert {band: row["n"] for band, row in rows[LENGTH_TAG].items()} == {"short": 10, "medium": 10, "long": 10}
    assert rows[LENGTH_TAG]["short"]["regressed"] == 0 and rows[LENGTH_TAG]["long"]["regressed"] == 10
    assert "slices" not in measured([1.0] * 4, [1.0] * 4, "x" * 4, prompts=prompts[:4]).superior().decide().details


def test_a_length_band_that_drives_a_loss_names_its_items() -> None:
    prompts = tuple("word " * (k + 1) for k in range(30))
    verdict = measured([1.0] * 30, [0.0] * 10 + [1.0] * 20, "x" * 30, prompts=prompts).non_inferior(0.05).decide()
    assert verdict.details["driver"] == f"{LENGTH_TAG}=short"
    assert "10 of 10 regressed (i0, i1, i2, i3, i4, ...)" in verdict.reason


def test_tags_called_as_other_details_are_lose_nothing_and_hide_nothing() -> None:
    tags = tuple({"flips": "ab"[k % 2], "driver": "cd"[k % 2]} for k in range(12))
    details = measured([1.0] * 12, [0.0] * 2 + [1.0] * 10, "x" * 12, tags=tags).non_inferior(0.05).decide().details
    assert (details["flips"], set(details["slices"]["flips"])) == (2, {"a", "b"})
    assert set(details["slices"]["driver"]) == {"c", "d"}
