"""Regular expressions of people: none of them keeps a run, in whatever thread it is tried."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import patterns
from harness.errors import ConfigError, TaskError
from harness.patterns import refused, search

NEVER_DONE = [r"(a|aa)+$", r"(a|a?)+$", r"(a|aa|aaa)+$"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_LONGEST_S", 0.05)


@pytest.mark.parametrize(("pattern", "whole"), [*((one, False) for one in NEVER_DONE), (NEVER_DONE[0], True)])
def test_an_expression_that_is_never_done_is_told_by_its_key(pattern: str, whole: bool) -> None:
    with pytest.raises(TaskError, match=r"label_pattern .* takes more than 0\.05 s on a text of 201 characters"):
        search(pattern, "a" * 200 + "!", "label_pattern", TaskError, whole=whole)


def test_in_another_thread_it_is_told_as_well() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigError, match="takes more than"):
        pool.submit(search, NEVER_DONE[0], "a" * 200 + "!", "data.accepted", ConfigError).result()


def test_what_is_done_in_time_is_found() -> None:
    assert search("b+", "abbc", "regex", TaskError)[0] == "bb"
    assert search("b+", "abbc", "regex", TaskError, whole=True) is None
    assert search("a.*", "abbc", "regex", TaskError, whole=True)[0] == "abbc"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "missing )"), ("+1 650", "nothing to repeat"), ("(" * 5000 + ")" * 5000, "nested too deep")],
)
def test_what_is_no_expression_is_said_to_be_none(pattern: str, said: str) -> None:
    assert said in (refused(pattern) or "")
    assert refused("a+") is None


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("item{s}", "items", None),  # `regex` alone has it match what is nearly so
        ("item{s}", "an item{s}", "item{s}"),
        (r"a{2}\{b\}", "aa{b}", "aa{b}"),
        (r"\p{Lu}+", "abCD", "CD"),
        ("[{}]", "}", "}"),
    ],
)
def test_braces_that_count_nothing_stand_for_themselves(pattern: str, text: str, found: str | None) -> None:
    assert refused(pattern) is None
    match = search(pattern, text, "regex", TaskError)
    assert (match and match[0]) == found
