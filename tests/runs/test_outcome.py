import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import WORST_FIRST, Outcome, Verdict, count_outcomes, overall_outcome


def _verdicts(*outcomes: Outcome) -> list[Verdict]:
    return [Verdict(f"g{i}", outcome, "") for i, outcome in enumerate(outcomes)]


@given(st.lists(st.sampled_from(WORST_FIRST), min_size=1))
def test_one_bad_verdict_is_never_outvoted(outcomes: list[Outcome]) -> None:
    assert overall_outcome(_verdicts(*outcomes), "complete") == min(outcomes, key=WORST_FIRST.index)


def test_a_run_without_verdicts_does_not_pass() -> None:
    assert overall_outcome([], "complete") == "inconclusive"


@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_half_a_run_does_not_pass_however_good_its_verdicts(status: str) -> None:
    assert overall_outcome(_verdicts("pass"), status) == "incomplete"  # type: ignore[arg-type]


def test_counts_name_every_outcome() -> None:
    assert count_outcomes(_verdicts("pass", "pass", "fail")) == {"error": 0, "fail": 1, "inconclusive": 0, "pass": 2}
