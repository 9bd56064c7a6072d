"""Errors for the person at the keyboard: what was wrong, the value seen, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# What CI runners take for a command to them: GitHub's `::error::` where it begins a line; `##[group]` and `##vso[...]` of Azure,
# and `##teamcity[...]`, wherever they stand in it.
_COMMAND = re.compile(r"((?m:^)[ \t]*)(::)(?=[a-zA-Z])|()(##)(?=(?:vso|teamcity)?\[)", re.IGNORECASE)


_MOST_NAMES, _SHOWN_NAMES = 5000, 40


class AssayError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        problem: what was wrong, naming the value seen.
        remedy: what to do about it; printed on its own line.

    Attributes:
        complaints: the errors that this one tells all at once (`joined`); itself where it tells one.
    """

    complaints: Sequence[AssayError]

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = printable(problem)
        self.remedy = printable(remedy)
        self.complaints = (self,)
        super().__init__(f"{self.problem}\n  remedy: {self.remedy}" if remedy else self.problem)


E = TypeVar("E", bound=AssayError)


def joined(errors: Sequence[AssayError], kind: type[E]) -> E:
    """One error that tells several, each with its remedy and none twice."""
    told = {str(one): one for error in errors for one in error.complaints}
    *others, last = told.values()
    error = kind("\n".join([*map(str, others), last.problem]), last.remedy)
    error.complaints = (*others, last)
    return error


class Complaints:
    """Errors noted one after the other and told all at once: whoever mends the first should not meet the next only then."""

    def __init__(self) -> None:
        self.noted: list[AssayError] = []

    @contextmanager
    def noting(self, origin: str = "", *, instead_of: str = "") -> Iterator[None]:
        """Note what is raised inside and go on.

        Args:
            origin: file and key where it stands; named before the problem.
            instead_of: how a problem may begin that says the same in other words.
        """
        try:
            yield
        except AssayError as error:
            self.noted += [_found_at(origin, one, instead_of) for one in error.complaints]

    def tell(self, kind: type[AssayError]) -> None:
        """Raise what was noted, if anything was."""
        if self.noted:
            raise joined(self.noted, kind)


def _found_at(origin: str, error: AssayError, instead_of: str) -> AssayError:
    if not origin or error.problem.startswith(origin):
        return error
    return AssayError(f"{origin}: {error.problem.removeprefix(instead_of).lstrip(': ')}", error.remedy)


def printable(text: str) -> str:
    """`text` with every character that could hide, reorder or break what is shown made visible, and commands to CI runners
    made words.

    Control characters and those that reorder text become their code points in brackets (`[U+001B]`), surrogates and
    noncharacters U+FFFD. Tabs and line feeds stay; a carriage return before a line feed goes.
    """
    return _COMMAND.sub(r"\1[\2\4]", _UNSHOWABLE.sub(_visible, text.replace("\r\n", "\n")))


def on_one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(printable(text).split())


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"[U+{code:04X}]" if code < 0xD800 else "\ufffd"


def show(value: object) -> str:
    """A value and its type, short enough for an error message."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """As in "did you mean 'accuracy'? "; empty where no known name looks like it."""
    if len(known) > _MOST_NAMES:  # each is held against it letter by letter
        return ""
    folded = {one.casefold(): one for one in reversed(known)}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f"did you mean {folded[near[0]]!r}? " if near else ""


def nearest(name: str, known: Sequence[str]) -> str:
    """The remedy for a name that is not known: the one it looks like, and all there are."""
    return f"{did_you_mean(name, known)}choose one of: {', '.join(known)}"


def some_of(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def empty_value(name: str) -> ConfigError:
    """Of an option that is given and has no value: a variable that is not set leaves it so."""
    return ConfigError(f"{name} is given without a value", "give it one, or leave it out; a variable may be unset")


def these(names: Sequence[str]) -> str:
    """What there is, quoted, for a message: all of it, or as much as anyone reads."""
    shown, more = [f"{name!r:.60}" for name in names[:_SHOWN_NAMES]], len(names) - _SHOWN_NAMES
    return (", ".join(shown) or "none") + (f" and {more} more" if more > 0 else "")


def first_line(exc: BaseException) -> str:
    """What an exception of another library says, on one line: its first, or its type where it says nothing."""
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__


class ConfigError(AssayError):
    """An option, `assay.yaml` or a profile is wrong."""


class ModelError(AssayError):
    """The base model cannot be found, read or loaded."""


class AdapterError(AssayError):
    """The adapter is broken, unsafe, or made for another base."""


class RecipeError(AssayError):
    """A training recipe is malformed or cannot be trained."""


class DataError(AssayError):
    """A data file is missing, empty or has a malformed row."""


class TaskError(AssayError):
    """A task or one of its metrics is unknown or cannot be built."""


class EngineError(AssayError):
    """A request could not be answered."""


class UnanswerableError(EngineError):
    """What runs the model has no means to answer such a request: what rests on it is skipped, and the run tells so."""


class UndecidedError(EngineError):
    """What a gate rests on could not be had in full, through no fault of the candidate: the gate is inconclusive."""


class RunError(AssayError):
    """A run directory cannot be written or read."""
