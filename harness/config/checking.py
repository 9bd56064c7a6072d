"""Turns what pydantic finds into errors for people: file, key, the value seen, and what would do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.config.base import RENAMED_TO, Section, noted_renamings
from harness.errors import AssayError, did_you_mean, joined, show

S = TypeVar("S", bound=Section)
Location = Callable[[Sequence[str]], str]
_LISTED_KEYS = 40
_MOST_COMPLAINTS, _MOST_ERRORS = (
    30,
    300,
)  # told of one file, and looked at: a file of something else is wrong in every line
_MOST_SEEN = 200


def check(model: type[S], given: Any, located: Location, error: type[AssayError]) -> S:
    """What a person wrote, as a section.

    Args:
        located: how the location of a value is written, as in `assay.yaml: margins.loss_gap`, by its keys.

    Raises:
        AssayError: of the type `error`; it tells every complaint, each with the value seen and what would do.
    """
    noted: list[tuple[str, str]] = []
    noting = noted_renamings.set(noted)
    try:
        section = model.model_validate(given)
        _warn_renamed(noted, located([]), model.migrated_by, error)
        return section
    except ValidationError as exc:
        schema = model.model_json_schema()
        meant = _meant(exc.errors(include_url=False)[:_MOST_ERRORS], given)
        complaints = [error(*_complaint(schema, one, located)) for one in meant[:_MOST_COMPLAINTS]]
        if exc.error_count() > _MOST_ERRORS or len(meant) > _MOST_COMPLAINTS:
            complaints.append(error(f"{located([])}: more is wrong than is told", "correct these first"))
    finally:
        noted_renamings.reset(noting)
    raise joined(complaints, error)


def _meant(errors: Sequence[ErrorDetails], given: Any) -> Sequence[ErrorDetails]:
    """Errors at places that a person wrote. Of a value that may be one of several kinds pydantic tells what each kind finds
    wrong with it, by names of its own: left are those of the kind that got furthest into it."""
    found: dict[tuple[int | str, ...], ErrorDetails] = {}
    for error in errors:
        place = _written(error, given)
        found.setdefault(place, {**error, "loc": place})
    of_kinds = {_written(error, given) for error in errors if _written(error, given) != tuple(error["loc"])}
    return [
        error
        for place, error in found.items()
        if not (
            place in of_kinds and any(len(other) > len(place) and other[: len(place)] == place for other in of_kinds)
        )
    ]


def _written(error: ErrorDetails, given: Any) -> tuple[int | str, ...]:
    """The location of an error without the kinds in it: only keys and places in lists that are there, or missing."""
    place: list[int | str] = []
    *_, last = loc = error["loc"] or ("",)
    for part in loc:
        if part in _keys(given):
            given = given[part]
        elif part != "[key]" and not (part is last and error["type"] == "missing"):
            continue
        place.append(part)
    return tuple(place)


def _keys(given: Any) -> Collection[Any]:
    if isinstance(given, Mapping):
        return given.keys()
    return range(len(given)) if isinstance(given, list | tuple) else ()


def _warn_renamed(noted: Sequence[tuple[str, str]], name: str, command: str, error: type[AssayError]) -> None:
    """Tell each old spelling once: by a warning, or by our own error where warnings are errors."""
    file = name if name.endswith((".yaml", ".yml")) else "FILE"
    remedy = "rename it" if name.endswith(".toml") else f"`{command} {file}` rewrites it"
    for old, new in dict.fromkeys(noted):
        problem = f"{name}: {old!r} is called {new!r} now"
        try:
            warnings.warn(f"{problem}; {remedy}", FutureWarning, stacklevel=3)
        except FutureWarning as exc:
            raise error(problem, remedy) from exc


def location(name: str, *at: str) -> Location:
    """How values of a file or task are located, or those under its keys `at`: by its name and the dotted keys."""
    return lambda keys: f"{name}: {'.'.join([*at, *keys])}" if at or keys else name


def schema_at(schema: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """The part of a JSON schema that a value under those keys must agree with; empty where it says nothing."""
    part = resolve(schema, schema)
    for key in keys:
        part = resolve(schema, schema_of(part, key))
    return part


def schema_of(part: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What a part of a schema says of the value under one key, or of one entry of a list."""
    lists = (one["items"] for one in [part, *part.get("anyOf", [])] if "items" in one)
    return part.get("properties", {}).get(key) or next(lists, None) or part.get("additionalProperties") or {}


def resolve(
    schema: Mapping[str, Any], part: Mapping[str, Any], said: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """A part with what it refers to: of a section or null the section, of kinds of section that of the value `said`."""
    if "discriminator" in part:
        kinds = part["discriminator"]
        part = {"$ref": kinds["mapping"].get((said or {}).get(kinds["propertyName"]))}
    for one in [part, *part.get("anyOf", [])]:
        if one.get("$ref") is not None:
            return {**schema["$defs"][one["$ref"].rpartition("/")[2]], **part}
    return part


def _complaint(schema: Mapping[str, Any], error: ErrorDetails, located: Location) -> tuple[str, str]:
    """Problem and remedy in words."""
    keys = [str(key)[:_MOST_SEEN] for key in error["loc"]]
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "objection" if isinstance(value, dict | Section):
            return f"{located(keys)}: {context['problem']}", context["remedy"]
        case "objection" if context["problem"]:
            return f"{located(keys)} is {_seen(value)}: {context['problem']}", context["remedy"]
        case "objection":
            return f"{located(keys)} is {show(value)}", context["remedy"]
        case "extra_forbidden" | "invalid_key":
            known = schema_at(schema, keys[:-1]).get("properties", {})
            names = [name for name, one in known.items() if RENAMED_TO not in one]
            return f"{located(keys[:-1])}: unknown key {_seen(error['loc'][-1])}", _known_keys(keys[-1], names)
        case "missing":
            return f"{located(keys)} is missing", f"add `{keys[-1]}:`"
        case "model_type" | "dict_type" | "mapping_type":
            return f"{located(keys)} is a {type(value).__name__}, not a mapping", "write `key: value` lines under it"
        case "string_type" if keys[-1] == "[key]":
            return f"{located(keys[:-2])} has the key {show(value)}", "put the key in quotes"
    seen = show(value) if kind.endswith("_type") else _seen(value)
    wanted = schema_at(schema, keys)
    meaning = f"; {keys[-1]}: {' '.join(wanted['description'].split())}" if "description" in wanted else ""
    words = in_words(wanted)
    if not words.startswith("one of"):
        return f"{located(keys)} is {seen}", f"give {words}{meaning}"
    choices = [choice for one in [wanted, *wanted.get("anyOf", [])] for choice in _choices(one)]
    return f"{located(keys)} is {seen}", f"{did_you_mean(str(value), choices)}choose {words}{meaning}"


def _seen(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SEEN else f"{text[: _MOST_SEEN - 3]}..."


def in_words(part: Mapping[str, Any]) -> str:
    """What a part of a JSON schema admits: `a whole number of at least 1, or null`."""
    if "anyOf" in part:
        return ", or ".join(in_words(one) for one in part["anyOf"])
    if choices := _choices(part):
        return f"one of: {', '.join(map(str, choices))}"
    limits = [f"{words} {_number(part[bound])}" for bound, words in _BOUNDS.items() if bound in part]
    return " ".join([_KINDS.get(part.get("type", ""), "another value"), " and ".join(limits)]).strip()


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _choices(part: Mapping[str, Any]) -> list[Any]:
    """The values that a part lists; a list of one is a `const`."""
    return [part["const"]] if "const" in part else part.get("enum", [])


_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
}
_KINDS = {
    "null": "null",
    "boolean": "true or false",
    "string": "a text that is not empty, in quotes where it reads as something else",
    "number": "a number",
    "integer": "a whole number",
    "array": "a list of texts, as in [one, two]",
    "object": "a mapping",
}


def _known_keys(key: str, known: Sequence[str]) -> str:
    if hint := did_you_mean(key, known):
        return hint.rstrip()
    if len(known) > _LISTED_KEYS:
        return "none is spelt like it; `assay schema` prints them all, `assay schema --recipe` those of a recipe"
    return f"known keys: {', '.join(sorted(known))}"
