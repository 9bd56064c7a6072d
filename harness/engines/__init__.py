"""What turns requests into answers. Light to import: torch comes with the first computation."""

from harness.engines.answer_cache import AnswerCache, answer_key
from harness.engines.engine import Backend, Engine
from harness.engines.requests import (
    Answer,
    GenerateRequest,
    Generation,
    Message,
    Prompt,
    Request,
    Score,
    ScoreRequest,
    StopReason,
)

__all__ = [
    "Answer",
    "AnswerCache",
    "Backend",
    "Engine",
    "GenerateRequest",
    "Generation",
    "Message",
    "Prompt",
    "Request",
    "Score",
    "ScoreRequest",
    "StopReason",
    "answer_key",
]
