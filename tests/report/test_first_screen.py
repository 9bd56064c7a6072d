"""What the first screen is made of: a sentence, eight concerns, failures with remedies; out of data, never out of prose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.records import Estimate, Lapse, Limit, Manifest, Outcome, RunStatus, Verdict, Waiver
from harness.report.concerns import concerns
from harness.report.facts import glance
from harness.report.findings import allowed, finding, numbers, subject, value
from harness.report.gate_table import anchors
from harness.report.headline import headline
from harness.report.problems import problems, set_aside, unmeasured
from harness.report.sentence import sentence
from harness.report.strip import strip
from harness.report.trade_off import front_of
from harness.runs.run import Run, load_run
from harness.runs.writer import RunWriter


def gain(outcome: Outcome = "pass", **changes: Any) -> Verdict:
    """Of a task: accuracy 0 to 91%, 20 points asked."""
    fields: dict[str, Any] = {
        "suite": "task",
        "task": "intents",
        "metric": "accuracy",
        "paired": True,
        "limit": Limit(0.2),
        "estimate": Estimate(0.91, 0.85, 0.95),
        "base": Estimate(0.0),
        "candidate": Estimate(0.91),
    }
    merged = {**fields, **changes}
    return Verdict(f"{merged['suite']}/{merged['metric']}/{outcome}", outcome, "words for people", **merged)


def loss(
    outcome: Outcome = "pass", suite: str = "forgetting", metric: str = "bits_per_byte", **changes: Any
) -> Verdict:
    """A gate that tolerates 0.05 of a metric of which less is better."""
    fields: dict[str, Any] = {
        "task": "general_text",
        "limit": Limit(-0.05, strict=True).of_metric(False),
        "higher_is_better": False,
        "estimate": Estimate(0.1, 0.08, 0.12),
        "base": Estimate(1.3),
        "candidate": Estimate(1.4),
    }
    return gain(outcome, suite=suite, metric=metric, **{**fields, **changes})


def check(outcome: Outcome = "pass", suite: str = "data", name: str = "layout", **changes: Any) -> Verdict:
    return Verdict(f"{suite}/{name}", outcome, changes.pop("reason", "words"), suite=suite, kind="holds", **changes)


def waived(verdict: Verdict, lapse: Lapse | Literal[""] = "", who: str = "Ada") -> Verdict:
    return replace(verdict, waiver=Waiver(verdict.gate, who, "mended in 2.1", "2026-12-31", lapse))


def advisory(verdict: Verdict) -> Verdict:
    return replace(verdict, severity="advisory")


def found(metric: str, value: float) -> Verdict:
    return gain(metric=metric, estimate=Estimate(value), candidate=Estimate(value), base=None, paired=False, limit=None)


SENTENCES: list[tuple[list[Verdict], str]] = [
    ([gain()], "Does its job: accuracy 0 to 91%. The one gate passed."),
    ([gain(), found("macro_f1", 0.94)], "Does its job: accuracy 0 to 91%, F1 0.940. All 2 gates passed."),
    (
        [gain(), *(replace(loss("fail"), gate=f"g{i}") for i in range(4)), check("fail")],
        "Does its job: accuracy 0 to 91%. Blocked by training data (1) and forgetting (4).",
    ),
    (
        [gain("fail", candidate=Estimate(0.1), estimate=Estimate(0.1, 0.0, 0.15))],
        "Does not do its job: accuracy 0 to 10% (20 points better required).",
    ),
    (
        [gain("fail", candidate=Estimate(0.0), estimate=Estimate(0.0))],
        "Does not do its job: accuracy still 0% (20 points better required).",
    ),
    (
        [gain("inconclusive", open_because=("too_few",))],
        "Whether it does its job is open: accuracy 0 to 91% (20 points better required), too few independent items.",
    ),
    (
        [loss("inconclusive", "safety", "complied", open_because=("at_floor",))],
        "Its task was not measured. Safety could not be told: the base refuses nothing.",
    ),
    (
        [gain(), loss("inconclusive", open_because=("at_floor",)), loss("pass", metric="kl_per_token")],
        "Does its job: accuracy 0 to 91%. Forgetting is told in part only: the base has nothing to lose.",
    ),
    ([gain(), check("error", "judge")], "Does its job: accuracy 0 to 91%. Could not be measured: judge (1)."),
    (
        [gain(), gain("fail", suite="baseline", against="v1")],
        "Does its job: accuracy 0 to 91%. Falls short of the last release (1).",
    ),
    (
        [gain(), waived(loss("fail")), waived(loss("inconclusive", metric="kl_per_token")), advisory(check("fail"))],
        "Does its job: accuracy 0 to 91%. Waived: forgetting (2), by Ada until 31 Dec 2026. "
        "Failed, but advisory: training data (1).",
    ),
    (
        [gain(), check(), *(waived(check("fail", name=who), who=who) for who in ("Ada", "Bob", "Eve"))],
        "Does its job: accuracy 0 to 91%. Waived: training data (3), by Ada until 31 Dec 2026, Bob until 31 Dec 2026 "
        "and others. All 2 other gates passed.",
    ),
    (
        [waived(gain("fail", candidate=Estimate(0.1), estimate=Estimate(0.1, 0.0, 0.15)))],
        "Nothing that counts shows that it does its job: accuracy 0 to 10% (20 points better required). "
        "Waived: task (1), by Ada until 31 Dec 2026.",
    ),
    (
        [found("macro_f1", 0.94), waived(gain("fail", candidate=Estimate(0.1), estimate=Estimate(0.1, 0.0, 0.15)))],
        "Does its job only in part: F1 0.940, but accuracy 0 to 10% (20 points better required). "
        "Waived: task (1), by Ada until 31 Dec 2026.",
    ),
    (
        [gain(), waived(loss("fail"), "expired")],
        "Does its job: accuracy 0 to 91%. Blocked by forgetting (1).",
    ),
    (
        [gain(), check("fail", "policy", "required/judge/fit")],
        "Does its job: accuracy 0 to 91%. Blocked by required gates (1).",
    ),
    ([gain(suite="pets", metric="exact_match")], "Does its job: exact match 0 to 91%. The one gate passed."),
]


@pytest.mark.parametrize(("verdicts", "told"), SENTENCES)
def test_the_sentence_says_what_was_found(verdicts: list[Verdict], told: str) -> None:
    assert sentence(concerns(verdicts)) == told


@pytest.mark.parametrize(("verdicts", "told"), SENTENCES)
def test_no_word_of_a_reason_rule_or_remedy_is_read(verdicts: list[Verdict], told: str) -> None:
    other = [replace(v, reason="at floor: failed by 0", rule="non-inferior", remedy="pass") for v in verdicts]
    assert sentence(concerns(other)) == told


def test_the_eight_concerns_are_shown_task_first_whether_gated_or_not() -> None:
    rows = strip(concerns([check()]), {"data/layout": "gate-1"})
    assert [row.title for row in rows] == [
        "Task", "Training data", "Integrity", "Training", "Overfitting", "Forgetting", "Safety", "Judge",
    ]  # fmt: skip
    assert [row.told for row in rows][:2] == ["not measured", "1 gate passed"]


def test_a_concern_is_told_by_its_worst_number_and_its_change_since_the_release() -> None:
    fine, worse = loss(metric="kl_per_token"), loss("fail")
    since = replace(loss("fail", suite="baseline", against="v1", estimate=Estimate(0.2)), gate="baseline/b")
    verdicts = [fine, worse, since, check("pass", "forgetting")]
    rows = {row.title: row for row in strip(concerns(verdicts), anchors(verdicts))}
    row = rows["Forgetting"]
    assert (row.outcome, row.told, row.numbers) == ("fail", "1 of 3 failed", "1.300 \u2192 1.400")
    assert row.about == "surprise at plain text, general text"
    assert (row.since, row.since_outcome) == ("+0.200", "fail")
    assert rows["Last release"].outcome == "fail"


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (loss("fail"), "1.300 \u2192 1.400, 0.050 worse allowed"),
        (gain("fail"), "0% \u2192 91%, 20 points better required"),
        (gain("fail", paired=False, limit=Limit(0.95)), "91%, at least 95% required"),
        (gain("fail", limit=Limit(0.0, strict=True)), "0% \u2192 91%, an improvement required"),
        (check("fail", reason="rows 3 and 4 have no answer"), "rows 3 and 4 have no answer"),
        (gain("error"), "words for people"),
    ],
)
def test_a_failure_is_a_line(verdict: Verdict, told: str) -> None:
    assert finding(verdict) == told


def test_what_is_hardly_not_all_is_not_rounded_to_it() -> None:
    assert [value(x, "accuracy") for x in (0.0, 0.004, 0.5, 0.996, 1.0)] == ["0%", "0.4%", "50%", "99.6%", "100%"]
    assert value(4.0, "answer_tokens") == "4" and allowed(check()) == "" and numbers(check()) == ""


def test_a_slice_is_named() -> None:
    assert subject(gain(slice={"values": "unseen"})) == "intents (values unseen): right answers"
    assert subject(check(name="whole_answers")) == "whole answers"


def test_failures_of_one_remedy_stand_together_and_none_is_left_out() -> None:
    verdicts = [
        loss("fail", remedy="train less"),
        loss("fail", metric="kl_per_token", remedy="train less"),
        check("fail", remedy="clean the rows"),
        check("fail", name="secrets"),
    ]
    shown = problems(concerns(verdicts), anchors(verdicts))
    assert [(one.concern, len(one.lines), one.remedy) for one in shown] == [
        ("Training data", 1, "clean the rows"),
        ("Training data", 1, ""),
        ("Forgetting", 2, "train less"),
    ]
    assert shown[0].lines == (("layout", "words", "gate-3"),)


def stored(root: Path, name: str, verdicts: list[Verdict], status: RunStatus = "complete", **manifest: Any) -> Run:
    return load_run(RunWriter.create(root, name).finish(Manifest.read(manifest), verdicts, status))


def test_a_run_that_stopped_before_its_end_claims_nothing_of_required_gates(tmp_path: Path) -> None:
    told = [
        dict(glance(stored(tmp_path, status, [gain()], status, required=["judge/fit"])))["required"]
        for status in ("complete", "interrupted")
    ]
    assert told == ["present: judge/fit", "not looked for, as the run stopped before its end: judge/fit"]


def test_what_was_not_measured_is_a_line_a_cause(tmp_path: Path) -> None:
    skipped = [{"test": f"s.py::test_{name}", "reason": "Skipped: integrity failed"} for name in ("a", "b")]
    errors = [replace(check("error", reason="the server is gone"), gate=f"judge/{i}", suite="judge") for i in range(5)]
    open_gates = [loss("inconclusive", open_because=("interval",)), loss("inconclusive", "safety", "complied")]
    told = [
        (one.outcome, one.what, one.why)
        for one in unmeasured(stored(tmp_path, "r", [*errors, *open_gates], skipped=skipped))
    ]
    assert told == [
        ("error", "5 gates could not be measured (judge)", "the server is gone; 0, 1, 2 and 2 more"),
        (
            "inconclusive",
            "1 gate undecided (forgetting)",
            "too few items to tell; general text: surprise at plain text",
        ),
        ("inconclusive", "1 gate undecided (safety)", "no decision; general text: harmful requests answered"),
        (None, "2 tests", "integrity failed"),
    ]


def test_what_a_failure_spared_is_told_once_and_by_the_headline(tmp_path: Path) -> None:
    spared = {"test": "suites/test_task.py::test_task", "reason": "x", "spared_by": "integrity/merge", "suite": "task"}
    run = stored(tmp_path, "r", [check("fail", "integrity", "merge")], skipped=[spared])
    assert "Not measured: task (1 test), because integrity/merge failed" in headline(run).why
    assert unmeasured(run) == []


@pytest.mark.parametrize(
    ("verdicts", "title"),
    [
        ([gain(), waived(loss("fail"))], "May be released, with 1 gate waived"),
        ([gain(), advisory(loss("fail"))], "May be released"),
        ([gain(), advisory(loss("error"))], "May be released"),
        ([gain(), waived(loss("fail"), "expired")], "Must not be released"),
        ([gain("inconclusive"), waived(loss("fail"))], "Undecided"),
        ([advisory(gain()), advisory(loss("fail"))], "Undecided"),
    ],
)
def test_the_verdict_on_the_release_is_made_of_what_counts(tmp_path: Path, verdicts: list[Verdict], title: str) -> None:
    found = headline(stored(tmp_path, "r", verdicts))
    assert found.title == title
    assert ("Every gate is advisory" in found.why) == all(v.severity == "advisory" for v in verdicts)


def test_failures_that_do_not_block_stand_apart_with_by_whom_why_and_until_when() -> None:
    verdicts = [gain(), advisory(loss("fail")), waived(check("fail")), waived(loss("fail", metric="acc"), "expired")]
    concern, places = concerns(verdicts), anchors(verdicts)
    [blocking] = problems(concern, places)
    assert blocking.lines[0][1].endswith("; the waiver by Ada expired on 31 Dec 2026")
    assert [(one.concern, one.outcome, one.standing) for one in set_aside(concern, places)] == [
        ("Training data", "fail", "waived by Ada until 31 Dec 2026: mended in 2.1"),
        ("Forgetting", "fail", "advisory: it does not block"),
    ]
    rows = {row.title: (row.outcome, row.told, row.aside) for row in strip(concern, places)}
    assert rows["Training data"] == ("pass", "nothing blocks", "1 waived")
    assert rows["Forgetting"] == ("fail", "1 of 2 failed", "1 advisory")


def test_an_error_beside_a_failure_does_not_soften_the_verdict(tmp_path: Path) -> None:
    assert headline(stored(tmp_path, "r", [check("error"), loss("fail")])).title == "Must not be released"


def test_the_picture_shows_this_run_the_release_and_earlier_runs_that_asked_the_same(tmp_path: Path) -> None:
    same = [gain(), loss()]
    stored(tmp_path, "a", same, started="2026-01-01T00:00:00+00:00")
    stored(tmp_path, "b", [gain()], started="2026-01-02T00:00:00+00:00")
    stored(tmp_path, "c", same, started="2026-01-03T00:00:00+00:00")
    stored(tmp_path, "later", same, started="2026-02-03T00:00:00+00:00")
    (tmp_path / "torn").mkdir()
    mine = [gain(), loss(estimate=Estimate(2.5, 2.4, 2.6))]
    run = stored(tmp_path, "r", mine, started="2026-01-04T00:00:00+00:00", baseline={"name": "v1", "run": "a"})
    front = front_of(run)
    assert front is not None
    assert [(mark.role, mark.letter) for mark in front.marks] == [
        ("release", "release"),
        ("earlier", ""),
        ("this", "this run, 50 times"),
    ]
    assert front.marks[2].x > front.limit > front.frame[0]
    assert front_of(stored(tmp_path / "other", "r", [check()])) is None


def test_what_a_server_could_not_be_asked_is_told_by_the_headline_even_of_a_pass(tmp_path: Path) -> None:
    skipped = {"test": "suites/test_forgetting.py::test_text", "reason": "no log-probabilities", "suite": "forgetting"}
    told = headline(stored(tmp_path, "r", [gain()], skipped=[skipped]))
    assert told.title == "May be released"
    assert "Not measured: forgetting (1 test), which what serves the model has no means to answer." in told.why
