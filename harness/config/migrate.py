"""Spells the keys of a file as they are called now, and changes nothing else of it: comments and line ends stay."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from harness.config.base import RENAMED_TO, Section
from harness.config.checking import check, location, resolve, schema_of
from harness.config.yaml_text import parse_yaml
from harness.errors import AssayError


@dataclass(frozen=True)
class Renaming:
    """A key that has another name now. `start` and `stop` are where it stands in the text, in characters."""

    start: int
    stop: int
    line: int
    old: str
    new: str


def migrate(
    text: str, name: str, model: type[Section], schema: Mapping[str, Any], error: type[AssayError]
) -> tuple[str, list[Renaming]]:
    """A YAML text with its keys spelt as they are now, and what was changed.

    Args:
        schema: the JSON schema that says which keys are renamed; it may say more than the model, as of tasks.

    Raises:
        AssayError: of the type `error`; the text does not agree with the schema of `model`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        check(model, parse_yaml(text, name, error), location(name), error)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    found = {} if node is None else dict.fromkeys(_renamings(node, schema, schema))  # once an anchor
    for one in sorted(found, key=lambda one: one.start, reverse=True):
        text = text[: one.start] + one.new + text[one.stop :]
    return text, list(found)


def _renamings(node: yaml.Node, schema: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Renaming]:
    if not isinstance(node, yaml.MappingNode):
        return
    whole = resolve(schema, part, {key.value: value.value for key, value in node.value})
    for key, value in node.value:
        found, start, stop = schema_of(whole, key.value), key.start_mark, key.end_mark
        if RENAMED_TO in found:
            yield Renaming(start.index, stop.index, start.line + 1, key.value, found[RENAMED_TO])
        yield from _renamings(value, schema, found)
