"""What turns requests into answers. Light to import: torch comes with the first computation."""

from harness.engines.cache.answers import AnswerCache, answer_key
from harness.engines.engine import Backend, Batch, Engine
from harness.engines.requests import (
    Answer,
    Choice,
    ChoiceRequest,
    Divergence,
    DivergenceRequest,
    GenerateRequest,
    Generation,
    Message,
    Prompt,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
    StopReason,
)

__all__ = [
    "Answer",
    "AnswerCache",
    "Backend",
    "Batch",
    "Choice",
    "ChoiceRequest",
    "Divergence",
    "DivergenceRequest",
    "Engine",
    "GenerateRequest",
    "Generation",
    "Message",
    "Prompt",
    "Request",
    "RollingRequest",
    "Score",
    "ScoreRequest",
    "StopReason",
    "answer_key",
]
