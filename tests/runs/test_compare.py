"""Runs against the first of them: regressions, paired changes, refusals and flips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import MANIFEST, N, changed, first, make_run, samples

from harness.compare.paired import aligned, candidate_scores, paired_change
from harness.compare.runs import RunsCompared, compare_runs
from harness.errors import RunError
from harness.gates import Comparison, Evaluation
from harness.metrics.base import Metric
from harness.metrics.classification import macro_f1
from harness.records import Estimate, Limit, Manifest, Outcome, Sample, Verdict, Waiver
from harness.report.comparison.rows import comparison_rows
from harness.runs import Run, RunWriter, load_run
from harness.runs.baselines import NamedRun
from harness.stats import paired_binary_difference

SUPERIOR, KEPT = "task/quiz/acc/superior", "task/quiz/acc/non_inferior"
SLICE, WORDS = "task/quiz[lang=de]/acc/at_least", "task/quiz/words/non_inferior"


def compare(*runs: Run, margin: float = 0.02) -> RunsCompared:
    return compare_runs([NamedRun(run, run.id) for run in runs], margin=margin)


def regressed(compared: RunsCompared) -> dict[tuple[str, str], str]:
    return {(found.name, line.gate): cell.regression for found, line, cell in compared.regressions}


@pytest.fixture
def good(tmp_path: Path) -> Run:
    """50 of 60 right."""
    return make_run(tmp_path, "good", first(50))


def test_a_run_against_its_twin_shows_no_change_and_no_regression(good: Run, tmp_path: Path) -> None:
    compared = compare(good, make_run(tmp_path, "twin", first(50)))
    assert compared.regressions == [] and compared.refusals == () and compared.flips == ()
    changes = {line.gate: line.cells[1].change for line in compared.lines}
    assert {gate: change.value for gate, change in changes.items() if change} == dict.fromkeys(
        [SUPERIOR, KEPT, SLICE, WORDS], 0.0
    )
    assert all(line.cells[0].change is None for line in compared.lines)


def test_changes_are_paired_by_item_over_the_items_of_the_gates_slice(good: Run, tmp_path: Path) -> None:
    compared = compare(good, make_run(tmp_path, "other", first(44)))
    line = next(line for line in compared.lines if line.gate == KEPT)
    expected = paired_binary_difference(np.array(first(50), float), np.array(first(44), float))
    assert line.cells[1].change == expected
    tagged = next(line for line in compared.lines if line.gate == SLICE).cells[1].change
    assert tagged is not None and (tagged.n, tagged.value) == (N // 2, -3 / 30)


def test_a_gate_that_passed_and_now_fails_is_a_regression(good: Run, tmp_path: Path) -> None:
    bad = make_run(tmp_path, "bad", first(12))
    told = regressed(compare(good, bad))
    assert told["bad", SUPERIOR] == "passed before, fails now"
    assert WORDS not in {gate for _, gate in told}


def test_a_gate_that_is_waived_or_advisory_is_no_regression_and_is_told(good: Run, tmp_path: Path) -> None:
    bad = make_run(tmp_path, "bad", first(12))
    lifted = {
        SUPERIOR: {"waiver": Waiver(SUPERIOR, "Ada", "mended in 2.1", "2026-12-31")},
        KEPT: {"severity": "advisory"},
        SLICE: {"waiver": Waiver(SLICE, "Ada", "mended in 2.1", "2026-01-01", "expired")},
    }
    aside = replace(bad, verdicts=tuple(replace(v, **lifted.get(v.gate, {})) for v in bad.verdicts))  # type: ignore[arg-type]
    compared = compare(good, aside)
    assert {gate for _, gate in regressed(compared)} == {SLICE}
    assert comparison_rows(compared).aside == (
        f"B: {SUPERIOR} is fail, waived by Ada until 31 Dec 2026: mended in 2.1",
        f"B: {KEPT} is inconclusive, advisory: it does not block",
    )


def test_a_gate_that_still_passes_regresses_where_the_paired_loss_is_beyond_its_margin(
    good: Run, tmp_path: Path
) -> None:
    worse = make_run(tmp_path, "worse", first(34))  # still far better than the base's 15
    outcomes = {v.gate: v.outcome for v in worse.verdicts}
    assert outcomes[SUPERIOR] == outcomes[KEPT] == "pass"
    told = regressed(compare(good, worse))
    assert told == {
        ("worse", SUPERIOR): "worse by more than the 0.02 allowed",
        ("worse", KEPT): "worse by more than the 0.04 allowed",
        ("worse", SLICE): "worse by more than the 0.02 allowed",
    }
    assert not regressed(compare(worse, good))
    # the margin of a gate that asks for a gain or a level is the caller's; the other's is its own
    assert regressed(compare(good, worse, margin=0.5)) == {("worse", KEPT): "worse by more than the 0.04 allowed"}


def asked(outcome: Outcome, gate: str = "task/quiz/acc/more") -> Verdict:
    """A gate on the level of accuracy, beside those that every made run has."""
    limit = Limit(0.7)
    return Verdict(gate, outcome, "because", suite="task", task="quiz", metric="acc", kind="at_least", limit=limit)


def kept(within: float) -> Verdict:
    """The same gate, asking for no more than a tolerable loss."""
    return replace(asked("pass"), kind="non_inferior", paired=True, limit=Limit(-within, strict=True))


def test_a_gate_that_asks_for_a_level_regresses_where_its_metric_is_clearly_worse(tmp_path: Path) -> None:
    before = make_run(tmp_path, "before", first(58), extra=[asked("pass")])
    after = make_run(tmp_path, "after", first(47), extra=[asked("inconclusive")])
    assert regressed(compare(before, after))["after", "task/quiz/acc/more"] == "worse by more than the 0.02 allowed"
    # a little worse: what was sure is no longer so, and nothing is shown
    dip = make_run(tmp_path, "dip", first(56), extra=[asked("inconclusive")])
    assert regressed(compare(before, dip)) == {}


def test_what_was_undecided_and_now_fails_is_a_regression_and_what_could_not_be_measured_is_no_reference(
    tmp_path: Path,
) -> None:
    runs: dict[Outcome, Run] = {
        outcome: make_run(tmp_path, outcome, first(50), extra=[asked(outcome)])
        for outcome in ("inconclusive", "fail", "error")
    }
    gate = "task/quiz/acc/more"
    assert regressed(compare(runs["inconclusive"], runs["fail"], runs["error"])) == {
        ("fail", gate): "inconclusive before, fails now",
        ("error", gate): "inconclusive before, in error now",
    }
    assert regressed(compare(runs["error"], runs["fail"])) == regressed(compare(runs["fail"], runs["error"])) == {}


def test_a_run_does_not_get_better_by_a_margin_of_its_own(tmp_path: Path) -> None:
    strict, loose = kept(0.04), kept(0.5)
    runs = [make_run(tmp_path, "a", first(50), extra=[strict]), make_run(tmp_path, "b", first(34), extra=[loose])]
    assert regressed(compare(*runs))["b", strict.gate] == "worse by more than the 0.04 allowed"
    turned = [make_run(tmp_path, "c", first(50), extra=[loose]), make_run(tmp_path, "d", first(34), extra=[strict])]
    assert regressed(compare(*turned))["d", strict.gate] == "worse by more than the 0.04 allowed"


def test_a_task_has_its_own_margin(good: Run, tmp_path: Path) -> None:
    worse = NamedRun(make_run(tmp_path, "worse", first(34)), "worse")
    compared = compare_runs([NamedRun(good, "good"), worse], margin=0.02, task_margins={"quiz": 0.5})
    assert regressed(compared) == {("worse", KEPT): "worse by more than the 0.04 allowed"}


def test_a_gate_that_a_run_lacks_is_missing(good: Run, tmp_path: Path) -> None:
    whole = make_run(tmp_path, "whole", first(50), extra=[asked("pass")])
    assert {run: [line.gate for line in lines] for run, lines in compare(whole, good).missing.items()} == {
        1: ["task/quiz/acc/more"]
    }
    assert compare(good, whole).missing == compare(good, good).missing == {}


def test_gates_of_one_name_are_told_apart_whichever_run_has_several(good: Run, tmp_path: Path) -> None:
    alone = replace(asked("pass"), test="t.py::test_a")
    both = [
        replace(asked("fail"), name=alone.gate, gate=f"{alone.gate} (test_{t})", test=f"t.py::test_{t}") for t in "ab"
    ]
    compared = compare(
        make_run(tmp_path, "one", first(50), extra=[alone]), make_run(tmp_path, "two", first(50), extra=both)
    )
    assert compared.missing == {}
    assert regressed(compared) == {("two", "task/quiz/acc/more (test_a)"): "passed before, fails now"}


def test_a_metric_of_which_less_is_better_regresses_upwards(good: Run, tmp_path: Path) -> None:
    longer, shorter = (
        make_run(tmp_path, "longer", first(50), words=13.0),
        make_run(tmp_path, "shorter", first(50), words=7.0),
    )
    assert ("longer", WORDS) in regressed(compare(good, longer))
    assert regressed(compare(good, shorter)) == {}


def test_a_noise_dip_within_its_interval_is_no_regression(good: Run, tmp_path: Path) -> None:
    dip = [ok and i not in (3, 17) for i, ok in enumerate(first(51))]
    assert regressed(compare(good, make_run(tmp_path, "dip", dip))) == {}


def test_every_run_is_held_against_the_first(good: Run, tmp_path: Path) -> None:
    bad, twin = make_run(tmp_path, "bad", first(12)), make_run(tmp_path, "twin", first(50))
    compared = compare(good, bad, twin)
    assert {name for name, _ in regressed(compared)} == {"bad"}
    assert [len(line.cells) for line in compared.lines] == [3] * 4
    assert compared.flips == ()  # between the first and the last


def test_what_differs_is_named_and_its_task_is_not_compared(good: Run, tmp_path: Path) -> None:
    check = Verdict("integrity/safe", "pass", "fine", suite="integrity", rule="holds")
    first_run = make_run(tmp_path, "first", first(50), extra=[check])
    other = make_run(tmp_path, "other", first(12), manifest=changed(digest="x" * 64, dtype="bfloat16"), extra=[check])
    with pytest.raises(RunError, match=r"quiz: data, precision \(float32, there bfloat16\)"):
        compare(first_run, other)
    compared = compare(first_run, make_run(tmp_path, "twin", first(50)), other)
    [refusal] = compared.refusals
    assert (refusal.run, refusal.task, refusal.parts) == (2, "quiz", "data, precision (float32, there bfloat16)")
    assert regressed(compared) == {}
    assert all(line.cells[2].change is None for line in compared.lines)


def test_a_check_without_samples_is_compared_by_its_outcome(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, name, first(50), extra=[Verdict("integrity/safe", outcome, "because", rule="holds")])
        for name, outcome in (("a", "pass"), ("b", "fail"), ("c", "error"), ("d", "inconclusive"))
    ]  # type: ignore[arg-type]
    assert regressed(compare(*runs)) == {
        ("b", "integrity/safe"): "passed before, fails now",
        ("c", "integrity/safe"): "passed before, in error now",
    }


def test_a_gate_only_one_run_has_is_shown_and_is_no_regression(good: Run, tmp_path: Path) -> None:
    new = Verdict("integrity/new", "fail", "because", rule="holds")
    compared = compare(good, make_run(tmp_path, "b", first(50), extra=[new]))
    line = next(line for line in compared.lines if line.gate == "integrity/new")
    assert line.cells[0].verdict is None and line.cells[1].verdict == new
    assert regressed(compared) == {}


def test_verdicts_against_a_baseline_are_left_out(good: Run, tmp_path: Path) -> None:
    against = Verdict("baseline/quiz/acc/non_inferior", "fail", "worse", suite="baseline", against="main")
    # a suite may be in a file test_baseline.py
    own = Verdict("baseline/quiz/acc/at_least", "pass", "good", suite="baseline")
    compared = compare(good, make_run(tmp_path, "b", first(50), extra=[against, own]))
    assert {line.gate for line in compared.lines} == {SUPERIOR, KEPT, SLICE, WORDS, own.gate}


def test_verdicts_against_a_baseline_of_an_older_run_are_left_out_too(good: Run, tmp_path: Path) -> None:
    against = Verdict("baseline/quiz/acc/non_inferior", "fail", "worse", suite="baseline", against="main")
    other = make_run(tmp_path, "b", first(50), extra=[against])
    document = json.loads((other.path / "verdicts.json").read_text())
    for row in document["verdicts"]:
        del row["against"]
    document["schema"] = 1
    (other.path / "verdicts.json").write_text(json.dumps(document))
    assert {line.gate for line in compare(good, load_run(other.path)).lines} == {SUPERIOR, KEPT, SLICE, WORDS}


def test_flips_name_the_items_that_were_lost_and_gained_with_both_answers(good: Run, tmp_path: Path) -> None:
    right = [(ok and i not in (3, 17)) or i == 59 for i, ok in enumerate(first(50))]
    [flips] = compare(good, make_run(tmp_path, "b", right)).flips
    assert (flips.task, flips.metric, flips.lost_count, flips.gained_count) == ("quiz", "acc", 2, 1)
    assert [flip.item_id for flip in flips.lost] == ["q3", "q17"]
    [gained] = flips.gained
    assert (gained.item_id, gained.prompt, gained.target) == ("q59", "Question 59?", "yes")
    assert (gained.before, gained.after) == ("no", "yes")


def test_items_are_paired_by_id_whatever_their_order(good: Run) -> None:
    scores = candidate_scores(good)["quiz"]
    turned = type(scores)(*(column[::-1] for column in vars(scores).values()))
    assert aligned(scores, turned).of("acc").tolist() == scores.of("acc").tolist()


def test_a_metric_that_nobody_knows_has_no_paired_change(good: Run) -> None:
    scores = candidate_scores(good)["quiz"]
    assert paired_change(scores, scores, "corpus_riddle", {}) is None
    assert paired_change(scores, scores, "acc", {"lang": "fr"}) is None


class Labelling:
    """A task of three labels."""

    name = "labels"

    def metric(self, name: str) -> Metric:
        return Metric(name, corpus=macro_f1, bounds=(0.0, 1.0))


def labelled(root: Path, name: str, right: int, value: float | None = None) -> tuple[Run, list[Sample], list[Verdict]]:
    """60 items of three labels, of which the first so many are read rightly; gated on macro F1."""
    graded = [
        replace(
            sample, task="labels", target="abc"[i % 3], parsed="abc"[(i + (i >= right)) % 3], scores={"accuracy": 0.0}
        )
        for i, sample in enumerate(samples("candidate", first(right)))
    ]
    task: Any = Labelling()
    evaluation = Evaluation(task, graded)
    verdicts = [
        evaluation.metric("macro_f1").at_least(0.1).decide(),
        evaluation.where(lang="de").metric("macro_f1").at_least(0.1).decide(),
    ]
    if value is not None:
        verdicts = [replace(one, candidate=Estimate(value)) for one in verdicts]
    writer = RunWriter.create(root, name)
    writer.add_samples(graded)
    data = {"labels": {"digest": "d" * 64, "task": "g" * 64}}
    return load_run(writer.finish(Manifest.read(MANIFEST | {"data": data}), verdicts, "complete")), graded, verdicts


def test_macro_f1_has_the_paired_change_that_the_gate_against_a_baseline_has(tmp_path: Path) -> None:
    before, stored, _ = labelled(tmp_path, "before", 54)
    after, graded, _ = labelled(tmp_path, "after", 36)
    lines = {line.gate: line for line in compare(before, after).lines}
    task: Any = Labelling()
    against = Comparison(task, stored, graded)
    assert len(lines) == 2
    for narrowed, gate in (
        (against, "labels/macro_f1/at_least"),
        (against.where(lang="de"), "labels[lang=de]/macro_f1/at_least"),
    ):
        change, expected = lines[gate].cells[1].change, narrowed.metric("macro_f1").difference(0.95)
        assert change is not None
        assert (change.value, change.low, change.high) == pytest.approx((expected.value, expected.low, expected.high))
        assert lines[gate].cells[1].regression == "worse by more than the 0.02 allowed"


def test_another_metric_of_that_name_is_not_taken_for_macro_f1(tmp_path: Path) -> None:
    runs = [labelled(tmp_path, name, right, value=0.123)[0] for name, right in (("before", 54), ("after", 36))]
    assert [line.cells[1].change for line in compare(*runs).lines] == [None, None]


def test_one_run_alone_is_no_comparison(good: Run) -> None:
    with pytest.raises(RunError, match="needs two runs"):
        compare(good)
