"""What every part of the configuration file is checked by. Errors name the file and the key."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from harness.errors import ConfigError

S = TypeVar("S")


def read_section(kind: type[S], value: Any, where: str) -> S:
    """A flat section of the file: each field of a dataclass is a key, checked by the field's type.

    A `float` must not be negative, an `int` is a count of at least 1, a `str` is not empty, a `dict[str, str]` maps
    texts to texts, a `tuple[str, ...]` is a list of texts, a `Literal` is one of its choices; `X | None` may be null.

    Raises:
        ConfigError: not a mapping, an unknown key, or a value of another type.
    """
    given = mapping(value, where)
    check_keys(given, {f.name for f in fields(kind)}, where)  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    return kind(**{key: _field(hints[key], one, f"{where}.{key}") for key, one in given.items()})


def read_task_sections(kind: type[S], value: Any, where: str) -> tuple[S, dict[str, S]]:
    """A section as `read_section` reads it, whose key `tasks` changes some of its fields for single tasks.

    Returns:
        The section, and for each task named the whole section as it holds there.

    Raises:
        ConfigError: as `read_section`.
    """
    given = mapping(value, where)
    own = {key: one for key, one in given.items() if key != "tasks"}
    changes = {
        str(task): mapping(one, f"{where}.tasks.{task}")
        for task, one in mapping(given.get("tasks"), f"{where}.tasks").items()
    }
    of_tasks = {
        task: read_section(kind, {**own, **change}, f"{where}.tasks.{task}") for task, change in changes.items()
    }
    return read_section(kind, own, where), of_tasks


def _field(hint: Any, value: Any, where: str) -> Any:
    # `Literal | None` is a typing.Union, `str | None` a types.UnionType
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value is None and types.NoneType in kinds:
        return None
    for kind in kinds:
        if typing.get_origin(kind) is typing.Literal:
            return _choice(value, typing.get_args(kind), where)
    return _FIELDS[next(kind for kind in kinds if kind in _FIELDS)](value, where)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"{where} is {value!r}", "give a number that is not negative")
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} is {value!r}", "give a name or another text that is not empty")
    return value


def _choice(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    if value not in choices:
        raise ConfigError(f"{where} is {value!r}", f"choose one of: {', '.join(choices)}")
    return value


def _count(value: Any, where: str) -> int:
    if value is None:
        raise ConfigError(f"{where} is null", "give a count of at least 1")
    check_count(value, where)
    return int(value)


def _texts(value: Any, where: str) -> dict[str, str]:
    return {_text(key, where): _text(one, f"{where}.{key}") for key, one in mapping(value, where).items()}


def _list_of_texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} is {value!r}", "give a list of texts, as in [one, two]")
    return tuple(_text(one, where) for one in value)


_FIELDS: Mapping[Any, Callable[[Any, str], Any]] = {
    float: _number,
    str: _text,
    int: _count,
    dict[str, str]: _texts,
    tuple[str, ...]: _list_of_texts,
}


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The mapping that a key holds; a key without a value is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is a {type(value).__name__}, not a mapping", "write `key: value` lines")
    return value


def check_type(value: Any, kind: type, where: str) -> None:
    """Refuse a value that is neither null nor of that type."""
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r}", f"give a value of type {kind.__name__}")


def check_count(value: Any, where: str) -> None:
    """Refuse a value that is neither null nor a whole number of at least 1."""
    check_type(value, int, where)
    if value is not None and value < 1:
        raise ConfigError(f"{where} is {value}", "give a count of at least 1, or null for all")


def check_keys(given: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse a key that is not known, naming the one it looks like."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key {key!r}", hint)
