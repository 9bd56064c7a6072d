"""The safety suite on scripted models: each sabotage is caught by its gate, and only by it."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safety_models import BABBLES, COMPLIES, REFUSES, Behaviour, model

from harness.checks.further_on import Reader, further_on
from harness.config import BUILT_IN_PROFILES, Config, Safety, Thresholds
from harness.config.settings import make_settings
from harness.gates import Comparison, Gateable
from harness.records import Verdict
from harness.tasks.lookup import find_task
from harness.tasks.safety.sources import SAFETY_SETS

ROOT = Path(__file__).parents[2]
BUILT_IN_SETS = Safety(harmful="mini_harmful", safe="mini_borderline")
SETTINGS = make_settings(Config(root=ROOT, profiles=BUILT_IN_PROFILES, safety=BUILT_IN_SETS))
TASKS = {name: find_task(name, SETTINGS) for name in ("mini_harmful", "mini_borderline")}
HARMFUL = {item.prompt.messages[0].content for item in TASKS["mini_harmful"].items}  # type: ignore[attr-defined]

COMPLIANCE = "test_harmful_requests_are_still_refused"
OVER_REFUSAL = "test_harmless_requests_are_still_answered"
BROKEN_HARMFUL, BROKEN_SAFE = "test_answers_are_not_broken[harmful]", "test_answers_are_not_broken[safe]"


def suite_tests() -> dict[str, Callable[..., Any]]:
    spec = importlib.util.spec_from_file_location("safety_suite", ROOT / "suites" / "test_safety.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: function for name, function in vars(module).items() if name.startswith("test_")}


SUITE = suite_tests()


def careful(prompt: str) -> str:
    return REFUSES if prompt in HARMFUL else COMPLIES


def verdicts(base: Behaviour, candidate: Behaviour) -> dict[str, Verdict]:
    """Test -> verdict, of all but the continuations."""
    decided: list[Verdict] = []
    found = {}

    def compare(name: str) -> Comparison:
        task = TASKS[name]
        return Comparison(task, task.evaluate(model(base), "base"), task.evaluate(model(candidate), "candidate"))

    def gate(rule: Gateable) -> None:
        decided.append(rule.decide())

    fixtures = {"safety": SETTINGS.safety, "compare": compare, "margins_of": lambda task: Thresholds(), "gate": gate}
    for test, prompts in ((COMPLIANCE, ""), (OVER_REFUSAL, ""), (BROKEN_HARMFUL, "harmful"), (BROKEN_SAFE, "safe")):
        function = SUITE[test.partition("[")[0]]
        given = {**fixtures, "prompts": prompts}
        function(**{name: given[name] for name in inspect.signature(function).parameters})
        found[test] = decided[-1]
    assert len(decided) == 4
    return found


def outcomes(base: Behaviour, candidate: Behaviour) -> dict[str, str]:
    return {test: verdict.outcome for test, verdict in verdicts(base, candidate).items()}


HEALTHY = dict.fromkeys((COMPLIANCE, OVER_REFUSAL, BROKEN_HARMFUL, BROKEN_SAFE), "pass")


def test_healthy_candidate_of_a_refusing_base_passes_every_gate_with_the_items_of_smoke() -> None:
    assert outcomes(careful, careful) == HEALTHY


def test_candidate_that_lost_its_refusals_fails_the_compliance_gate_and_only_it() -> None:
    assert outcomes(careful, lambda prompt: COMPLIES) == {**HEALTHY, COMPLIANCE: "fail"}


def test_candidate_that_refuses_everything_fails_the_over_refusal_gate_and_only_it() -> None:
    assert outcomes(careful, lambda prompt: REFUSES) == {**HEALTHY, OVER_REFUSAL: "fail"}


@pytest.mark.parametrize("broken", ["", BABBLES])
def test_candidate_that_says_nothing_is_not_taken_for_careful(broken: str) -> None:
    assert outcomes(careful, lambda prompt: broken) == {**HEALTHY, BROKEN_HARMFUL: "fail", BROKEN_SAFE: "fail"}


def test_base_that_refuses_nothing_has_nothing_to_lose_and_the_gate_says_so() -> None:
    decided = verdicts(lambda prompt: COMPLIES, lambda prompt: COMPLIES)
    assert decided[COMPLIANCE].outcome == "inconclusive"
    assert decided[COMPLIANCE].reason.startswith("at floor: the base complied in full 80 of 80 times")
    assert {test: verdict.outcome for test, verdict in decided.items() if test != COMPLIANCE} == {
        test: "pass" for test in HEALTHY if test != COMPLIANCE
    }


def test_verdicts_carry_corrected_rates_categories_and_flips() -> None:
    details = verdicts(careful, lambda prompt: COMPLIES)[COMPLIANCE].details
    assert len(details["slices"]["category"]) == 10
    assert len(details["right_to_wrong"]) == 80 and details["wrong_to_right"] == []
    assert details["corrected"]["difference"]["value"] > 0.9
    assert set(details["detector"]) == {"scorer", "sensitivity", "specificity"}


def test_sets_are_taken_from_the_data_directory_where_it_has_all_of_them(tmp_path: Path) -> None:
    config = Config(root=tmp_path, profiles=BUILT_IN_PROFILES)

    def chosen(**given: Any) -> tuple[str, str, str | None]:
        safety = make_settings(config, **given).safety
        return safety.harmful, safety.safe, safety.continuations

    assert chosen() == chosen(profile="release") == ("mini_harmful", "mini_borderline", None)
    (tmp_path / "advbench").mkdir()
    (tmp_path / "advbench/harmful_behaviors.csv").touch()
    (tmp_path / "xstest").mkdir()
    (tmp_path / "xstest/xstest_prompts.csv").touch()
    assert chosen(data_dir=str(tmp_path)) == ("mini_harmful", "borderline_prompts", None)
    (tmp_path / "realtoxicityprompts").mkdir()
    assert chosen(data_dir=str(tmp_path))[2] == "toxic_continuations"
    assert set(SAFETY_SETS) >= {"harmful_prompts", "borderline_prompts", "toxic_continuations"}


def test_the_file_s_own_names_stand(tmp_path: Path) -> None:
    named = Safety(harmful="ours", safe="theirs", continuations=None)
    config = Config(root=tmp_path, profiles=BUILT_IN_PROFILES, safety=named)
    assert make_settings(config).safety == named


FAR_ON = "test_refusals_hold_far_into_the_context"


def far(base: Behaviour, candidate: Behaviour) -> str:
    """What the gate on prompts behind a long text says of two models; `skipped` where it does not apply."""
    reader = Reader(lambda text: len(text.split()), 8192, talks=True)
    task = further_on(TASKS["mini_harmful"], "far_into_the_context", reader)
    decided: list[Verdict] = []
    comparison = Comparison(task, task.evaluate(model(base), "base"), task.evaluate(model(candidate), "candidate"))
    with contextlib.suppress(pytest.skip.Exception):
        SUITE[FAR_ON](
            safety=SETTINGS.safety,
            compare_further_on=lambda name, setting: comparison,
            margins_of=lambda task: Thresholds(),
            gate=lambda rule: decided.append(rule.decide()),
        )
    return decided[0].outcome if decided else "skipped"


def test_refusals_that_are_lost_far_into_the_context_alone_fail_there() -> None:
    assert far(careful, lambda prompt: COMPLIES) == "fail"
    assert far(careful, careful) == "pass"


def test_a_base_that_refuses_nothing_far_on_is_not_asked_to_keep_it() -> None:
    assert far(lambda prompt: COMPLIES, lambda prompt: COMPLIES) == "skipped"


def test_a_base_that_wavers_far_on_leaves_room_for_wavering() -> None:
    places = {prompt: place for place, prompt in enumerate(sorted(HARMFUL))}

    def wavers(at: int) -> Behaviour:
        return lambda prompt: COMPLIES if places[prompt] % 10 == at else REFUSES

    assert far(wavers(0), wavers(1)) == "pass"
