"""A model's own forwards of whole texts, and by how much rounding moves them: what ways of computing are held against."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.models.forwards import plain_logits

if TYPE_CHECKING:
    import torch

# Mean difference over all of a vocabulary, of the middle token and of any, that rounding in float32 never makes.
EXACT = (1e-3, 1e-2)
# As often as its own drift: of right ways up to one was seen, of wrong ones three at the least.
_DRIFTS = 2.5


@dataclass(frozen=True)
class Bounds:
    """How far log-probabilities may be from those of plain forwards, in nats, over a vocabulary on average.

    Attributes:
        middle: the median over tokens.
        most: any token.
    """

    middle: float
    most: float

    def broken_by(self, distances: Sequence[float]) -> str | None:
        """What is further than that, or None."""
        middle, most = statistics.median(distances), max(distances)
        if middle <= self.middle and most <= self.most:
            return None
        return (
            f"log-probabilities are {middle:.3f} from those of a plain forward, {most:.3f} at the most, where rounding "
            f"explains {self.middle:.3f} and {self.most:.3f}"
        )


class PlainForwards:
    """A model's own forwards of whole texts, each computed once.

    Attributes:
        model: with its adapter and its windows as they are to be while this computes.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._known: dict[tuple[tuple[int, ...], int], torch.Tensor] = {}
        self._bounds: Bounds | None = None

    def log_probs(self, context: Sequence[int], tail: Sequence[int]) -> torch.Tensor:
        """Of the tail's tokens, of shape (tail, vocabulary)."""
        text = (*context, *tail)[:-1]
        if (text, len(tail)) not in self._known:
            self._known[text, len(tail)] = log_softmax(plain_logits(self.model, text)[len(text) - len(tail) :])
        return self._known[text, len(tail)]

    def own_bounds(self, texts: Sequence[Sequence[int]]) -> Bounds:
        """By how far the forwards of some texts move where the embeddings they begin with are rounded otherwise.

        Not by how far padding moves them: on many machines that is nothing, where another order of the same sums is something.
        """
        if self._bounds is None:
            self._bounds = exact = Bounds(*EXACT)
            moved = self._distances(texts, self._rounded_otherwise)
            # what differs each time, or vanishes, is no rounding
            if exact.broken_by(self._distances(texts, contextlib.nullcontext)) is None and math.isfinite(max(moved)):
                middle, most = _DRIFTS * statistics.median(moved), _DRIFTS * max(moved)
                self._bounds = Bounds(max(middle, exact.middle), max(most, exact.most))
        return self._bounds

    def _distances(
        self, texts: Sequence[Sequence[int]], change: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> list[float]:
        """How far the texts' tokens are from what they were before a change."""
        found: list[float] = []
        for text in texts:
            before = log_softmax(plain_logits(self.model, text))
            with change():
                found += distances(log_softmax(plain_logits(self.model, text)), before).tolist()
        return found

    @contextlib.contextmanager
    def _rounded_otherwise(self) -> Iterator[None]:
        """Every number of a token's embedding is up to half a unit in the last place off, meanwhile."""
        import torch

        def move(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            generator = torch.Generator().manual_seed(0)
            units = torch.rand(output.shape, generator=generator) * 2 - 1
            moved = output.cpu().double() * (
                1 + units * torch.finfo(output.dtype).eps / 2
            )  # Apple's GPUs have no float64
            return moved.to(output.dtype).to(output.device)

        hook = self.model.get_input_embeddings().register_forward_hook(move)
        try:
            yield
        finally:
            hook.remove()


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Over the last dimension, in float32."""
    import torch

    return torch.log_softmax(logits.float(), dim=-1)


def distances(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean absolute differences over the last dimension; a damaged model's NaN is what its plain forward gives, too."""
    same = (found == wanted) | (found.isnan() & wanted.isnan())
    apart = (found - wanted).abs().masked_fill(same, 0.0)
    return apart.nan_to_num(nan=math.inf, posinf=math.inf).mean(dim=-1)
