"""One decision for margins, bounds, scalars and judges: it agrees with the four that it replaced, and is even-handed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gates.decision import Decision, decide
from harness.gates.kinds import KINDS
from harness.records import Estimate, Limit

number = st.floats(-10, 10) | st.sampled_from([-1.0, 0.0, 0.05, 1.0])
intervals = st.tuples(number, number, number).map(sorted).map(lambda ends: Estimate(ends[1], ends[0], ends[2]))
limits = st.builds(Limit, number, st.sampled_from(["above", "below"]), st.booleans())
within = st.builds(Limit, st.floats(0, 10), st.just("within"), st.booleans())


def turned(estimate: Estimate) -> Estimate:
    low, high = estimate.ends
    return Estimate(-estimate.value, -high, -low)


def moved(estimate: Estimate, by: float) -> Estimate:
    low, high = estimate.ends
    return Estimate(estimate.value + by, low + by, high + by)


def former(kind: str, low: float, high: float, threshold: float) -> str:
    """As rules, scalars, limits on overfitting and the judge's gate decided, each for itself."""
    match kind:
        case "superior":
            passes, fails = low >= threshold and low > 0, high < threshold
        case "non_inferior":
            passes, fails = low > -threshold, high < -threshold
        case "at_least":
            passes, fails = low >= threshold, high < threshold
        case _:
            passes, fails = high <= threshold, low > threshold
    return "pass" if passes else "fail" if fails else "inconclusive"


@given(st.sampled_from(KINDS.names()), intervals, number)
def test_it_decides_as_each_kind_did(kind: str, found: Estimate, threshold: float) -> None:
    if KINDS.get(kind).allows(threshold):
        assert decide(found, KINDS.get(kind).limit(threshold)).outcome == former(kind, *found.ends, threshold)


@given(intervals, within)
def test_a_limit_within_a_value_of_zero_is_two_one_sided_tests(found: Estimate, limit: Limit) -> None:
    sides = Limit(-limit.value, "above", limit.strict), Limit(limit.value, "below", limit.strict)
    outcomes = {decide(found, side).outcome for side in sides}
    worst = next(one for one in ("fail", "inconclusive", "pass") if one in outcomes)
    assert decide(found, limit).outcome == worst


@given(intervals, limits | within)
def test_a_metric_of_which_less_is_better_is_decided_alike(found: Estimate, limit: Limit) -> None:
    assert decide(turned(found), limit.of_metric(False)) == decide(found, limit)
    assert limit.of_metric(False).of_metric(False) == limit


@given(intervals, limits)
def test_no_evidence_both_keeps_and_breaks_a_limit(found: Estimate, limit: Limit) -> None:
    other = Limit(limit.value, "below" if limit.side == "above" else "above", not limit.strict)
    opposite = {"pass": "fail", "fail": "pass", "inconclusive": "inconclusive"}
    answers = decide(found, limit).outcome, decide(found, other).outcome
    # an interval that ends on the limit is open on the side that the limit does not belong to
    assert answers[1] == opposite[answers[0]] or limit.value in found.ends


@given(intervals, limits, st.floats(0, 10))
def test_better_evidence_never_decides_worse(found: Estimate, limit: Limit, by: float) -> None:
    order = ("fail", "inconclusive", "pass")
    better = moved(found, by if limit.side == "above" else -by)
    assert order.index(decide(better, limit).outcome) >= order.index(decide(found, limit).outcome)


@given(intervals, limits | within)
def test_less_certainty_never_turns_a_decision_round(found: Estimate, limit: Limit) -> None:
    low, high = found.ends
    wider = decide(Estimate(found.value, low - 1, high + 1), limit).outcome
    assert wider in ("inconclusive", decide(found, limit).outcome)


@given(number, limits)
def test_an_exact_number_is_open_only_on_a_limit_it_must_not_reach(value: float, limit: Limit) -> None:
    decided = decide(Estimate(value), limit)
    assert (decided.outcome == "inconclusive") == (limit.strict and value == limit.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_is_decided_on_what_is_no_number(value: float) -> None:
    assert decide(Estimate(value, value, value), Limit(0.0)) == Decision("error")


def test_what_keeps_a_gate_open_replaces_an_interval_that_does_and_adds_to_other_causes() -> None:
    crossed = decide(Estimate(0.0, -1.0, 1.0), Limit(0.0))
    assert crossed == Decision("inconclusive", ("interval",))
    floor = crossed.inconclusive("at_floor")
    assert floor == Decision("inconclusive", ("at_floor",))
    assert floor.inconclusive("unreadable") == Decision("inconclusive", ("at_floor", "unreadable"))
