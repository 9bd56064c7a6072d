"""Pages out of a JSON Schema: one section for each object, a row for each key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from generator.markdown import code, prose, table

Schema = Mapping[str, Any]


def page(title: str, schema: Schema, intro: str) -> str:
    """The whole document."""
    parts = [f"# {title}\n", intro, *_sections(schema, schema, "", frozenset())]
    return "\n".join(part for part in parts if part)


def _sections(schema: Schema, root: Schema, path: str, above: frozenset[str]) -> Iterator[str]:
    """A section for the object at `path`, then those of the objects in it; a definition that holds itself ends there."""
    properties: Schema = schema.get("properties", {})
    if properties:
        if path:
            yield f"## {path} {{: #{_anchor(path)} }}\n"
            yield prose(schema.get("description")) + "\n"
        yield table(
            ("key", "type", "default", "what it is"),
            ((code(key), *_cells(value, root, f"{path}.{key}".lstrip("."))) for key, value in properties.items()),
        )
    for key, value in properties.items():
        for inner, suffix, name in _objects(value, root):
            if not name or name not in above:
                yield from _sections(inner, root, f"{path}.{key}".lstrip(".") + suffix, above | {name})


def _cells(value: Schema, root: Schema, path: str) -> tuple[str, str, str]:
    resolved = _resolve(value, root)[0]
    described = prose(value.get("description") or resolved.get("description")).replace("\n", " ")
    if any(True for _ in _objects(value, root)):
        return _type(value, root), "", f"{_first_sentence(described)} See [below](#{_anchor(path)}).".strip()
    default = code(json.dumps(value["default"], ensure_ascii=False)) if "default" in value else ""
    return _type(value, root), default, described


def _type(value: Schema, root: Schema) -> str:
    """In words a reader of YAML knows."""
    value, _ = _resolve(value, root)
    if "const" in value:
        return code(json.dumps(value["const"]).strip('"'))
    if "enum" in value:
        return ", ".join(code("null" if choice is None else choice) for choice in value["enum"])
    union = value.get("anyOf") or value.get("oneOf")
    if union:
        return " or ".join(dict.fromkeys(_type(one, root) for one in union))
    kind = value.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(value.get('items', {}), root)}"
    if kind == "object" and isinstance(value.get("additionalProperties"), Mapping):
        return f"name: {_type(value['additionalProperties'], root)}"
    return {"object": "section", "string": "text", "boolean": "true or false", "integer": "whole number"}.get(
        kind, kind
    )


def _objects(value: Schema, root: Schema) -> Iterator[tuple[Schema, str, str]]:
    """The objects with keys of their own that a value may be or hold, what they add to its path, and their definition."""
    resolved, name = _resolve(value, root)
    if resolved.get("properties"):
        yield resolved, "", name
    for one in resolved.get("anyOf") or resolved.get("oneOf") or ():
        yield from _objects(one, root)
    if isinstance(resolved.get("items"), Mapping):
        yield from ((inner, f"[]{suffix}", name) for inner, suffix, name in _objects(resolved["items"], root))
    if isinstance(resolved.get("additionalProperties"), Mapping):
        for inner, suffix, name in _objects(resolved["additionalProperties"], root):
            yield inner, f".NAME{suffix}", name


def _resolve(value: Schema, root: Schema) -> tuple[Schema, str]:
    """What a `$ref` stands for, with what stands beside it, and the definition's name."""
    if "$ref" not in value:
        return value, ""
    name = value["$ref"].rpartition("/")[2]
    beside = {key: said for key, said in value.items() if key != "$ref"}
    return {**root["$defs"][name], **beside}, name


def _anchor(path: str) -> str:
    return path.lower().replace(".", "-").replace("[]", "-entry")


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".") + "." if text else ""
