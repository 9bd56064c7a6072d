"""Turns what pydantic finds into errors for people: file, key, the value seen, and what would do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.config.base import RENAMED_TO, Section
from harness.errors import AssayError

S = TypeVar("S", bound=Section)
Location = Callable[[Sequence[str]], str]
_LISTED_KEYS = 40


def check(model: type[S], given: Any, place: Location, error: type[AssayError]) -> S:
    """What a person wrote, as a section.

    Args:
        place: how the place of a value is written, as in `assay.yaml: margins.loss_gap`, by its keys.

    Raises:
        AssayError: of the type `error`; it tells every complaint, each with the value seen and what would do.
    """
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        schema = model.model_json_schema()
        told = [_complaint(schema, one, place) for one in exc.errors(include_url=False)]
    *others, (problem, remedy) = dict.fromkeys(told)
    raise error("\n".join([*(str(AssayError(*one)) for one in others), problem]), remedy)


def in_file(name: str, *at: str) -> Location:
    """Places in a file, or under the keys `at` of it: its name and the dotted keys."""
    return lambda keys: f"{name}: {'.'.join([*at, *keys])}" if at or keys else name


def schema_at(schema: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """The part of a JSON schema that a value under those keys must agree with; empty where it says nothing."""
    part = schema
    for key in keys:
        part = _whole(schema, part)
        named = part.get("properties", {}).get(key)
        part = named or part.get("items") or part.get("additionalProperties") or {}
    return _whole(schema, part)


def _whole(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part with what it refers to; of a section or null the section."""
    for one in [part, *part.get("anyOf", [])]:
        if "$ref" in one:
            return {**schema["$defs"][one["$ref"].rpartition("/")[2]], **part}
    return part


def _complaint(schema: Mapping[str, Any], error: ErrorDetails, place: Location) -> tuple[str, str]:
    """Problem and remedy in words."""
    keys = [str(key) for key in error["loc"]]
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "objection" if isinstance(value, dict | Section):
            return f"{place(keys)}: {context['problem']}", context["remedy"]
        case "objection" if context["problem"]:
            return f"{place(keys)} is {value!r}: {context['problem']}", context["remedy"]
        case "objection":
            return f"{place(keys)} is {_typed(value)}", context["remedy"]
        case "extra_forbidden" | "invalid_key":
            known = schema_at(schema, keys[:-1]).get("properties", {})
            names = [name for name, one in known.items() if RENAMED_TO not in one]
            return f"{place(keys[:-1])}: unknown key {error['loc'][-1]!r}", _nearest(keys[-1], names)
        case "missing":
            return f"{place(keys)} is missing", f"add `{keys[-1]}:`"
        case "model_type" | "dict_type" | "mapping_type":
            return f"{place(keys)} is a {type(value).__name__}, not a mapping", "write `key: value` lines under it"
        case "string_type" if keys[-1] == "[key]":
            return f"{place(keys[:-2])} has the key {_typed(value)}", "put the key in quotes"
    seen = _typed(value) if kind.endswith("_type") else repr(value)
    wanted = schema_at(schema, keys)
    meaning = f"; {keys[-1]}: {' '.join(wanted['description'].split())}" if "description" in wanted else ""
    words = in_words(wanted)
    return f"{place(keys)} is {seen}", f"{'choose' if words.startswith('one of') else 'give'} {words}{meaning}"


def _typed(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"


def in_words(part: Mapping[str, Any]) -> str:
    """What a part of a JSON schema admits: `a whole number of at least 1, or null`."""
    if "anyOf" in part:
        return ", or ".join(in_words(one) for one in part["anyOf"])
    if "enum" in part:
        return f"one of: {', '.join(map(str, part['enum']))}"
    limits = [f"{words} {part[bound]:g}" for bound, words in _BOUNDS.items() if bound in part]
    return " ".join(
        [_KINDS.get(part.get("const", part.get("type", "")), "another value"), " and ".join(limits)]
    ).strip()


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


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if len(known) > _LISTED_KEYS:
        return "none is spelt like it; `assay schema` prints them all, `assay schema --recipe` those of a recipe"
    return f"known keys: {', '.join(sorted(known))}"
