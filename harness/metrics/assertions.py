"""What an answer must hold or be, with an argument: `metrics: [{contains: "Kind regards"}]` of a task that generates text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.bounded import computed
from harness.engines.requests import Generation
from harness.errors import TaskError, first_line, show
from harness.json_files import load_json, read_json
from harness.metrics.base import Metric
from harness.paths import user_path
from harness.patterns import refused, search

_LONGEST_S = 5.0

Holds = Callable[[Generation], bool]


@dataclass(frozen=True)
class Assertion:
    """A metric that is 1 where an answer is as asserted and 0 where not, whatever the right answer is.

    Attributes:
        metric: under its own name, or the one that the task gives it.
        identity: what of it decides a score, for the digest of the task.
    """

    metric: Metric
    holds: Holds
    identity: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name

    def of(self, answer: Generation, target: Any) -> float:
        """1 or 0."""
        return float(self.holds(answer))


@dataclass(frozen=True)
class AssertionKind:
    """A kind of assertion.

    Attributes:
        name: the key under `metrics:` that takes the argument.
        meaning: what is asserted, for people.
        read: (argument as written, directory that paths in it start at) -> the argument with all that it names. Raises
            ValueError, which says what would do.
        holds: (argument as read) -> whether an answer is as asserted.
        revision: raise it when scores change, so that runs before and after are not compared.
    """

    name: str
    meaning: str
    read: Callable[[Any, Path], Any]
    holds: Callable[[Any], Holds]
    revision: int = 1

    def make(self, argument: Any, root: Path, *, task: str, name: str | None = None) -> Assertion:
        """The assertion of an argument.

        Raises:
            TaskError: the argument is not one.
        """
        try:
            read = self.read(argument, root)
            holds = self.holds(read)
        except ValueError as error:
            raise TaskError(f"task {task!r}: metrics: {self.name} is {show(argument)}", str(error)) from None
        metric = Metric(name or self.name, kind="binary")
        return Assertion(metric, holds, (metric.name, self.revision, self.name, read))


def _texts(value: Any, root: Path) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("give a text, or a list of texts")
    return texts


def _contains(texts: list[str]) -> Holds:
    return lambda answer: all(text in answer.text for text in texts)


def _not_contains(texts: list[str]) -> Holds:
    return lambda answer: not any(text in answer.text for text in texts)


def _pattern(value: Any, root: Path) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("give a regular expression, in single quotes")
    return value


def _regex(pattern: str) -> Holds:
    if (problem := refused(pattern)) is not None:
        raise ValueError(f"correct the regular expression: {problem}")
    return lambda answer: search(pattern, answer.text.strip(), "regex", TaskError) is not None


def _schema(value: Any, root: Path) -> Mapping[str, Any]:
    """A schema as it is written, or out of the file that is named."""
    if isinstance(value, str):
        try:
            value = read_json(user_path(root / value, "json_schema", TaskError), TaskError, "")
        except TaskError as error:
            raise ValueError(f"give a JSON Schema, or the path of a file that holds one: {error}") from None
    if not isinstance(value, Mapping):
        raise ValueError("give a JSON Schema, as in {type: object, required: [name]}, or the path of a file with one")
    if remote := sorted(one for one in _references(value) if not one.startswith("#")):
        raise ValueError(f"write what {remote[0]!r} refers to into the schema: nothing is fetched while grading")
    return value


def _references(schema: Any) -> list[str]:
    if isinstance(schema, Mapping):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [one for value in schema.values() for one in _references(value)]
    return [one for value in schema for one in _references(value)] if isinstance(schema, list) else []


def _json_schema(schema: Mapping[str, Any]) -> Holds:
    try:
        jsonschema = import_module("jsonschema")
    except ImportError:
        raise ValueError("install what checks it: `pip install jsonschema`") from None
    if not isinstance(schema.get("$schema", ""), str):
        raise ValueError("correct the schema: $schema is not of type 'string'")
    made = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        made.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"correct the schema: {error.message}") from None
    validator = made(schema)

    def holds(answer: Generation) -> bool:
        try:
            value = load_json(answer.text, parse_constant=_refuse)
        except ValueError:  # models write anything
            return False
        try:
            return bool(computed(partial(validator.is_valid, value), longest_s=_LONGEST_S))
        except OverflowError:  # a number of the answer that is larger than any
            return False
        except TimeoutError:
            told = f"takes more than {_LONGEST_S:g} s"
        except Exception as error:  # what it refers to is not there, or is itself
            told = f"cannot be held: {type(error).__name__}: {first_line(error)}"
        raise TaskError(
            f"json_schema {told} against an answer of {len(answer.text):,} characters",
            "correct what it refers to (`$ref`), and write a `pattern` without quantifiers within quantifiers",
        )

    return holds


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _count(value: Any, root: Path) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("give a number of tokens, 1 or more")
    return value


def _max_tokens(most: int) -> Holds:
    return lambda answer: answer.completion_tokens <= most


def _seconds(value: Any, root: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("give a number of seconds above 0")
    return float(value)


def _latency(most_s: float) -> Holds:
    return lambda answer: answer.latency_s <= most_s


SHIPPED = (
    AssertionKind("contains", "the answer has the text in it, or each of several, letter by letter", _texts, _contains),
    AssertionKind("not_contains", "it has none of them in it", _texts, _not_contains),
    AssertionKind(
        "regex", "the regular expression is found in it; `(?i)` ignores case, `^...$` wants all", _pattern, _regex
    ),
    AssertionKind(
        "json_schema", "it is JSON and nothing else, valid by the schema, or by that of a file", _schema, _json_schema
    ),
    AssertionKind("max_tokens", "it has at most so many tokens", _count, _max_tokens),
    AssertionKind("latency", "it came within so many seconds of its batch's start", _seconds, _latency),
)
