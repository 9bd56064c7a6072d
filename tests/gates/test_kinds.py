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
    allows=lambda bound: bound >= 0,
    wants="give a share",
)


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, register_gate_rules=lambda register: register(MORE_THAN))


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


def test_its_own_idea_of_a_threshold_holds_in_the_file_and_in_python() -> None:
    with pytest.raises(ConfigError, match="more_than is -1"):
        decided(-1)
    with pytest.raises(ConfigError, match=r"more_than\(value=-1\)"):
        quiz(0.5, 0.8).metric("acc").rule("more_than", -1)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if not kind.paired])
def test_each_kind_of_level_is_asked_of_a_number_too(kind: str) -> None:
    verdict = getattr(Scalar("gap", 0.5), kind)(0.5).decide()
    assert (verdict.outcome, verdict.kind, verdict.limit) == ("pass", kind, KINDS.get(kind).limit(0.5))
