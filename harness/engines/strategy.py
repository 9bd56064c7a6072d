"""What the strategies of computing in process have in common: padded batches, and shared prefixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from harness.engines.requests import Answer, GenerateRequest, Generation, Score

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

A = TypeVar("A", bound=Answer, covariant=True)

TokenPair = tuple[Sequence[int], Sequence[int]]
"""Token ids of a context and of the continuation to score after it."""


@dataclass(frozen=True)
class BatchLimits:
    """What is computed at once.

    Attributes:
        tokens: held in memory as keys and values at the most.
        rows: answers in progress at the most.
        least_saved: tokens that a shared beginning must save to be computed by itself; None leaves that to the way.
    """

    tokens: int = 16_384
    rows: int = 32
    least_saved: int | None = None


@dataclass(frozen=True)
class BatchJob(Generic[A]):
    """Pairs or prompts computed together.

    Attributes:
        numbers: which of those that were planned.
        run: computes them with a model, yielding (number, answer) as they finish.
    """

    numbers: Sequence[int]
    run: Callable[[Any], Iterator[tuple[int, A]]]


class Strategy(Protocol):
    """How answers are computed in process.

    Attributes:
        way: its name, for the report.
    """

    way: str

    def plan_scores(self, pairs: Sequence[TokenPair]) -> list[BatchJob[Score]]:
        """Jobs that together score every pair once."""
        ...

    def plan_generations(
        self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]
    ) -> list[BatchJob[Generation]]:
        """Jobs that together answer every request once."""
        ...

    def shrink(self) -> bool:
        """After running out of memory: compute less at once from now on. False where it can be no less."""
        ...


def context_length(loaded: LoadedModel) -> int:
    """The longest text the model has positions for, behind virtual tokens."""
    config = loaded.in_memory().model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or 1 << 30) - loaded.reserved_tokens


def eos_ids(loaded: LoadedModel) -> frozenset[int]:
    """Every token that ends an answer: the generation config's (one or a list) and the tokenizer's."""
    configured = loaded.in_memory().model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, loaded.tokenizer.eos_token_id] if i is not None)
