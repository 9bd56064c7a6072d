import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.gates.kinds import KINDS
from harness.records import Estimate, Limit, Verdict
from harness.report import curves
from harness.report.details import details
from harness.report.gate_table import gate_row
from harness.report.interval_plot import WIDTH, draw_interval


def _verdict(limit: Limit | None, *estimate: Any) -> Verdict:
    return Verdict("g", "pass", "", limit=limit, estimate=Estimate(*(estimate or (0.1, 0.0, 0.2))))


@pytest.mark.parametrize(
    ("kind", "higher", "line", "good_is_right"),
    [
        ("superior", True, 0.2, True),
        ("superior", False, -0.2, False),
        ("non_inferior", True, -0.2, True),
        ("non_inferior", False, 0.2, False),
        ("at_least", True, 0.2, True),
        ("at_most", False, 0.2, False),
        ("at_most", True, 0.2, False),
    ],
)
def test_the_limit_lies_on_the_side_the_rule_means(kind: str, higher: bool, line: float, good_is_right: bool) -> None:
    limit = KINDS.get(kind).limit(0.2)
    limit = limit.of_metric(higher) if KINDS.get(kind).paired else limit
    assert limit.value == line
    drawing = draw_interval(_verdict(limit))
    assert drawing is not None and drawing.good is not None and drawing.margin is not None
    assert drawing.good == ((drawing.margin, WIDTH) if good_is_right else (0.0, drawing.margin))


finite = st.floats(-1e6, 1e6)


@given(finite, finite, finite, finite, st.booleans())
def test_a_drawing_stays_in_its_frame_and_in_order(a: float, b: float, c: float, limit: float, paired: bool) -> None:
    low, value, high = sorted((a, b, c))
    drawing = draw_interval(replace(_verdict(Limit(limit), value, low, high), paired=paired))
    assert drawing is not None and drawing.low is not None and drawing.high is not None
    assert 0 <= drawing.low <= drawing.value <= drawing.high <= WIDTH


def test_an_open_ended_interval_reaches_the_edge_and_nan_draws_nothing() -> None:
    drawing = draw_interval(_verdict(Limit(0.5), 0.7, 0.6, math.inf))
    assert drawing is not None and drawing.high is not None and drawing.high > drawing.value
    assert draw_interval(_verdict(Limit(0.5), math.nan)) is None
    assert draw_interval(Verdict("g", "error", "")) is None


@given(finite, finite, st.integers(2, 8))
@example(0.0, 5e-324, 2)
@example(1.0, 1.0 + 1e-15, 5)
def test_ticks_enclose_the_data_and_rise(a: float, b: float, about: int) -> None:
    low, high = min(a, b), max(a, b)
    ticks = curves.nice_ticks(low, high, about)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= about + 3


def _points(losses: list[float | str | None]) -> dict[str, Any]:
    return {"points": [{"step": i + 1, "loss": loss} for i, loss in enumerate(losses)]}


def test_a_nan_loss_breaks_the_curve_and_is_named() -> None:
    [panel] = curves.panels(_points([3.0, 2.0, "NaN", 1.0]))
    assert panel.missing == "training at step 3"
    assert panel.lines[0].path.count("M") == 2


def test_what_was_not_logged_has_no_chart_and_one_point_is_enough() -> None:
    assert curves.panels(None) == []
    assert curves.panels(_points([None, None])) == []
    assert [p.title for p in curves.panels(_points([1.0]))] == ["Loss"]


def test_a_spike_is_drawn_even_in_a_log_too_long_for_hover_points() -> None:
    losses: list[float | str | None] = [1.0] * 5000
    losses[1234] = 90.0
    [panel] = curves.panels(_points(losses))
    assert len(panel.lines[0].points) <= 150
    assert panel.lines[0].path.count("L") == 4999


def test_details_become_facts_and_tables_whatever_their_shape() -> None:
    shown = details(
        {
            "values": {"seen": {"n": 3, "acc": 0.5}, "unseen": {"n": 2}},
            "rows": [{"a": 1}, {"b": [1, 2]}],
            "flat": ["x", "y"],
            "deep": [[1, 2], [3]],
            "nothing": {},
            "flag": True,
        }
    )
    assert [(t.title, t.head) for t in shown.tables] == [("values", ("", "n", "acc")), ("rows", ("a", "b"))]
    assert shown.tables[0].rows == (("seen", "3", "0.500"), ("unseen", "2", "\u2013"))
    assert shown.facts == (("flat", "x, y"), ("deep", "[[1, 2], [3]]"), ("flag", "yes"))


def test_a_slice_is_a_table_by_the_name_of_its_tag_whatever_that_is() -> None:
    shown = details({"flips": 3, "slices": {"flips": {"yes": {"n": 2}}, "slices": {"no": {"n": 1}}}})
    assert [(t.title, t.rows) for t in shown.tables] == [("flips", (("yes", "2"),)), ("slices", (("no", "1"),))]
    assert shown.facts == (("flips", "3"),)


def test_a_table_too_long_to_show_says_how_much_is_left_out() -> None:
    [table] = details({"t": [{"a": i} for i in range(1000)]}).tables
    assert len(table.rows) + table.left_out == 1000 and table.left_out > 0


def test_a_field_that_a_verdict_gains_is_told_in_the_details() -> None:
    @dataclass(frozen=True)
    class Longer(Verdict):
        looks_taken: int = 3

    assert ("looks taken", "3") in gate_row(Longer("g", "pass", "fine")).facts
    assert gate_row(Verdict("g", "pass", "fine")).facts == ()
