"""Which way of computing fits a model: each is tried on it, the fastest first.

Tried, not looked up in a list of families: a few tokens are scored and generated each way and held against the
model's own plain forwards. What is no softmax over all keys before (caps, sinks, biases, recurrent state), a cache that
cannot lose rows or is not handed out, padding that is not masked: each raises, or differs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from harness.engines.padded import PaddedStrategy
from harness.engines.prefix import PrefixStrategy
from harness.engines.requests import GenerateRequest, Generation, Prompt
from harness.engines.strategy import BatchJob, BatchLimits, Strategy, TokenPair, context_length
from harness.errors import EngineError, first_line
from harness.models.forwards import is_out_of_memory, plain_logits

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)

_LENGTHS_TOKENS = (7, 3)  # of what follows the shared prefix: unequal, so that a batch is padded
_ANSWERS_TOKENS = (5, 2)  # unequal, so that an answer leaves the batch before the other
_PREFIX_TOKENS = 24


@dataclass(frozen=True)
class _Way:
    """A way of computing.

    Attributes:
        consequence: what it means for the user that those before it do not fit.
        in_pieces: a text is computed in parts, each with a cache of those before.
        one_by_one: no text is padded.
    """

    build: Callable[[LoadedModel, BatchLimits], Strategy]
    consequence: str
    in_pieces: bool = False
    one_by_one: bool = False


_SHARED = _Way(PrefixStrategy, "", in_pieces=True)
_PADDED = (
    _Way(PaddedStrategy, "prefixes are not shared", in_pieces=True),
    _Way(partial(PaddedStrategy, use_cache=False), "answers are computed anew for each token, which takes long"),
    _Way(
        lambda loaded, limits: PaddedStrategy(loaded, BatchLimits(limits.tokens, rows=1), use_cache=False),
        "requests are computed one by one, which takes longest",
        one_by_one=True,
    ),
)


def fitting_strategy(loaded: LoadedModel, limits: BatchLimits, *, share_prefixes: bool) -> Strategy:
    """The fastest way that computes what the model's own plain forwards do, with its adapter on and off alike.

    It is tried once for base and candidate that are one model in memory.

    Raises:
        AdapterError, ModelError: the model has no plain forward, with its adapter or without.
        EngineError: no way fits, or memory does not suffice for some tens of tokens.
    """
    trial = _Trial(loaded)
    hindrance: str | None = None
    try:
        for way in (_SHARED, *_PADDED) if share_prefixes else _PADDED:
            if hindrance is not None:
                log.warning("%s with this model: %s", way.consequence, hindrance)
            hindrance = _known_hindrance(loaded, way) or trial.hindrance(way)
            if hindrance is None:
                return way.build(loaded, limits)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        raise EngineError(
            "out of memory, even on a single request of some tens of tokens",
            "use a lower --dtype, --quantization=nf4, or a machine with more memory",
        ) from exc
    raise EngineError(
        f"no way of computing agrees with this model's own forward: {hindrance}",
        _remedy(loaded),
    )


def _remedy(loaded: LoadedModel) -> str:
    """What can be done where no way fits."""
    from harness.models.quantization import rounds_activations

    if rounds_activations(loaded.in_memory().model):
        return (
            "bitsandbytes' int8 rounds activations, by the tokens beside them: measure its weights alone (--device=cpu), or "
            "another quantisation"
        )
    return "check that its forward is the same each time: no dropout, no randomness"


def _known_hindrance(loaded: LoadedModel, way: _Way) -> str | None:
    """What a trial on a few tokens may not show."""
    if way.in_pieces and loaded.method is not None and loaded.method.by_whole_text is not None:
        return f"an adapter of {loaded.method.peft_type} acts by the whole text: {loaded.method.by_whole_text}"
    window = _short_window(loaded)
    if window is not None and loaded.reserved_tokens and not way.one_by_one:
        return f"{window}, in which padding would come between virtual tokens and text"
    return window if way is _SHARED else None


def _short_window(loaded: LoadedModel) -> str | None:
    """Attention windows that end before the context does: longer than the trial, so looked up."""
    config = loaded.in_memory().model.config.get_text_config()
    windows = {getattr(config, "attention_chunk_size", None)}
    if getattr(config, "use_sliding_window", True):
        windows.add(getattr(config, "sliding_window", None))
    shortest = min((window for window in windows if window), default=None)
    if shortest is None or shortest >= context_length(loaded):
        return None
    return f"its attention has windows of {shortest} tokens"


class _Trial:
    """Two requests of each kind, put to a model with its adapter off and on."""

    def __init__(self, loaded: LoadedModel) -> None:
        from harness.models.quantization import has_packed_weights

        numerals = cast(Any, _Numerals(loaded.tokenizer.pad_token_id))
        self._loaded = replace(loaded, tokenizer=numerals, decoding={})
        vocabulary = loaded.in_memory().model.config.get_text_config().vocab_size
        prefix = _tokens(_PREFIX_TOKENS, 7, 3, vocabulary)
        tails = [_tokens(length, 11, 5 + number, vocabulary) for number, length in enumerate(_LENGTHS_TOKENS)]
        self._pairs: list[TokenPair] = [(prefix, tail) for tail in tails]
        self._prompts = [[*prefix, *tail] for tail in tails]
        # Rounding moves a token by some hundredths of a nat in bfloat16; another attention moves it by more than one.
        model = loaded.in_memory().model
        exact = model.dtype.itemsize >= 4 and not has_packed_weights(model)
        self._tolerance = 1e-3 if exact else 0.02
        # over all of a vocabulary: 0.05 to 0.13 of a plain model, up to 0.3 of one that was trained to be sure of its answers
        self._most_apart = 0.01 if exact else 0.5

    def hindrance(self, way: _Way) -> str | None:
        """Why a way does not fit, or None."""
        known, key = self._loaded.hindrances, (way, self._loaded.reserved_tokens)
        if key not in known:
            known[key] = self._tried(way)
        return known[key]

    def _tried(self, way: _Way) -> str | None:
        import torch

        with torch.inference_mode():
            for on in (False, True) if self._loaded.has_adapter else (False,):
                expected = self._expected[on]
                with self._loaded.adapter(on=on) as model:
                    try:
                        found = self._differing(model, way.build(self._loaded, BatchLimits(rows=2)), expected)
                    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
                        if is_out_of_memory(exc):
                            raise
                        found = first_line(exc)
                if found is not None:
                    return found
        return None

    @cached_property
    def _expected(self) -> dict[bool, list[float]]:
        """Log-likelihood of each pair by plain forwards, adapter off and on: an adapter that cannot compute fails here."""
        found = {}
        for on in (False, True) if self._loaded.has_adapter else (False,):
            with self._loaded.adapter(on=on) as model:
                found[on] = [_log_likelihood(model, pair) for pair in self._pairs]
        return found

    def _differing(self, model: Any, strategy: Strategy, expected: Sequence[float]) -> str | None:
        for number, score in _run(model, strategy.plan_scores(self._pairs)):
            wanted = expected[number]
            if _apart(score.logprob, wanted) > self._tolerance * (abs(wanted) + 2.5):
                return f"a log-likelihood of {score.logprob:.3f} where a plain forward has {wanted:.3f}"
        asked = [GenerateRequest(Prompt(text="-"), max_new_tokens=length) for length in _ANSWERS_TOKENS]
        recorder = _Recorder(model)
        for number, answer in [*_run(recorder, strategy.plan_generations(asked, self._prompts))]:
            for wanted_row in _log_probs(model, self._prompts[number], _Numerals.read(answer)):
                apart = (recorder.log_probs - wanted_row).nan_to_num().abs().mean(dim=-1).min().item()
                if apart > self._most_apart:
                    return f"a token's log-probabilities are {apart:.3f} from those of a plain forward"
        return None


class _Recorder:
    """A model that remembers the distributions it gave: which of them is whose does not matter, each must be there."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._logits: list[torch.Tensor] = []

    def __call__(self, **arguments: Any) -> Any:
        output = self._model(**arguments)
        self._logits.append(output.logits.flatten(0, -2))
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def log_probs(self) -> torch.Tensor:
        """Of shape (distributions, vocabulary)."""
        import torch

        return torch.log_softmax(torch.cat(self._logits).float(), dim=-1)


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


def _run(model: Any, jobs: Sequence[BatchJob[Any]]) -> Iterator[tuple[int, Any]]:
    return chain.from_iterable(job.run(model) for job in jobs)


def _log_probs(model: Any, context: Sequence[int], tail: Sequence[int]) -> torch.Tensor:
    """Of shape (tail, vocabulary), by one plain forward."""
    import torch

    logits = plain_logits(model, [*context, *tail][:-1])
    return torch.log_softmax(logits[len(logits) - len(tail) :].float(), dim=-1)


def _log_likelihood(model: Any, pair: TokenPair) -> float:
    rows = _log_probs(model, *pair)
    return sum(float(row[token]) for row, token in zip(rows, pair[1], strict=True))


def _apart(found: float, wanted: float) -> float:
    """Their distance; a damaged model's NaN is what its plain forward gives, too."""
    return 0.0 if math.isnan(found) and math.isnan(wanted) else abs(found - wanted)
