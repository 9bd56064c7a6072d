"""The line from base to candidate, as this process computes it: what is expected next at several strengths of the adapter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.checks.release import Passages
from harness.checks.release.reading import InProcess, Passage
from harness.engines.requests import GenerateRequest
from harness.stats.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

STRENGTHS = (0.0, 0.3, 0.6, 0.85, 1.0, 1.15, 1.5, 2.0)
BASE, CANDIDATE = STRENGTHS.index(0.0), STRENGTHS.index(1.0)
_TOKENS = 64  # of each place: all that are likely anywhere on the line, and more than a server tells of
_SAME = 1e-3
CLEAR = float(np.log(2))
"""Nats between two tokens of which one is preferred at odds of 2 to 1: rounding breaks nearer ties, and no more."""


@dataclass(frozen=True)
class Probe:
    """A place in a text where it is asked what comes next.

    Attributes:
        passage, position: index of the text among those that are read, and of the token in its tail.
        context: the tokens before it.
        request: whose prompt the context is; None within an answer, or of any other text.
    """

    passage: int
    position: int
    context: tuple[int, ...]
    request: GenerateRequest | None


@dataclass(frozen=True)
class Line:
    """What is expected at some probes.

    Attributes:
        tokens: of each probe the likeliest, shape (probes, tokens).
        said: their log-probabilities, shape (strengths, probes, tokens).
        rounded: those of the candidate as the precision of the server may round it, shape (probes, tokens).
    """

    probes: Sequence[Probe]
    tokens: IntArray
    said: FloatArray
    rounded: FloatArray

    @property
    def passages(self) -> IntArray:
        """The text of each probe: those of one are not independent."""
        return np.array([probe.passage for probe in self.probes])

    @cached_property
    def weights(self) -> FloatArray:
        """What each token counts: as likely as it is to base and candidate together."""
        found: FloatArray = (np.exp(self.said[BASE]) + np.exp(self.said[CANDIDATE])) / 2
        return found

    @cached_property
    def noise(self) -> float:
        """Root mean square (nats) of what rounding alone moves."""
        squares = self.weights * (self.rounded - self.said[CANDIDATE]) ** 2
        return float(np.sqrt(squares.sum() / self.weights.sum()))

    def at(self, strength: float) -> FloatArray:
        """Log-probabilities at any strength, shape (probes, tokens): between two that were computed, and beyond, in a line."""
        right = int(np.clip(np.searchsorted(STRENGTHS, strength), 1, len(STRENGTHS) - 1))
        left = STRENGTHS[right - 1]
        share = (strength - left) / (STRENGTHS[right] - left)
        found: FloatArray = self.said[right - 1] + share * (self.said[right] - self.said[right - 1])
        return found


class Lines:
    """Reads texts at several strengths.

    Args:
        rounding: relative size of the steps in which the server's precision may compute.
    """

    def __init__(self, texts: Passages, rounding: float) -> None:
        self._texts = texts
        self._rounding = rounding

    def of(self, probes: Sequence[Probe], passages: Sequence[Passage] | None = None) -> Line:
        """What is expected at these, in their order.

        Args:
            passages: that they are places of; those that are read, where none are given.
        """
        passages = self._texts.all if passages is None else passages
        import torch

        found: dict[Probe, tuple[Any, Any, Any]] = {}
        for index, group in groupby(sorted(probes, key=lambda one: one.passage), key=lambda one: one.passage):
            passage, own = passages[index], list(group)
            rows = [one.position for one in own]
            read = [self.read(passage, strength)[rows] for strength in STRENGTHS]
            vocabulary = min(one.shape[-1] for one in read)
            said = torch.stack([one[:, :vocabulary] for one in read])
            rounded = self._rounded(passage)[rows][:, :vocabulary]
            tokens = said.exp().mean(dim=0).topk(min(_TOKENS, vocabulary), dim=-1).indices
            for place, probe in enumerate(own):
                ids = tokens[place]
                found[probe] = ids.numpy(), said[:, place, ids].numpy(), rounded[place, ids].numpy()
        if not probes:
            return Line((), np.empty((0, 0), int), np.empty((len(STRENGTHS), 0, 0)), np.empty((0, 0)))
        likeliest, expected, moved = zip(*(found[probe] for probe in probes), strict=True)
        floor = np.log(np.finfo(np.float32).tiny)
        return Line(
            probes,
            np.array(likeliest),
            np.maximum(np.stack(expected, axis=1).astype(np.float64), floor),
            np.maximum(np.array(moved, dtype=np.float64), floor),
        )

    def of_candidate(self, passage: Passage) -> Line:
        """What the candidate alone expects at the first token of any tail, at whatever strength."""
        said, tokens = self.read(passage, 1.0)[:1].topk(_TOKENS, dim=-1)
        own = said.numpy().astype(np.float64)
        probe = Probe(0, 0, tuple(passage.context), passage.request)
        return Line([probe], tokens.numpy(), np.stack([own] * len(STRENGTHS)), own)

    def read(self, passage: Passage, strength: float) -> torch.Tensor:
        """What is expected along a passage's tail, log-probabilities of shape (tokens, vocabulary).

        A LoRA's scale is set to it, which is exact; of any other candidate it lies between base and candidate in a line of
        log-probabilities.
        """
        import torch

        candidate, base = self._texts.candidate, self._texts.base
        if strength == 1:
            return candidate.log_probs([passage])
        if strength == 0:
            return base.log_probs([passage])
        if self._scales:
            with _scaled(candidate, strength):
                return candidate.log_probs([passage])
        all_, none = candidate.log_probs([passage]), base.log_probs([passage])
        shared = min(all_.shape[-1], none.shape[-1])
        all_, none = all_[:, :shared], none[:, :shared]
        between = none + strength * (all_ - none)
        return torch.log_softmax(torch.where(between.isnan(), all_, between), dim=-1)

    @cached_property
    def _scales(self) -> bool:
        """Whether the scale of a LoRA leads from the base to the candidate: not where more than that was trained."""
        candidate, passage = self._texts.candidate, self._texts.all[0]
        if not candidate.adapter:
            return False
        try:
            with _scaled(candidate, 0.0):
                off = candidate.log_probs([passage])
        except ValueError:  # PEFT's, of an adapter without scales
            return False
        base = self._texts.base.log_probs([passage])
        return bool(off.shape == base.shape and off.allclose(base, atol=_SAME))

    def _rounded(self, passage: Passage) -> torch.Tensor:
        """The candidate, with the output of each of its layers moved at random by up to a step of the server's precision."""
        import torch

        drawn = torch.Generator().manual_seed(0)

        def move(_: Any, __: Any, output: Any) -> Any:
            if not isinstance(output, torch.Tensor) or not output.is_floating_point():
                return output
            steps = 2 * torch.rand(output.shape, generator=drawn).to(output.device) - 1
            return (output.float() * (1 + self._rounding * steps)).to(output.dtype)

        candidate = self._texts.candidate
        with _hooked(candidate.loaded.in_memory().model, move):
            return candidate.log_probs([passage])


@contextlib.contextmanager
def _scaled(candidate: InProcess, strength: float) -> Iterator[None]:
    from peft.helpers import rescale_adapter_scale

    with rescale_adapter_scale(candidate.loaded.in_memory().model, strength):
        yield


@contextlib.contextmanager
def _hooked(model: Any, hook: Callable[..., Any]) -> Iterator[None]:
    """Call it after each module that has weights of its own: matrices, and norms, which pass on how the residual was rounded."""
    import torch

    layers = [
        module
        for module in model.modules()
        if not isinstance(module, torch.nn.Embedding)
        and isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    ]
    handles = [module.register_forward_hook(hook) for module in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
