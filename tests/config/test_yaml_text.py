"""YAML that is damaged, or made to do damage: one error with the line, in no time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from harness.config.yaml_text import parse_foreign_yaml, parse_yaml
from harness.errors import AssayError, ConfigError

Parse = Callable[[str, str, type[AssayError]], Any]


def growing(each: str) -> str:
    """Nine of nine of nine, each written once."""
    made = [f"{new}: &{new} {each % ','.join([f'*{old}'] * 9)}" for old, new in pairwise("abcdefghi")]
    return "\n".join(["a: &a {x: 1}", *made])


BOMBS = {
    "aliases": (growing("[%s]"), "line 7, column 4: its aliases make more than 1,000,000 values"),
    "merges": (growing("{<<: [%s]}"), "line 7, column .*: its aliases make more than 1,000,000 values"),
    "a text": (
        f"a: &a '{'x' * 500_000}'\nb: [{','.join(['*a'] * 100)}]",
        "line 2, column 4: its aliases make more than 1,000,000 values",
    ),
    "a part of itself": ("a: &a [*a]", "line 1, column 4: its aliases"),
    "aliases in a row": (
        "\n".join(["a0: &a0 []", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 300))]),
        "line 101, column .*: its aliases nest it too deep",
    ),
    "brackets": ("[" * 5000, "line 1, column 101: it is nested more than 100 deep"),
    "braces": ("{a: " * 5000, "line 1, column .*: it is nested more than 100 deep"),
    "a bracket a line": ("[\n" * 5000, "line 101, column 1: it is nested more than 100 deep"),
    "indentation": ("\n".join(f"{' ' * i}a:" for i in range(300)), "line .*: it is nested more than 100 deep"),
    "dashes": ("- " * 5000, "line 1, column 201: it is nested more than 100 deep"),
    "length": ("a: " + "x" * (1 << 20), "longer than 1,048,576 characters"),
}


@pytest.mark.parametrize("parse", [parse_yaml, parse_foreign_yaml])
@pytest.mark.parametrize(("text", "told"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(text: str, told: str, parse: Parse) -> None:
    with pytest.raises(ConfigError, match=rf"^f\.yaml.*{told}"):
        parse(text, "f.yaml", ConfigError)


@pytest.mark.parametrize("parse", [parse_yaml, parse_foreign_yaml])
@pytest.mark.parametrize(
    "value",
    [
        "!!int abc", "!!int ''", "!!float abc", "!!float ''", "!!bool abc", "!!timestamp abc", "!!binary x", "!!set [1]",
        "!!omap {a: 1}", "!!pairs x", "!!python/object:os.system x", "0x_", "9" * 5000, ":".join(["59"] * 9999),
        "!!float " + "9" * 5000, "{[b]: c}", r'"\0"', r'"\ud800"',
    ],
)  # fmt: skip
def test_a_value_that_its_tag_cannot_be_is_told_with_its_line(value: str, parse: Parse) -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml, line 2, column "):
        parse(f"a: 1\nb: {value}\n", "f.yaml", ConfigError)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\ud800"])
def test_a_character_of_no_yaml_is_told_with_its_line(character: str) -> None:
    with pytest.raises(ConfigError, match=rf"^f\.yaml, line 2: U\+{ord(character):04X} is no character of YAML"):
        parse_yaml(f"a: 1\nb: {character}\n", "f.yaml", ConfigError)


def test_a_day_that_no_calendar_has_is_left_to_whoever_knows_the_key() -> None:
    assert parse_yaml("recipe: 2024-99-99", "f.yaml", ConfigError) == {"recipe": "2024-99-99"}


def test_tags_of_another_tool_stay_text() -> None:
    said = "class: !function mine.Task\nclass: !function other.Task"
    assert parse_foreign_yaml(said, "f.yaml", ConfigError) == {"class": "!function other.Task"}
    with pytest.raises(ConfigError, match="line 1, column 8: could not determine"):
        parse_yaml(said.partition("\n")[0], "f.yaml", ConfigError)
