"""Tries a way of computing on a few tokens, and holds it against the model's own plain forwards.

What is no softmax over all keys before (caps, sinks, biases, recurrent state), a cache that cannot lose rows, cannot be
continued or is not handed out, padding that is not masked: each raises, or differs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, product
from typing import TYPE_CHECKING, Any, cast

from harness.engines.caches import handed_out
from harness.engines.plain import EXACT, Bounds, PlainForwards, distances, log_softmax
from harness.engines.requests import GenerateRequest, Generation, Prompt
from harness.engines.strategy import BatchJob, BatchLimits, Strategy, TokenPair
from harness.engines.windows import shortened_windows, windows_in
from harness.errors import first_line
from harness.models.forwards import is_out_of_memory

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel

# All texts share 16 tokens, and two and two of them 16 more: what is shared within what is shared is several texts', too.
_SHARED_TOKENS = 16
# What follows is unequal, so that batches are padded.
_LENGTHS_TOKENS = ((7, 3), (5, 2))
# Unequal, so that an answer leaves its batch early, another takes its place, and some go on after others have left.
_ANSWERS_TOKENS = (5, 2, 4, 3)
_ROWS = 3
_WINDOW_TOKENS = 20  # a window ends in what some share
_TOLERANCE = 1e-3


class Trial:
    """Four requests of each kind, put to a model with its adapter off and on.

    Raises:
        AdapterError, ModelError: of its methods, where the model has no plain forward, with its adapter or without.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        numerals = cast(Any, _Numerals(loaded.tokenizer.pad_token_id))
        self._loaded = replace(loaded, tokenizer=numerals, decoding={})
        vocabulary = loaded.in_memory().model.config.get_text_config().vocab_size
        self._pairs: list[TokenPair] = [
            (
                [*_tokens(_SHARED_TOKENS, 7, 3, vocabulary), *_tokens(_SHARED_TOKENS, 13, 4 + number, vocabulary)],
                _tokens(length, 11, 5 + length, vocabulary),
            )
            for number, lengths in enumerate(_LENGTHS_TOKENS)
            for length in lengths
        ]
        self._prompts = [[*context, *tail] for context, tail in self._pairs]
        self._plain: dict[tuple[bool, bool], PlainForwards] = {}  # by adapter and short windows

    def hindrance(
        self, build: Callable[[LoadedModel, BatchLimits], Strategy], *, beyond_windows: bool = False
    ) -> str | None:
        """Why a way does not fit, or None.

        Args:
            beyond_windows: the model has windows that end before its context does: tried within them, and beyond.
        """
        import torch

        settings = product((False, True) if self._loaded.has_adapter else (False,), (False, True)[: 1 + beyond_windows])
        with torch.inference_mode():
            for on, short in settings:
                loaded = self._loaded if on else replace(self._loaded, reserved_tokens=0)
                with self._loaded.adapter(on=on) as model:
                    whole = self._plain.setdefault((on, False), PlainForwards(model))
                    whole.log_probs(*self._pairs[0])  # an adapter that cannot compute fails here
                    try:
                        with self._short(model, whole) if short else contextlib.nullcontext():
                            plain = self._plain.setdefault((on, short), PlainForwards(model))
                            found = self._differing(
                                build(loaded, BatchLimits(rows=_ROWS, least_saved=_SHARED_TOKENS)), plain
                            )
                    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
                        if is_out_of_memory(exc):
                            raise
                        found = first_line(exc)
                if found is not None:
                    return found
        return None

    @contextlib.contextmanager
    def _short(self, model: Any, plain: PlainForwards) -> Iterator[None]:
        """Short windows, of which it is known that the model's attention and its cache mind them.

        Raises:
            RuntimeError: they do not.
        """
        with shortened_windows(model, _WINDOW_TOKENS) as are_cut:
            cut = distances(PlainForwards(model).log_probs(*self._pairs[0]), plain.log_probs(*self._pairs[0]))
            cache = handed_out(model(input_ids=_row(model, self._prompts[0]), use_cache=True)).content
            if max(windows_in(cache), default=0) > _WINDOW_TOKENS or (are_cut and float(cut.max()) < EXACT[1]):
                raise RuntimeError("its attention windows cannot be shortened, to be tried on few tokens")
            yield

    def _differing(self, strategy: Strategy, plain: PlainForwards) -> str | None:
        """How answers differ from those of plain forwards, or None."""
        apart: list[float] = []
        recorder = _Recorder(plain.model)
        for number, score in [*_run(recorder, strategy.plan_scores(self._pairs))]:
            context, tail = self._pairs[number]
            wanted = plain.log_probs(context, tail)
            apart += recorder.distances(wanted)
            if not recorder.may_have_said(score.logprob, wanted, tail) and not recorder.may_have_said(
                score.logprob, wanted, tail, rounding=plain.own_bounds(self._prompts).middle
            ):
                said = sum(float(row[token]) for row, token in zip(wanted, tail, strict=True))
                return f"a log-likelihood of {score.logprob:.3f} where a plain forward has {said:.3f}"
        asked = [GenerateRequest(Prompt(text="-"), max_new_tokens=length) for length in _ANSWERS_TOKENS]
        recorder = _Recorder(plain.model)
        for number, answer in [*_run(recorder, strategy.plan_generations(asked, self._prompts))]:
            apart += recorder.distances(plain.log_probs(self._prompts[number], _Numerals.read(answer)))
        if Bounds(*EXACT).broken_by(apart) is None:
            return None
        return plain.own_bounds(self._prompts).broken_by(apart)


class _Recorder:
    """A model that remembers the distributions it gave: which of them is whose does not matter, each must be there."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._logits: list[torch.Tensor] = []

    def __call__(self, **arguments: Any) -> Any:
        output = self._model(**arguments)
        self._logits.append(output.logits.flatten(0, -2).clone())  # which may yet be written over
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @cached_property
    def _log_probs(self) -> torch.Tensor:
        """Of shape (distributions, vocabulary)."""
        import torch

        return log_softmax(torch.cat(self._logits))

    def distances(self, wanted: torch.Tensor) -> list[float]:
        """How far the nearest is from each of those wanted.

        Args:
            wanted: shape (tokens, vocabulary).
        """
        return [float(distances(self._log_probs, row).min()) for row in wanted]

    def may_have_said(
        self, logprob: float, wanted: torch.Tensor, tokens: Sequence[int], *, rounding: float = 0.0
    ) -> bool:
        """Whether a log-likelihood of tokens was read off distributions as near to those wanted as there are.

        Args:
            rounding: what a token's log-probability may be off.
        """
        lowest = highest = 0.0
        for row, token in zip(wanted, tokens, strict=True):
            far = distances(self._log_probs, row)
            near = self._log_probs[far <= 2 * far.min() + EXACT[0], token]
            lowest, highest = lowest + float(near.min()), highest + float(near.max())
        if math.isnan(lowest):
            return math.isnan(logprob)
        room = _TOLERANCE * (abs(lowest) + 2.5) + rounding * len(tokens)
        return lowest - room <= logprob <= highest + room


@dataclass(frozen=True)
class _Numerals:
    """Stands in for a tokenizer, so that an answer's text is its token ids."""

    pad_token_id: int
    eos_token_id: None = None

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        return " ".join(map(str, tokens))

    @staticmethod
    def read(answer: Generation) -> list[int]:
        return [int(token) for token in answer.text.split()]


def _tokens(count: int, step: int, first: int, vocabulary: int) -> list[int]:
    return [(step * i + first) % vocabulary for i in range(count)]


def _row(model: Any, tokens: Sequence[int]) -> torch.Tensor:
    import torch

    return torch.tensor([list(tokens)], device=model.device)


def _run(model: Any, jobs: Sequence[BatchJob[Any]]) -> Iterator[tuple[int, Any]]:
    return chain.from_iterable(job.run(model) for job in jobs)
