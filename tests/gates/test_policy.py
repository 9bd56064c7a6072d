"""What blocks: a waiver lifts what it names and nothing else, for as long as it says, and never rewrites an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness.config import Config
from harness.config.policy import WaiverEntry, matches
from harness.errors import ConfigError
from harness.gates.policy import Collected, ReleasePolicy
from harness.records import Outcome, Severity, SkippedTest, Verdict

TODAY = date(2026, 11, 28)
GATE = "forgetting/mmlu/acc/non_inferior"


def waiver(gate: str = GATE, until: date = TODAY, **more: Any) -> WaiverEntry:
    return WaiverEntry(gate=gate, who="Ada", why="mended in 2.1", until=until, **more)


def policy(digest: str = "", **given: Any) -> ReleasePolicy:
    return ReleasePolicy(Config(root=Path(), **given), TODAY, lambda: digest)


def verdict(outcome: Outcome = "fail", gate: str = GATE, test: str = "test_forgetting.py::test_a") -> Verdict:
    return Verdict(gate, outcome, "words", test=test)


def test_every_failure_blocks_where_nothing_is_said() -> None:
    for outcome in ("fail", "error", "inconclusive"):
        found = policy().applied(verdict(outcome), "supporting")  # type: ignore[arg-type]
        assert (found.outcome, found.bearing, found.waiver) == (outcome, outcome, None)


@pytest.mark.parametrize("outcome", ["fail", "inconclusive"])
def test_a_waiver_holds_to_the_end_of_its_last_day_and_leaves_the_outcome(outcome: Outcome) -> None:
    found = policy(waivers=(waiver(),)).applied(verdict(outcome), "supporting")
    assert (found.outcome, found.bearing, found.waived) == (outcome, "pass", True)
    assert Verdict.from_json(found.to_json()) == found
    found = policy(waivers=(waiver(until=date(2026, 11, 27)),)).applied(verdict(outcome), "supporting")
    assert found.waiver is not None and (found.waiver.lapse, found.bearing) == ("expired", outcome)


@pytest.mark.parametrize(
    ("outcome", "default", "lapse"), [("error", "supporting", "error"), ("fail", "critical", "critical")]
)
def test_no_waiver_holds_for_an_error_or_a_critical_gate(outcome: Outcome, default: Severity, lapse: str) -> None:
    found = policy(waivers=(waiver("forgetting/*"),)).applied(verdict(outcome), default)
    assert found.waiver is not None and found.waiver.lapse == lapse and found.bearing == outcome


def test_a_waiver_may_be_for_one_adapter_alone() -> None:
    bound = (waiver(adapter="0123456789ab"),)
    assert policy("0123456789abcdef", waivers=bound).applied(verdict(), "supporting").waived
    for other in ("f" * 64, ""):  # nor where the adapter is not known yet
        assert policy(other, waivers=bound).applied(verdict(), "supporting").bearing == "fail"


def test_a_digest_is_asked_for_only_where_a_waiver_is_for_one() -> None:
    def ask() -> str:
        raise AssertionError("an adapter may have to be trained to know it")

    asked = ReleasePolicy(Config(root=Path(), waivers=(waiver(),)), TODAY, ask)
    assert asked.applied(verdict(), "supporting").waived


@pytest.mark.parametrize(
    ("name", "gate", "named"),
    [
        (GATE, GATE, True),
        (GATE, f"{GATE}#2", False),
        (GATE, f"baseline/{GATE}", False),
        ("forgetting/*", GATE, True),
        ("forgetting/*/acc/*", GATE, True),
        ("forgetting/*", "forgetting_more/x", False),
        ("task/pets[values=unseen]/acc/at_least", "task/pets[values=unseen]/acc/at_least", True),
        ("task/pets[values]/acc/at_least", "task/petsv/acc/at_least", False),
        ("task/p.ts/*", "task/pets/acc", False),
    ],
)
def test_a_name_is_that_gate_and_nothing_but_a_star_is_a_pattern(name: str, gate: str, named: bool) -> None:
    assert matches(name, gate) is named


def test_a_waiver_of_a_name_that_several_tests_give_holds_for_none_and_one_with_its_test_for_that() -> None:
    a, b = (verdict(outcome, test=f"t.py::test_{name}") for name, outcome in (("a", "fail"), ("b", "pass")))
    for name, holds in ((GATE, False), (f"{GATE} (test_a)", True), ("forgetting/*", True)):
        asked = policy(waivers=(waiver(name),))
        both = [replace(asked.applied(v, "supporting"), name=GATE, gate=f"{GATE} ({v.test[6:]})") for v in (a, b)]
        settled = asked.settled(both)
        assert settled[0].waived is holds, name
        [facts] = asked.waivers(settled)
        assert (facts.matched, facts.lifted) == (1 if "test_a" in name else 2, int(holds))


def test_severities_are_by_name_first_and_else_by_the_strictest_pattern() -> None:
    said = {"*": "advisory", "forgetting/*": "supporting", GATE: "advisory", "forgetting/gsm8k/*": "critical"}
    asked = policy(severities=said)
    assert asked.applied(verdict(), "critical").severity == "advisory"
    assert asked.applied(verdict(gate="forgetting/x"), "critical").severity == "supporting"
    assert asked.applied(verdict(gate="forgetting/gsm8k/x"), "advisory").severity == "critical"
    assert policy().applied(verdict(), "critical").severity == "critical"


def test_an_advisory_gate_never_blocks_and_needs_no_waiver() -> None:
    asked = policy(severities={GATE: "advisory"}, waivers=(waiver(),))
    for outcome in ("fail", "error", "inconclusive"):
        found = asked.applied(verdict(outcome), "supporting")  # type: ignore[arg-type]
        assert (found.bearing, found.counts, found.waiver) == ("pass", False, None)


def test_what_is_required_and_not_there_is_a_failure_that_says_why() -> None:
    skipped = [SkippedTest(test="suites/test_safety.py::test_b", reason="Skipped: no data")]
    asked = policy(required=(GATE, "safety/*", "judge/fit"))
    missing = asked.missing([verdict("inconclusive")], skipped, 2)
    assert [(v.gate, v.outcome, v.severity) for v in missing] == [
        ("policy/required/safety/*", "fail", "critical"),
        ("policy/required/judge/fit", "fail", "critical"),
    ]
    assert "its suite skipped tests (no data), tests deselected: 2" in missing[0].reason
    assert "no data" not in missing[1].reason


def test_what_is_wrong_with_names_is_told_before_anything_runs() -> None:
    known: dict[str, Severity | None] = {"pets/acc/at_least": "critical", "pets/acc/superior": None}
    suites = {"task": Collected("supporting", known), "integrity": Collected("critical")}
    waivers = tuple(map(waiver, ("task/pets/acc/at_least", "integrity/merge", "task/pets/acc/superior", "integrity/*")))
    told = [str(fault) for fault in policy(waivers=waivers).check(suites)]
    assert [one.partition(",")[0] for one in told] == ["waivers: task/pets/acc/at_least", "waivers: integrity/merge"]
    asked = policy(
        severities={"task/pets/ac/superior": "advisory"},
        required=("judge/fit", "task/pets/acc/superior"),
        waivers=(waiver(until=date(2026, 1, 2)),),
    )
    past, misspelt, missing = asked.foreseen(suites, {"task"})
    assert f"{GATE} by Ada expired on 2026-01-02" in past
    assert "task/pets/ac/superior" in misspelt and "did you mean 'pets/acc/superior'?" in misspelt
    assert missing == "required: no test of the suite judge will run: judge/fit will be missing, which fails the run"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("severities: {forgetting/x: advisry}", "did you mean 'advisory'?"),
        ("waivers: [{gate: a/b, who: Ada, until: 2026-01-01}]", "why is missing"),
        ("waivers: [{gate: a/b, who: ' ', why: x, until: 2026-01-01}]", "waivers.0.who is ' '"),
        ("waivers: [{gate: a/b, who: Ada, why: x, until: 2026-02-30}]", "no day of the calendar"),
        ("waivers: [{gate: a/b, who: Ada, why: x, until: soon}]", "until: 2027-03-31"),
        ("waivers: [{gate: a/b, who: Ada, why: x, until: 20270331}]", "no day of the calendar"),
        ("waivers: [{gate: '*', who: Ada, why: x, until: 2027-01-01}]", "it may name gates of several suites"),
        ("waivers: [{gate: 't*', who: Ada, why: x, until: 2027-01-01}]", "it may name gates of several suites"),
        ("waivers: [{gate: 't*/acc', who: Ada, why: x, until: 2027-01-01}]", "it may name gates of several suites"),
        ("waivers: [{gate: a/b, who: Ada, why: x, until: 2027-01-01, adapter: main}]", "adapter is 'main'"),
        (
            "severities: {a/*: critical}\nwaivers: [{gate: a/b, who: Ada, why: x, until: 2027-01-01}]",
            "a/b, waived by Ada, is critical",
        ),
        ("required: a/b", "required is"),
    ],
)
def test_a_mistake_is_told_with_what_would_do(tmp_path: Path, text: str, said: str) -> None:
    from harness.config import load_config

    (tmp_path / "assay.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path / "assay.yaml")
    assert said in str(raised.value)


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    from harness.config import load_config

    (tmp_path / "assay.yaml").write_text("waivers: [{gate: a/b, who: Ada, why: x, until: 2027-01-01}]\nrequired: [a/b]")
    table = '[tool.assay]\nrequired = ["a/b"]\n[[tool.assay.waivers]]\ngate = "a/b"\nwho = "Ada"\nwhy = "x"\n'
    (tmp_path / "pyproject.toml").write_text(f"{table}until = 2027-01-01\n")
    one, other = (load_config(tmp_path / name) for name in ("assay.yaml", "pyproject.toml"))
    assert one.waivers == other.waivers and one.required == other.required == ("a/b",)
