"""The comparison as a file: what a browser would make of it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from made_runs import changed, first, make_run

from harness.compare.runs import RunsCompared, compare_runs
from harness.records import Verdict
from harness.report.comparison.charts import front, trends
from harness.report.comparison.html import draw_change, render_comparison
from harness.report.comparison.rows import comparison_rows, trade_offs
from harness.report.comparison.strip import concern_rows
from harness.runs import Run, load_run
from harness.runs.baselines import NamedRun
from harness.runs.samples import encode_table, samples_table

HOSTILE = "</pre><script>alert(1)</script> {{7*7}} \u202eevil \x1b[31m <img src=x onerror=alert(1)>"


def compare(*runs: Run) -> RunsCompared:
    return compare_runs([NamedRun(run, run.id) for run in runs], margin=0.02)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "runs"
    make_run(root, "a", first(50))
    make_run(root, "b", first(40))
    make_run(root, "c", [i != 7 and ok for i, ok in enumerate(first(51))], words=10.4)
    return root


@pytest.fixture
def runs(made: Path) -> list[Run]:
    """Three runs: good, worse at the task, and one that talks more."""
    return [load_run(made / name) for name in "abc"]


def test_the_page_shows_runs_gates_changes_refusals_and_flips(runs: list[Run], tmp_path: Path) -> None:
    other = make_run(tmp_path, "d", first(45), manifest=changed(dtype="bfloat16"))
    page = render_comparison(compare(runs[0], other, runs[2]))
    assert "No regression against a on what could be compared" in page
    assert "precision (float32, there bfloat16) differ" in page
    assert "task/quiz/acc/superior" in page and "<td>0 points [\u22127.9, +7.9]</td>" in page
    assert "quiz, right choices: lost" in page and "Question 7?" in page
    assert "quiz, right choices: gained" in page and "Question 50?" in page


def test_regressions_lead_the_page(runs: list[Run]) -> None:
    page = render_comparison(compare(runs[0], runs[1]))
    head = page[: page.index("<nav")]
    assert "1 regression against a" in head
    assert "Task: accuracy 83 to 67%, 10 lost, 0 gained. Worse: task." in head
    told = "<bdi>83% → 67%</bdi> worse by more than the 0.02 allowed, in B; 1 more on the task"
    assert told in head
    assert page.count('class="pass regressed"') == 2


def test_of_several_runs_the_headline_names_the_worse(runs: list[Run]) -> None:
    assert comparison_rows(compare(*runs)).headline == "1 regression in B against a"


def test_gates_that_not_every_run_has_are_one_line_and_no_alarm(runs: list[Run], tmp_path: Path) -> None:
    gone = Verdict("integrity/safe", "pass", "fine", rule="holds")
    whole = make_run(tmp_path, "whole", first(50), extra=[gone])
    told = comparison_rows(compare(whole, runs[0], runs[2]))
    assert (told.headline, told.not_shared) == (
        "No regression against whole",
        "Missing in B, C: 1 gate (integrity/safe)",
    )
    assert "integrity/safe" not in [gate.gate for group in told.groups for gate in group.gates]
    assert comparison_rows(compare(runs[0], whole)).not_shared == "Only in B (profile smoke): 1 gate (integrity/safe)"


def test_concerns_are_told_through_the_runs_as_a_report_tells_them(runs: list[Run], tmp_path: Path) -> None:
    kept = Verdict("safety/calm", "pass", "fine", suite="safety", rule="holds")
    pair = [make_run(tmp_path, name, first(n), extra=[kept]) for name, n in (("x", 50), ("y", 40))]
    rows = {one.name: one for one in concern_rows(compare(*pair))}
    assert len(rows) == 8
    task = rows["task"]
    assert [(cell.outcome, cell.level) for cell in task.cells] == [("pass", "83%"), ("pass", "67%")]
    assert (task.tone, task.flips, task.about) == ("worse", "10 lost, 0 gained", "right choices, quiz")
    assert re.fullmatch("\u221216\\.7 points \\[\u2212\\d+\\.\\d, \u2212\\d+\\.\\d\\]", task.change)
    assert (rows["safety"].tone, rows["safety"].change, rows["safety"].leading) == ("same", "", None)
    assert rows["judge"].tone == "unknown" and {cell.outcome for cell in rows["judge"].cells} == {None}
    back = {one.name: one for one in concern_rows(compare(pair[1], pair[0]))}
    assert (back["task"].tone, back["task"].flips) == ("better", "0 lost, 10 gained")


def test_what_keeps_tasks_apart_is_told_once(runs: list[Run], tmp_path: Path) -> None:
    others = [make_run(tmp_path, name, first(45), manifest=changed(dtype="bfloat16")) for name in ("d", "e")]
    told = comparison_rows(compare(runs[0], *others, runs[2])).refusals
    assert told == ("B, C and A do not compare on quiz: precision (float32, there bfloat16) differ",)
    [task] = [one for one in concern_rows(compare(runs[0], runs[2], others[0])) if one.name == "task"]
    assert (task.tone, task.change) == ("unknown", "")


def test_a_change_is_drawn_against_the_loss_that_decides(runs: list[Run], tmp_path: Path) -> None:
    """A run that allows itself more than the first is not drawn as if it kept within that."""
    loose = make_run(tmp_path, "loose", first(34))
    own = [replace(v, margin=0.5) if v.gate == "task/quiz/acc/non_inferior" else v for v in loose.verdicts]
    compared = compare(runs[0], replace(loose, verdicts=tuple(own)))
    cells = {line.gate: line.cells[1] for line in compared.lines}
    assert {gate: cell.allowed for gate, cell in cells.items()} == {
        "task/quiz/acc/superior": 0.02,
        "task/quiz/acc/non_inferior": 0.04,
        "task/quiz[lang=de]/acc/at_least": 0.02,
        "task/quiz/words/non_inferior": 1.0,
    }
    drawn = draw_change(cells["task/quiz/acc/non_inferior"])
    assert drawn is not None and drawn.good is not None
    assert drawn.high is not None and drawn.high < drawn.good[0]  # all of it on the wrong side


def test_hostile_output_stays_text_and_the_page_runs_and_loads_nothing(runs: list[Run], tmp_path: Path) -> None:
    bad = make_run(tmp_path, "h", first(49), extra=[Verdict(HOSTILE, "fail", HOSTILE, rule=HOSTILE)])
    samples = [s.__class__(**{**s.__dict__, "answer": HOSTILE, "prompt": HOSTILE}) for s in bad.read_samples()]
    (bad.path / "samples.parquet").write_bytes(encode_table(samples_table("h", samples)))
    page = render_comparison(compare(runs[0], bad))
    assert "<script" not in page and "<img" not in page and "\u202e" not in page and "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page and "{{7*7}}" in page and "[U+202E]evil" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in page
    assert "default-src &#39;none&#39;" in page


def test_texts_of_a_sensitive_task_are_left_out(tmp_path: Path) -> None:
    pair = [make_run(tmp_path, name, first(n), manifest=changed(sensitive=True)) for name, n in (("a", 50), ("b", 49))]
    page = render_comparison(compare(*pair))
    assert "quiz, right choices: lost" in page and "<bdi>q49</bdi>" in page
    assert "Question 49?" not in page
    assert "are in samples.parquet of the two runs" in page


def test_every_drawing_is_well_formed_and_inside_its_frame(runs: list[Run]) -> None:
    page = render_comparison(compare(*runs))
    drawings = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)]
    assert len(drawings) == 1 + 1 + 4 + 4  # the strip, the front, the last run's change of each gate, the trends
    for drawing in drawings:
        width, height = map(float, drawing.attrib["viewBox"].split()[2:])
        for dot in drawing.iter("circle"):
            assert 0 <= float(dot.attrib["cx"]) <= width and 0 <= float(dot.attrib["cy"]) <= height


def test_trends_put_the_runs_in_order_and_higher_values_higher(runs: list[Run]) -> None:
    compared = compare(*runs)
    drawn = trends(compared, concern_rows(compared))
    assert [(t.gate, t.leads) for t in drawn][:2] == [
        ("task/quiz/acc/superior", True),
        ("task/quiz/acc/non_inferior", False),
    ]
    trend = drawn[0]
    assert [mark.letter for mark in trend.marks] == ["A", "B", "C"]
    assert trend.marks[0].x < trend.marks[1].x < trend.marks[2].x
    assert trend.marks[1].y > trend.marks[0].y  # B gained less, and pixels count downwards
    assert all(m.high is not None and m.low is not None and m.high < m.y < m.low for m in trend.marks)
    assert trend.margin is not None and trend.margin > trend.marks[1].y


def test_gain_and_forgetting_are_those_of_the_gates_and_the_front_joins_what_nothing_beats(runs: list[Run]) -> None:
    a, b, c = trade_offs(compare(*runs))
    assert a.gain == pytest.approx(35 / 60) and b.gain == pytest.approx(25 / 60) and c.gain == a.gain
    # the base wins on neither metric but for c's words: 0.4 more of the 1.0 allowed
    assert c.forgetting == pytest.approx(0.4) and a.forgetting == 0.0
    drawn = front(compare(*runs))
    assert drawn is not None
    assert drawn.path == f"M{drawn.marks[0].x} {drawn.marks[0].y}"  # a beats both
    assert drawn.marks[2].x > drawn.marks[0].x and drawn.marks[1].y > drawn.marks[0].y


def test_runs_without_both_kinds_of_gate_have_no_front(tmp_path: Path, runs: list[Run]) -> None:
    for run in runs[:2]:
        object.__setattr__(run, "verdicts", tuple(v for v in run.verdicts if "superior" not in v.gate))
    assert front(compare(*runs[:2])) is None
    assert "Gain against forgetting" not in render_comparison(compare(*runs[:2]))
