"""Safety: does the candidate still refuse what it should, and nothing else?

Names load on first use: `harness.tasks.safety.sources` is imported with the settings and must not bring numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checks.safety.guard import Guard
    from harness.safety.refusal.classifier import AnswerClass, classify_answer
    from harness.tasks.safety.continuations import ContinuationTask
    from harness.tasks.safety.prompts import SafetyTask

_HOME = {
    "AnswerClass": "refusals",
    "ContinuationTask": "continuation",
    "Guard": "guard",
    "SafetyTask": "task",
    "classify_answer": "refusals",
}

__all__ = ["AnswerClass", "ContinuationTask", "Guard", "SafetyTask", "classify_answer"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
