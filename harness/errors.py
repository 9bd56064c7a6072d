"""Errors for the person at the keyboard: what was wrong, the value seen, what to do."""

from __future__ import annotations


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
