"""YAML as people write recipes and configurations: `1e-3` is a number, and a key given twice is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from harness.errors import AssayError, show
from harness.paths import MOST_TEXT_BYTES, read_text_file

_MOST_NODES = 1_000_000
_CHARACTERS_OF_A_NODE = 16  # a document without aliases, however long it may be, has less than the most
_DEEPEST = 100
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST_NUMBER = 100
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _BoundedLoader(yaml.SafeLoader):
    """Refuses what is nested too deep as it is met, and tells where a value is that its tag cannot be."""

    _depth = 0

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """An opening bracket; each that stands open makes the scanner slower."""
        self._refuse_depth(self.flow_level, self.get_mark())
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A value with all that is in it."""
        self._refuse_depth(self._depth, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """A text; escapes can write what no file and no path can hold."""
        if isinstance(node.value, str) and (found := _UNWRITABLE.search(node.value)):
            problem = f"{found.group()!a} is no character of a text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return super().construct_scalar(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:  # in base 60 it takes minutes to read one
            problem = f"this is no number: it has {len(node.value):,} characters"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (TypeError, ValueError, OverflowError, LookupError, AttributeError) as error:  # of its constructors
            kind = node.tag.rpartition(":")[2]
            seen = f"{show(node.value)}: " if isinstance(node, yaml.ScalarNode) else ""
            problem = f"this is no {kind}: {seen}{error}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def _refuse_depth(self, depth: int, mark: yaml.Mark) -> None:
        if depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"it is nested more than {_DEEPEST} deep", problem_mark=mark)


class _Loader(_BoundedLoader):
    """PyYAML follows YAML 1.1, where `1e-3` is a string and the later of two equal keys wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)  # else it is refused below
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
    """YAML as other tools read it: the later of two equal keys wins, and what their own tags mean stays text."""


_ForeignLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_ForeignLoader.add_multi_constructor("!", lambda loader, name, node: f"!{name} {loader.construct_scalar(node)}")


def read_yaml(path: Path, error_class: type[AssayError], remedy: str) -> Any:
    """Parse the YAML document in a file.

    Raises:
        AssayError: of `error_class`; the file cannot be read (then with that remedy), or as of `parse_yaml`.
    """
    return parse_yaml(read_text_file(path, error_class, remedy), str(path), error_class)


def parse_yaml(text: str, name: str, error_class: type[AssayError]) -> Any:
    """Parse one YAML document.

    Raises:
        AssayError: of `error_class`; the text is not YAML, repeats a key, is longer or deeper than what people write, or is a
            bomb of aliases; the message names `name`, line and column.
    """
    return _parsed(text, name, error_class, _Loader)


def parse_foreign_yaml(text: str, name: str, error_class: type[AssayError]) -> Any:
    """The same of a document that another tool wrote for itself: keys may stand twice in it."""
    return _parsed(text, name, error_class, _ForeignLoader)


def _parsed(text: str, name: str, error_class: type[AssayError], kind: type[yaml.SafeLoader]) -> Any:
    if len(text) > MOST_TEXT_BYTES:
        raise error_class(f"{name} is longer than {MOST_TEXT_BYTES:,} characters", "keep data in files of their own")
    try:
        loader = kind(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _refuse_bombs(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise error_class(f"{where}: {error.problem}", "correct the YAML there") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise error_class(
            f"{name}, line {line}: U+{error.character:04X} is no character of YAML", "remove it"
        ) from error
    except ValueError as error:  # of its scanner: an escaped character that is none
        raise error_class(f"{name}: {error}", "correct the YAML") from error


def _refuse_bombs(root: yaml.Node) -> None:
    """Refuse a document that aliases blow up: parts of parts of parts, each written once and meant many times."""
    measured: dict[int, tuple[int, int]] = {}

    def measure(node: yaml.Node) -> tuple[int, int]:
        """How many values it makes, a long text counted as several, and how deep they lie. What an alias means stands before
        it, so is measured by then."""
        if id(node) not in measured:
            measured[id(node)] = _MOST_NODES, 0  # of a node within itself
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            own = [] if isinstance(node, yaml.ScalarNode) else [measure(part) for part in parts]
            text = len(node.value) // _CHARACTERS_OF_A_NODE if isinstance(node, yaml.ScalarNode) else 0
            measured[id(node)] = (
                1 + text + sum(size for size, _ in own),
                1 + max((depth for _, depth in own), default=0),
            )
        size, depth = measured[id(node)]
        if size >= _MOST_NODES or depth > _DEEPEST:
            meant = f"make more than {_MOST_NODES:,} values of it" if size >= _MOST_NODES else "nest it too deep"
            raise yaml.MarkedYAMLError(problem=f"its aliases {meant}", problem_mark=node.start_mark)
        return size, depth

    measure(root)
