"""YAML as people write recipes and configurations: `1e-3` is a number, and a key given twice is an error."""

from __future__ import annotations

import re
from typing import Any

import yaml

from harness.errors import AssayError

_MOST_NODES = 1_000_000
_MOST_LEVELS = 100


class _BoundedLoader(yaml.SafeLoader):
    """PyYAML takes seconds to find that it cannot go as deep as a hostile text does."""

    _level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._level == _MOST_LEVELS:
            raise RecursionError
        self._level += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._level -= 1
        return node


class _Loader(_BoundedLoader):
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


class _ForeignLoader(_BoundedLoader):
    """YAML as other tools read it: the later of two equal keys wins."""


_ForeignLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def parse_yaml(text: str, name: str, error_class: type[AssayError]) -> Any:
    """Parse one YAML document.

    Raises:
        AssayError: of `error_class`; the text is not YAML, repeats a key, or is a bomb of aliases; the message names `name`,
            line and column.
    """
    return _parsed(text, name, error_class, _Loader)


def parse_foreign_yaml(text: str, name: str, error_class: type[AssayError]) -> Any:
    """The same of a document that another tool wrote for itself: keys may stand twice in it."""
    return _parsed(text, name, error_class, _ForeignLoader)


def _parsed(text: str, name: str, error_class: type[AssayError], kind: type[yaml.SafeLoader]) -> Any:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_bombs(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise error_class(f"{where}: {error.problem}", "correct the YAML there") from error
    except RecursionError as error:
        raise error_class(f"{name}: it is nested too deep to be read", "write it flatter") from error
    except (yaml.YAMLError, TypeError, ValueError, OverflowError) as error:
        raise error_class(f"{name}: {error}", "correct the YAML") from error
    finally:
        loader.dispose()


def _refuse_bombs(root: yaml.Node) -> None:
    """Refuse a document that aliases blow up: parts of parts of parts, each written once and meant many times."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = _MOST_NODES  # of a node within itself
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 if isinstance(node, yaml.ScalarNode) else 1 + sum(map(size, parts))
        if sizes[id(node)] >= _MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"its aliases make more than {_MOST_NODES:,} values of it", problem_mark=node.start_mark
            )
        return sizes[id(node)]

    size(root)
