"""YAML as people write recipes and configurations: `1e-3` is a number, and a key given twice is an error."""

from __future__ import annotations

import re
from typing import Any

import yaml

from harness.errors import AssayError


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1, where `1e-3` is a string and the later of two equal keys wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        """A day; what no calendar has stays text, for whoever knows the key to refuse."""
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            return node.value


_Loader.yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str, name: str, error_class: type[AssayError]) -> Any:
    """Parse one YAML document.

    Raises:
        AssayError: of `error_class`; the text is not YAML, or repeats a key; the message names `name`, line and column.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise error_class(f"{where}: {error.problem}", "correct the YAML there") from error
    except RecursionError as error:
        raise error_class(f"{name}: it is nested too deep to be read", "write it flatter") from error
    except (yaml.YAMLError, TypeError) as error:
        raise error_class(f"{name}: {error}", "correct the YAML") from error
