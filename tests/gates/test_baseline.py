"""What is held against the released adapter: whatever its stored samples can answer, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_runs import Quiz, first, samples

from harness.errors import TaskError
from harness.gates import Check, Comparison, Evaluation, Scalar
from harness.gates.baseline import AgainstBaseline, is_stored, paired_rule
from harness.gates.rules import Measurement, Rule
from harness.metrics.base import Metric

BASE, CANDIDATE, RELEASED = samples("base", first(15)), samples("candidate", first(47)), samples("candidate", first(58))


class Task(Quiz):
    """A quiz, with a metric of the whole, and one whose differences are biased."""

    def metric(self, name: str) -> Metric:
        known = {
            "f1": Metric("f1", corpus=lambda targets, parsed: 0.5, bounds=(0.0, 1.0)),
            "ece": Metric("ece", corpus=lambda targets, parsed: 0.5, gate_instead="overconfidence"),
        }
        try:
            return known.get(name) or super().metric(name)
        except KeyError as error:
            raise TaskError(f"no metric {name}") from error


TASK: Any = Task()
ALONE = Evaluation(TASK, CANDIDATE)
COMPARED = Comparison(TASK, BASE, CANDIDATE)


def stored(rule: Rule) -> bool:
    return is_stored(rule, ALONE, RELEASED)


def against(rule: Rule, margin: float = 0.02) -> AgainstBaseline:
    return AgainstBaseline(rule, ALONE, RELEASED, "main", {}, margin)


@pytest.mark.parametrize("measured", [ALONE, COMPARED])
@pytest.mark.parametrize("metric", ["acc", "f1"])
def test_a_level_is_held_whether_or_not_the_base_was_measured(measured: Any, metric: str) -> None:
    for rule in (measured.metric(metric).at_least(0.5), measured.metric(metric).at_most(0.5)):
        assert paired_rule(rule) is rule
        assert stored(rule)


def test_a_clear_loss_fails_where_the_level_asked_for_is_still_reached() -> None:
    rule = ALONE.metric("acc").at_least(0.5)
    assert rule.decide().outcome == "pass"
    verdict = against(rule).decide()
    assert (verdict.outcome, verdict.rule, verdict.against) == ("fail", "non-inferior within 0.02", "main")
    assert verdict.gate == "quiz/acc/non_inferior"


def test_a_level_without_bounds_has_no_loss_that_is_tolerable_everywhere() -> None:
    assert paired_rule(ALONE.metric("words").at_most(20)) is None
    assert paired_rule(COMPARED.metric("words").non_inferior(0.5)) is not None


def test_a_slice_is_held_on_its_own_items() -> None:
    rule = ALONE.where(lang="de").metric("acc").at_least(0.5)
    assert stored(rule)
    verdict = against(rule).decide()
    assert (verdict.n, verdict.gate) == (30, "quiz[lang=de]/acc/non_inferior")


def test_the_bases_own_answers_are_not_held_against_the_released_adapter() -> None:
    assert not stored(Evaluation(TASK, BASE).metric("acc").at_most(0.5))
    assert not stored(Evaluation(TASK, BASE).where(lang="de").metric("acc").at_most(0.5))


def test_what_was_computed_for_a_gate_alone_is_not_held() -> None:
    def computed(measured: Measurement, metric: Metric) -> Measurement:
        return replace(measured, metric=metric)

    for metric in (Metric("repetition", "binary"), Metric("ratio", corpus=lambda targets, parsed: 0.5)):
        assert not stored(computed(COMPARED.metric("acc"), metric).at_most(0.5))
        assert not stored(computed(COMPARED.metric("acc"), metric).non_inferior(0.5))


def test_a_metric_of_biased_differences_and_one_never_measured_are_not_held() -> None:
    assert not stored(COMPARED.metric("ece").at_most(0.5))
    bare = [replace(sample, scores={"words": 1.0}) for sample in RELEASED]
    assert not is_stored(COMPARED.metric("acc").at_least(0.5), ALONE, bare)
    assert not is_stored(COMPARED.metric("f1").at_least(0.5), ALONE, [])


def test_a_number_and_a_fact_rest_on_no_samples() -> None:
    assert paired_rule(Scalar("gap", 0.1).at_most(0.5)) is None
    assert paired_rule(Check("safe", True, "fine")) is None


def test_data_that_changed_under_a_baseline_asks_who_edited_the_rows() -> None:
    rule = ALONE.metric("acc").at_least(0.5)
    edited = [replace(one, target="another") if number == 3 else one for number, one in enumerate(RELEASED[1:])]
    differing = {"data": ("d" * 64, "e" * 64), "prompts": ("p" * 64, "q" * 64)}
    verdict = AgainstBaseline(rule, ALONE, edited, "main", differing, 0.02).decide()
    changed = edited[3].item_id
    assert verdict.outcome == "error" and f"1 changed ({changed})" in verdict.reason
    assert f"1 new ({RELEASED[0].item_id})" in verdict.reason and "gone" not in verdict.reason
    assert "who edited these rows" in verdict.remedy


def test_another_prompt_alone_is_nobodys_edit_of_the_data() -> None:
    differing = {"prompts": ("p" * 64, "q" * 64)}
    verdict = AgainstBaseline(ALONE.metric("acc").at_least(0.5), ALONE, RELEASED, "main", differing, 0.02).decide()
    assert verdict.outcome == "error" and "measured the same way" in verdict.remedy and "who" not in verdict.remedy
