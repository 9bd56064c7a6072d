"""The reading mode: verdicts by the log-probabilities of the judge's first token, or out of what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.config import Judging
from harness.config.budget import BudgetSpentError
from harness.engines import Engine
from harness.engines.requests import Choice, ChoiceRequest
from harness.engines.server import NoLogprobsError
from harness.errors import ConfigError, EngineError
from harness.judges.judgements import MODES
from harness.judges.parsing import VERDICT
from harness.judges.prompts import pairwise_prompt
from harness.tasks.questions import Question

_TRIAL = pairwise_prompt(Question("trial", ("Name a bird.",)), ("An owl.",), ("A table.",), explain=False)
_RATINGS = "a server tells of one token, which cannot tell a rating of 1 from 10"


@dataclass(frozen=True)
class ReadingMode:
    """How the judge's verdicts are read.

    Attributes:
        why: why they are read from replies where log-probabilities would have been preferred; empty otherwise.
    """

    reads: Literal["logprobs", "text"]
    why: str = ""

    def describe(self) -> str:
        """In words, for the report."""
        if self.reads == "logprobs":
            return "log-probabilities of the verdict"
        return f"written replies: {self.why}" if self.why else "written replies"


def choose_reading_mode(limits: Judging, engine: Engine, *, served: bool) -> ReadingMode:
    """As `judge.reads` says; `auto` asks a server once whether it gives log-probabilities, and takes its word."""
    if limits.reads == "text":
        return ReadingMode("text")
    if not served:
        return ReadingMode("logprobs")
    why = _why_none(engine) if MODES[limits.mode].parser.is_of_one_token else _RATINGS
    if why and limits.reads == "logprobs":
        raise ConfigError(f"judge.reads is logprobs: {why}", "set judge.reads to auto or text, or name another judge")
    return ReadingMode("text", why) if why else ReadingMode("logprobs")


def _why_none(engine: Engine) -> str:
    """Why no log-probabilities are to be had of the server; empty where they are."""
    request = ChoiceRequest(_TRIAL, tuple(VERDICT.values))
    try:
        answers = [answer for _, answer in engine.answer([request])]
    except (NoLogprobsError, BudgetSpentError) as exc:
        return exc.problem
    if len(answers) != 1 or not isinstance(answers[0], Choice):
        raise EngineError(f"one question got {len(answers)} answers", "report this bug")
    if all(value is None for value in answers[0].logprobs):
        return "none of its likeliest first tokens is a verdict"
    return ""
