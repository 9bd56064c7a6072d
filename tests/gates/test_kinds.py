"""A kind of rule is a row of one table: what is added there is configured, decided, told and drawn like the others."""

from __future__ import annotations

from typing import Any

import pytest
from gate_zoo import quiz
from plugged import plug_in

from harness.errors import ConfigError
from harness.gates import Scalar, gates_from_config
from harness.gates.kinds import KINDS, RuleKind, say_level
from harness.records import Limit, Verdict
from harness.report.interval_plot import WIDTH, draw_interval

MORE_THAN = RuleKind(
    "more_than",
    paired=False,
    argument="value",
    limit=lambda bound: Limit(bound, strict=True),
    words=lambda bound: f"more than {bound:g}",
    say=say_level("more than"),
    remedy="train longer",
    minimum=0,
    wants="give a share",
)

EQUIVALENT = RuleKind(  # one threshold, two limits
    "equivalent",
    paired=True,
    argument="margin",
    limit=lambda margin: Limit(margin, "within", strict=True),
    words=lambda margin: f"equivalent within {margin:g}",
    say=lambda outcome, gain, margin, wording: f"{wording.change(gain)}, where {wording.amount(margin)} is allowed",
    remedy="train less",
    exclusive_minimum=0,
    wants="give the largest tolerable change as a number above 0",
)


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, register_gate_rules=lambda register: [register(one) for one in (MORE_THAN, EQUIVALENT)])


def decided(bound: Any) -> Verdict:
    [spec] = gates_from_config("quiz", [{"metric": "acc", "more_than": bound}])
    return spec.apply(quiz(0.5, 0.8)).decide()


def test_an_added_kind_goes_all_the_way() -> None:
    passed, failed = decided(0.6), decided(0.9)
    assert (passed.gate, passed.kind, passed.rule) == ("quiz/acc/more_than", "more_than", "more than 0.6")
    assert passed.reason.endswith("more than 60.0% as required")
    assert (failed.outcome, failed.remedy) == ("fail", "train longer")
    drawn = draw_interval(failed)
    assert drawn is not None and drawn.good == (drawn.margin, WIDTH)


@pytest.mark.parametrize(
    ("shares", "outcome"),
    [((0.5, 0.5), "pass"), ((0.5, 0.9), "fail"), ((0.9, 0.5), "fail"), ((0.5, 0.6), "inconclusive")],
)
def test_a_kind_with_a_limit_on_either_side_goes_all_the_way(shares: tuple[float, float], outcome: str) -> None:
    [spec] = gates_from_config("quiz", [{"metric": "acc", "equivalent": 0.1}])
    verdict = spec.apply(quiz(*shares)).decide()
    assert (verdict.outcome, verdict.rule, verdict.required_gain) == (outcome, "equivalent within 0.1", -0.1)
    drawn = draw_interval(verdict)
    assert drawn is not None and drawn.good is not None and 0 < drawn.good[0] < drawn.good[1] == drawn.margin
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_its_own_idea_of_a_threshold_holds_in_the_file_and_in_python() -> None:
    with pytest.raises(ConfigError, match="more_than is -1"):
        decided(-1)
    with pytest.raises(ConfigError, match=r"more_than\(value=-1\)"):
        quiz(0.5, 0.8).metric("acc").rule("more_than", -1)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if not kind.paired])
def test_each_kind_of_level_is_asked_of_a_number_too(kind: str) -> None:
    verdict = getattr(Scalar("gap", 0.5), kind)(0.5).decide()
    assert (verdict.outcome, verdict.kind, verdict.limit) == ("pass", kind, KINDS.get(kind).limit(0.5))
