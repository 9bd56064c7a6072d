import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.page import code_spans
from harness.report.text import duration, figure, markdown, moment, one_line, printable, shorten

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_nothing_that_hides_or_reorders_text_survives(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not set("\u202e\u202a\u2066\x7f\x9b") & set(shown)
    shown.encode("utf-8")


def test_controls_are_shown_not_dropped() -> None:
    assert printable("a\x00\x1b[31m\u202eb\r\n\ud800") == "a[U+0000][U+001B][31m[U+202E]b\n\ufffd"


@given(ANY_TEXT)
def test_markdown_has_no_active_character_and_stays_on_its_line(text: str) -> None:
    shown = markdown(text)
    for entity in {f"&#{n};" for n in range(33, 127)}:
        shown = shown.replace(entity, "")
    assert not set("<>|`*[]()\n\r&#!") & set(shown)
    assert "://" not in shown
    assert "@\u200b" in shown or "@" not in shown


def test_gate_names_stay_readable_in_markdown_but_emphasis_does_not_work() -> None:
    assert markdown("task/tool_calls/non-inferior: 0.2") == "task/tool_calls/non-inferior: 0.2"
    assert markdown("_x_ __y__") == "&#95;x&#95; &#95;&#95;y&#95;&#95;"


def test_a_long_text_keeps_its_head_and_tail_and_says_what_is_missing() -> None:
    shown = shorten("a" * 900 + "z" * 100, 300)
    assert shown.startswith("a" * 200) and shown.endswith("z" * 100) and "700 characters left out" in shown
    assert shorten("short", 300) == "short"
    assert len(one_line("x" * 1000, 50)) == 50


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.975, False, "0.975"), (0.05, True, "+0.050"), (-0.05, True, "\u22120.050"), (0.0, True, "0.000"),
        (1204.3, False, "1,204"), (0.0002, False, "2.0e-04"), (None, False, "\u2013"), (math.nan, False, "NaN"),
        (-math.inf, True, "\u2212\u221e"),
    ],
)  # fmt: skip
def test_figures_read_alike(value: float | None, signed: bool, text: str) -> None:
    assert figure(value, signed=signed) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (48.4, "48 s"), (59.7, "1 min 00 s"), (252, "4 min 12 s"), (7500, "2 h 05 min")],
)
def test_durations_carry_over(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_that_is_no_iso_time_is_shown_as_it_is() -> None:
    assert moment(datetime(2026, 11, 22, 6, 11, tzinfo=UTC).isoformat()) == "22 Nov 2026, 06:11 UTC"
    assert moment("yesterday") == "yesterday"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pass `--force <why>` & wait", "pass <code>--force &lt;why&gt;</code> &amp; wait"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("one ` alone <b>", "one ` alone &lt;b&gt;"),
        ("`a` then `", "<code>a</code> then `"),
        ("``", ""),
        ("`</code><script>`", "<code>&lt;/code&gt;&lt;script&gt;</code>"),
        ("\x1b`\u202e`", "[U+001B]<code>[U+202E]</code>"),
    ],
)
def test_what_stands_in_backticks_is_code_and_all_is_escaped(text: str, shown: str) -> None:
    assert code_spans(text) == shown
