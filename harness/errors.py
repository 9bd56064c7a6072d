"""Errors for the person at the keyboard: what was wrong, the value seen, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class AssayError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        problem: what was wrong, naming the value seen.
        remedy: what to do about it; printed on its own line.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}\n  remedy: {remedy}" if remedy else problem)


def show(value: object) -> str:
    """A value and its type, short enough for an error message."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """As in "did you mean 'accuracy'? "; empty where no known name looks like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def nearest(name: str, known: Sequence[str]) -> str:
    """The remedy for a name that is not known: the one it looks like, and all there are."""
    return f"{did_you_mean(name, known)}choose one of: {', '.join(known)}"


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


class UndecidedError(EngineError):
    """What a gate rests on could not be had in full, through no fault of the candidate: the gate is inconclusive."""


class RunError(AssayError):
    """A run directory cannot be written or read."""
