"""Tables on a terminal: whole, aligned, and inert whatever stands in them."""

from __future__ import annotations

import pytest

from harness.report.text import table_text


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_align_to_the_right() -> None:
    rows = [("run", "n", "outcome"), ("r1", "1,204", "pass"), ("a-longer-name", "7", "")]
    assert table_text(rows, right=(1,)).split("\n") == [
        "run                n  outcome",
        "r1             1,204  pass",
        "a-longer-name      7",
    ]


@pytest.mark.parametrize("columns", ["20", "200"])
@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"])
def test_ids_are_never_cut_or_coloured_however_narrow_the_terminal(
    columns: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv(variable, "1")
    run_id = "2026-11-22T06-11-05-" + "tool-calls-" * 30
    assert table_text([(run_id, "pass"), ("r2", "fail")]) == f"{run_id}  pass\nr2{' ' * (len(run_id) - 2)}  fail"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("[red]release[/red]", "[red]release[/red]"),
        ("[/]", "[/]"),
        ("[link=file:///etc/passwd]x[/link]", "[link=file:///etc/passwd]x[/link]"),
        (":warning: 12.5 'text'", ":warning: 12.5 'text'"),
        ("\x1b[2J\x1b[31mgone", "[U+001B][2J[U+001B][31mgone"),
        ("main\npass", "main pass"),
        ("a\tb\r", "a b[U+000D]"),
        ("\u202egnp", "[U+202E]gnp"),
    ],
)
def test_hostile_text_is_shown_and_does_nothing(hostile: str, shown: str) -> None:
    assert table_text([(hostile, "end")]) == f"{shown}  end"


def test_wide_characters_take_two_columns() -> None:
    assert table_text([("\u6a21\u578b", "x"), ("abcd", "y")]) == "\u6a21\u578b  x\nabcd  y"
