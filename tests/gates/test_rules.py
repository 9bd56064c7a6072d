"""The three-way verdict, its reasons and its error rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gates import Check, Gateable, Measurement, Scalar
from harness.metrics.base import Metric
from harness.records import Verdict

ACC = Metric("acc", kind="binary", floor=0.25)
LOSS = Metric("loss", higher_is_better=False)


def measure(
    metric: Metric,
    candidate: Sequence[float] | np.ndarray,
    base: Sequence[float] | np.ndarray | None = None,
    *,
    clusters: Sequence[str] | None = None,
    tags: Sequence[dict[str, str]] | None = None,
) -> Measurement:
    n = len(candidate)
    return Measurement(
        metric=metric,
        task="t",
        slice={},
        item_ids=tuple(f"i{k}" for k in range(n)),
        candidate=np.array(candidate, dtype=np.float64),
        base=None if base is None else np.array(base, dtype=np.float64),
        clusters=None if clusters is None else tuple(clusters),
        tags=tuple(tags or [{}] * n),
        targets=tuple(f"{k % 2}" for k in range(n)),
        candidate_parsed=tuple(f"{value:.0f}" for value in candidate),
        base_parsed=None if base is None else tuple(f"{value:.0f}" for value in base),
    )


def paired(gained: int, lost: int, right: int, wrong: int, metric: Metric = ACC) -> Measurement:
    base = [0.0] * gained + [1.0] * lost + [1.0] * right + [0.0] * wrong
    candidate = [1.0] * gained + [0.0] * lost + [1.0] * right + [0.0] * wrong
    return measure(metric, candidate, base)


def test_superior_decides_three_ways() -> None:
    great, small, none = paired(170, 0, 0, 30), paired(20, 10, 100, 70), paired(0, 40, 100, 60)
    assert great.superior(by=0.2).decide().outcome == "pass"
    assert small.superior().decide().outcome == "inconclusive"
    assert small.superior(by=0.2).decide().outcome == "fail"
    assert none.superior().decide().outcome == "fail"


def test_non_inferior_decides_three_ways() -> None:
    assert paired(4, 4, 800, 192).non_inferior(0.02).decide().outcome == "pass"
    assert paired(5, 65, 800, 130).non_inferior(0.02).decide().outcome == "fail"
    assert paired(5, 15, 300, 180).non_inferior(0.02).decide().outcome == "inconclusive"


def test_bounds_decide_three_ways_on_the_candidate() -> None:
    measured = measure(ACC, [1.0] * 91 + [0.0] * 9)
    outcomes = [measured.at_least(value).decide().outcome for value in (0.8, 0.9, 0.97)]
    assert outcomes == ["pass", "inconclusive", "fail"]
    outcomes = [measured.at_most(value).decide().outcome for value in (0.8, 0.9, 0.97)]
    assert outcomes == ["fail", "inconclusive", "pass"]


def test_reasons_speak_in_points_and_percent() -> None:
    assert paired(5, 65, 800, 130).non_inferior(0.02).decide().reason == (
        "dropped 6.0 points, between 4.4 and 7.8, more than the 2.0 allowed"
    )
    assert paired(4, 4, 800, 192).non_inferior(0.02).decide().reason == (
        "unchanged, at worst dropped 0.7, within the 2.0 allowed"
    )
    assert paired(170, 0, 0, 30).superior(by=0.2).decide().reason == (
        "gained 85.0 points, between 79.3 and 89.7, more than the 20.0 required"
    )
    assert measure(ACC, [1.0] * 91 + [0.0] * 9).at_least(0.97).decide().reason == (
        "91.0%, between 83.6% and 95.8%, but at least 97.0% is required"
    )


def test_lower_is_better_turns_the_direction_round() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(2.0, 0.3, 200)
    worse, better = (measure(LOSS, base + rng.normal(shift, 0.1, 200), base) for shift in (0.2, -0.2))
    assert better.superior(by=0.1).decide().outcome == "pass"
    assert worse.superior().decide().outcome == "fail"
    verdict = worse.non_inferior(0.1).decide()
    assert verdict.outcome == "fail"
    assert verdict.reason.startswith("rose 0.") and verdict.reason.endswith("more than the 0.1 allowed")
    assert verdict.estimate is not None and verdict.estimate.value > 0


def test_base_at_chance_cannot_show_forgetting() -> None:
    verdict = paired(0, 0, 28, 72).non_inferior(0.1).decide()
    assert verdict.outcome == "inconclusive"
    assert verdict.reason.startswith("at floor: the base is at 28.0%")
    assert paired(0, 0, 28, 72, Metric("acc", kind="binary")).non_inferior(0.1).decide().outcome == "pass"


def test_base_with_less_to_lose_than_is_allowed_cannot_pass() -> None:
    solved = Metric("exact_match", kind="binary", floor=0.0)
    vacuous = paired(2, 4, 20, 974, solved).non_inferior(0.05).decide()
    assert vacuous.outcome == "inconclusive"
    assert vacuous.reason.startswith("at floor: the base is at 2.4%")
    assert "2.4 above chance, where a loss of 5.0 is allowed" in vacuous.reason
    assert paired(2, 4, 20, 974, solved).non_inferior(0.02).decide().outcome == "pass"
    assert paired(30, 0, 20, 950, solved).non_inferior(0.05).decide().outcome == "pass"
    assert paired(30, 0, 20, 950, solved).non_inferior(0.05).decide().reason.endswith("so nothing was lost")


def test_floor_of_a_loss_is_above_it() -> None:
    metric = Metric("loss", higher_is_better=False, floor=3.0)
    noise = np.random.default_rng(2).normal(0, 0.1, 50)
    at_floor, below = (measure(metric, level + noise, level + noise) for level in (3.0, 2.0))
    assert at_floor.non_inferior(0.1).decide().reason.startswith("at floor")
    assert below.non_inferior(0.1).decide().outcome == "pass"


@pytest.mark.parametrize("clusters", [None, ["a", "a", "a"]])
def test_too_few_items_decide_nothing(clusters: list[str] | None) -> None:
    scores = [1.0, 1.0, 1.0] if clusters else [1.0]
    for metric in (ACC, Metric("f1"), Metric("f", corpus=lambda targets, parsed: 1.0)):
        verdict = measure(metric, scores, scores, clusters=clusters).at_least(0.0).decide()
        assert verdict.outcome == "inconclusive"
        assert "at least 2 independent" in verdict.reason
    assert measure(ACC, []).at_least(0.5).decide().reason.startswith("only 0 items")


def test_scores_that_are_not_finite_are_an_error() -> None:
    verdict = measure(LOSS, [1.0, np.nan, np.inf], [1.0, 1.0, 1.0]).non_inferior(0.1).decide()
    assert verdict.outcome == "error"
    assert verdict.reason == "2 of 3 candidate scores of t/loss are not finite: nan on item 'i1'"
    assert measure(LOSS, [1.0, 1.0], [np.inf, 1.0]).superior().decide().outcome == "error"


def test_half_a_point_in_a_binary_metric_is_an_error() -> None:
    verdict = measure(ACC, [1.0, 0.5, 0.0]).at_least(0.1).decide()
    assert verdict.outcome == "error" and "0.5" in verdict.reason


def accuracy(targets: Sequence[str], parsed: Sequence[str]) -> float:
    return float(np.mean([t == p for t, p in zip(targets, parsed, strict=True)]))


def test_corpus_metric_is_compared_on_the_same_resamples() -> None:
    metric = Metric("corpus_acc", corpus=accuracy)
    truth = np.arange(60) % 2
    wrong = np.where(np.arange(60) < 30, 1 - truth, truth)
    measured = measure(metric, truth, wrong)
    verdict = measured.superior(by=0.2).decide()
    assert verdict.outcome == "pass"
    assert verdict.estimate is not None and verdict.estimate.value == pytest.approx(0.5)
    assert verdict.base is not None and verdict.base.low is not None and verdict.base.low < 0.5
    assert "bootstrap" in verdict.method
    assert measure(metric, wrong, wrong).superior().decide().outcome == "inconclusive"


def test_corpus_metric_that_is_not_a_number_is_an_error() -> None:
    metric = Metric("broken", corpus=lambda targets, parsed: float("nan"))
    verdict = measure(metric, [1.0, 0.0, 1.0]).at_least(0.5).decide()
    assert verdict.outcome == "error" and "nan" in verdict.reason


def test_verdict_carries_its_evidence_and_survives_json() -> None:
    measured = paired(30, 10, 60, 100)
    verdict = measured.superior(by=0.05).decide(confidence=0.9)
    assert (verdict.gate, verdict.task, verdict.metric, verdict.n) == ("t/acc/superior", "t", "acc", 200)
    assert (verdict.rule, verdict.margin, verdict.confidence) == ("superior by 0.05", 0.05, 0.9)
    assert verdict.base is not None and verdict.base.value == pytest.approx(0.35)
    assert verdict.candidate is not None and verdict.candidate.value == pytest.approx(0.45)
    assert verdict.minimum_detectable_effect is not None and verdict.minimum_detectable_effect > 0
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_tags_become_slices() -> None:
    measured = measure(ACC, [1.0, 0.0], [0.0, 0.0], tags=[{"lang": "de"}, {"lang": "en"}])
    rows = measured.superior().decide().details["slices"]["lang"]
    assert rows["de"] == {"n": 1, "base": 0.0, "candidate": 1.0, "difference": 1.0, "regressed": 0}


def test_confidence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence is 95"):
        paired(1, 1, 5, 5).superior().decide(confidence=95)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.3))
def test_no_adapter_is_both_good_enough_and_too_bad(g: int, lost: int, right: int, wrong: int, margin: float) -> None:
    measured = paired(g, lost, right, wrong, Metric("acc", kind="binary"))
    if measured.n < 2:
        return
    superior, non_inferior = measured.superior().decide().outcome, measured.non_inferior(margin).decide().outcome
    assert not (superior == "pass" and non_inferior != "pass")
    assert not (non_inferior == "fail" and superior != "fail")
    above, below = measured.at_least(0.5).decide().outcome, measured.at_most(0.5).decide().outcome
    assert above != "pass" or below != "pass"
    assert above != "fail" or below == "pass"


def test_gates_err_no_more_often_than_promised() -> None:
    """At the edge of the null each gate may pass 2.5% of the time: 600 repeats, bound at 3 sigma."""
    rng = np.random.default_rng(3)
    metric = Metric("acc", kind="binary")
    worse_passed = equal_passed = 0
    for _ in range(600):
        base = (rng.random(300) < 0.7).astype(float)
        gained, lost = rng.random(300) < 0.1 / 0.3, rng.random(300) < 0.15 / 0.7
        worse = np.where(base == 1, 1.0 - lost, 1.0 * gained)
        worse_passed += measure(metric, worse, base).non_inferior(0.05).decide().outcome == "pass"
        equal = np.where(base == 1, rng.random(300) >= 0.1 / 0.7, rng.random(300) < 0.1 / 0.3)
        equal_passed += measure(metric, equal, base).superior().decide().outcome == "pass"
    assert worse_passed / 600 <= 0.025 + 0.019
    assert equal_passed / 600 <= 0.025 + 0.019


def test_scalar_meets_its_bound_exactly() -> None:
    gap = Scalar("loss_gap", 0.2, unit="nats", higher_is_better=False)
    assert gap.at_most(0.2).decide().outcome == "pass"
    verdict = gap.at_most(0.1).decide()
    assert (verdict.outcome, verdict.reason) == ("fail", "loss_gap is 0.2 nats, but at most 0.1 is required")
    assert gap.at_least(0.1).decide().gate == "loss_gap/at_least"
    assert Scalar("loss_gap", float("nan")).at_most(1).decide().outcome == "error"


def test_check_hands_its_facts_to_the_report() -> None:
    check = Check("finite", False, "2 tensors hold NaN", "retrain with bf16", {"tensors": ["a", "b"]})
    verdict = check.decide()
    assert (verdict.outcome, verdict.remedy, verdict.details) == ("fail", "retrain with bf16", {"tensors": ["a", "b"]})
    assert Check("finite", True, "all finite", "retrain").decide().remedy == ""


def test_a_fact_about_no_things_at_all_is_an_error_and_no_pass() -> None:
    verdict = Check("finite", True, "all of 0 tensors are finite", "save again", looked_at=0).decide()
    assert (verdict.outcome, verdict.remedy) == ("error", "save again")
    assert Check("finite", True, "all of 1 tensors are finite", looked_at=1).decide().outcome == "pass"


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [(0.5, 0.1, "pass"), (0.15, 0.1, "inconclusive"), (-0.4, 0.1, "fail"), (0.15, 0.0, "pass")],
)
def test_a_number_with_an_error_of_its_own_is_decided_three_ways(value: float, error: float, outcome: str) -> None:
    decided = Scalar("drop", value, error=error).at_least(0.1).decide()
    assert decided.outcome == outcome
    assert Scalar("rise", -value, error=error).at_most(-0.1).decide().outcome == outcome
    assert decided.estimate is not None and (decided.estimate.low is None) == (error == 0)


def test_all_three_kinds_can_be_gated() -> None:
    for gated in (paired(1, 1, 5, 5).superior(), Scalar("x", 1.0).at_least(0), Check("c", True, "holds")):
        assert isinstance(gated, Gateable)
        assert gated.decide(confidence=0.9).confidence == 0.9


def few_changes(metric: Metric, changed: int, n: int = 200) -> Verdict:
    base = np.linspace(0.2, 0.8, n)
    return (
        measure(metric, (base - np.where(np.arange(n) < changed, 0.05, 0)).tolist(), base.tolist())
        .non_inferior(0.02)
        .decide()
    )


def test_a_handful_of_changes_says_nothing_of_rare_large_losses() -> None:
    verdict = few_changes(Metric("logprob"), 3)
    assert verdict.outcome == "inconclusive" and "too few items differ" in verdict.reason
    assert few_changes(Metric("logprob"), 40).outcome == "pass"


def test_bounded_scores_pass_with_few_changes_where_even_the_worst_would_do() -> None:
    bounded = Metric("f1", bounds=(0.0, 1.0))
    assert few_changes(bounded, 0).outcome == "pass"
    assert few_changes(bounded, 5).outcome == "inconclusive"
    assert few_changes(bounded, 5, n=2000).outcome == "pass"
