"""Pages out of a JSON Schema: one section for each object, a row for each key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from generator.markdown import code, prose, table

Schema = Mapping[str, Any]
Placed = tuple[str, Schema, str]
"""An object's path in the document, the object, and the name of its definition, if it has one."""


_WORDS = {
    "object": "section",
    "array": "list",
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
}


def page(title: str, schema: Schema, intro: str) -> str:
    """The whole document."""
    described = {name: path for path, _, name in reversed(list(_objects(schema, schema, ""))) if name}
    return "\n".join([f"# {title}\n", intro, *_sections(schema, schema, described)])


def keys(schema: Schema) -> str:
    """The keys of one object whose values hold no others."""
    return _keys(schema, schema, "", {})


def _sections(schema: Schema, root: Schema, described: Mapping[str, str]) -> Iterator[str]:
    """The keys of the document, then a section for each object in it. A definition is described where it is first used."""
    yield _keys(schema, root, "", described)
    shown: dict[str, Schema] = {}
    for path, inner, name in _objects(schema, root, ""):
        if described.get(name, path) == path:
            yield f"## {path} {{: #{_anchor(path)} }}\n"
            yield _sentence(prose(inner.get("description"))) + "\n"
            around = next(
                (one for one in shown if path.startswith(f"{one}.") and shown[one].keys() >= _present(inner).keys()), ""
            )
            yield f"Any key of [{around}](#{_anchor(around)}).\n" if around else _keys(inner, root, path, described)
            shown[path] = _present(inner)


def _keys(schema: Schema, root: Schema, path: str, described: Mapping[str, str]) -> str:
    """A row for each key; only their names where nothing is said about any, as of arguments that are passed through."""
    keys = _present(schema)
    if not any("description" in value or "$ref" in value for value in keys.values()):
        return f"Its keys: {', '.join(map(code, keys))}.\n"
    rows = ((code(key), *_cells(value, root, _join(path, key), described)) for key, value in keys.items())
    return table(("key", "type", "default", "what it is"), rows)


def _cells(value: Schema, root: Schema, path: str, described: Mapping[str, str]) -> tuple[str, str, str]:
    resolved, _ = _resolve(value, root)
    said = prose(value.get("description") or resolved.get("description")).replace("\n", " ")
    inner = next(_held(value, root, path), None)
    if inner is not None:
        place = described.get(inner[2], inner[0])
        return _type(value, root), "", f"{_sentence(said)} Keys: [{place}](#{_anchor(place)}).".strip()
    return (
        _type(value, root),
        code(json.dumps(value["default"], ensure_ascii=False)) if "default" in value else "",
        said,
    )


def _type(value: Schema, root: Schema) -> str:
    """In words a reader of YAML knows."""
    value, _ = _resolve(value, root)
    if "const" in value:
        return code(value["const"])
    if "enum" in value:
        return ", ".join(code("null" if choice is None else choice) for choice in value["enum"])
    union = value.get("anyOf") or value.get("oneOf")
    if union:
        return " or ".join(dict.fromkeys(_type(one, root) for one in union))
    kind = value.get("type", "any")
    if kind == "array" and "items" in value:
        return f"list of {_type(value['items'], root)}"
    if kind == "object" and isinstance(value.get("additionalProperties"), Mapping):
        return f"name: {_type(value['additionalProperties'], root)}"
    return " or ".join(_WORDS.get(one, one) for one in ([kind] if isinstance(kind, str) else kind))


def _objects(schema: Schema, root: Schema, path: str, above: frozenset[str] = frozenset()) -> Iterator[Placed]:
    """Every object below this one, outermost first; a definition that holds itself ends there."""
    for key, value in _present(schema).items():
        for place, inner, name in _held(value, root, _join(path, key)):
            yield place, inner, name
            if name not in above:
                yield from _objects(inner, root, place, above | {name} if name else above)


def _held(value: Schema, root: Schema, path: str) -> Iterator[Placed]:
    """The objects with keys of their own that a value may be, or hold under names or in a list."""
    resolved, name = _resolve(value, root)
    if "discriminator" in resolved:  # kinds of task have a page of their own
        return
    if _present(resolved):
        yield path, resolved, name
    for one in resolved.get("anyOf") or resolved.get("oneOf") or ():
        yield from _held(one, root, path)
    if isinstance(resolved.get("items"), Mapping):
        yield from _held(resolved["items"], root, f"{path}[]")
    if isinstance(resolved.get("additionalProperties"), Mapping):
        yield from _held(resolved["additionalProperties"], root, f"{path}.NAME")


def _present(schema: Schema) -> Schema:
    """The keys that are to be used: not the old spellings."""
    return {key: value for key, value in schema.get("properties", {}).items() if not value.get("deprecated")}


def _resolve(value: Schema, root: Schema) -> tuple[Schema, str]:
    """What a `$ref` stands for, and the definition's name."""
    if "$ref" not in value:
        return value, ""
    name = value["$ref"].rpartition("/")[2]
    return root["$defs"][name], name


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _anchor(path: str) -> str:
    return path.lower().replace(".", "-").replace("[]", "-entry")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
