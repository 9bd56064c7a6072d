"""Which way of computing fits a model: each is tried on it, the fastest first (see `harness.engines.trial`).

Tried, not looked up in a list of families.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from harness.engines.padded import PaddedStrategy
from harness.engines.prefix import ForkedStrategy, PackedStrategy
from harness.engines.strategy import BatchLimits, Strategy
from harness.engines.trial import Trial
from harness.engines.windows import shortest_window
from harness.errors import EngineError
from harness.models.forwards import is_out_of_memory

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)


WayName = Literal["packed", "forked", "padded"]


@dataclass(frozen=True)
class _Way:
    """A way of computing.

    Attributes:
        name: of a kind of ways.
        consequence: what it means for the user that those before it do not fit; `level` how much that matters.
        in_pieces: a text is computed in parts, each with a cache of those before.
        one_by_one: no text is padded.
        windows: what it makes of attention windows that end before the context does: nothing ("none"), what the model's
            own code does ("own"), which is tried if texts are continued beyond them ("tried").
    """

    name: WayName
    build: Callable[[LoadedModel, BatchLimits], Strategy]
    consequence: str
    level: int = logging.WARNING
    in_pieces: bool = False
    one_by_one: bool = False
    windows: Literal["none", "own", "tried"] = "own"


_WAYS = (
    _Way("packed", PackedStrategy, "", in_pieces=True, windows="none"),
    _Way(
        "forked",
        ForkedStrategy,
        "shared prefixes are copied for each text that continues them",
        level=logging.INFO,
        in_pieces=True,
        windows="tried",
    ),
    _Way("padded", PaddedStrategy, "prefixes are not shared", in_pieces=True),
    _Way(
        "padded",
        partial(PaddedStrategy, use_cache=False),
        "answers are computed anew for each token, which takes long",
    ),
    _Way(
        "padded",
        lambda loaded, limits: PaddedStrategy(loaded, BatchLimits(limits.tokens, rows=1), use_cache=False),
        "requests are computed one by one, which takes longest",
        one_by_one=True,
    ),
)


def fitting_strategy(loaded: LoadedModel, limits: BatchLimits, *, first: WayName = "packed") -> Strategy:
    """The fastest way that computes what the model's own plain forwards do, with its adapter on and off alike.

    It is tried once for base and candidate that are one model in memory.

    Args:
        first: of the ways to try; faster ones are left out.

    Raises:
        AdapterError, ModelError: the model has no plain forward, with its adapter or without.
        EngineError: no way fits, or memory does not suffice for some tens of tokens.
    """
    trial = Trial(loaded)
    window = shortest_window(loaded)
    hindrance: str | None = None
    try:
        start = [way.name for way in _WAYS].index(first)
        for way in _WAYS[start:]:
            if hindrance is not None:
                log.log(way.level, "%s with this model: %s", way.consequence, hindrance)
            hindrance = _known_hindrance(loaded, way, window) or _tried(loaded, trial, way, window)
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


def _known_hindrance(loaded: LoadedModel, way: _Way, window: int | None) -> str | None:
    """What a trial on a few tokens may not show.

    Args:
        window: tokens of the shortest attention window that ends before the context does.
    """
    if way.in_pieces and loaded.method is not None and loaded.method.by_whole_text is not None:
        return f"an adapter of {loaded.method.peft_type} acts by the whole text: {loaded.method.by_whole_text}"
    if window is None:
        return None
    found = f"its attention has windows of {window} tokens"
    if loaded.reserved_tokens and not way.one_by_one:
        return f"{found}, in which padding would come between virtual tokens and text"
    return found if way.windows == "none" else None


def _tried(loaded: LoadedModel, trial: Trial, way: _Way, window: int | None) -> str | None:
    """What a trial shows, tried once for all who compute with this model."""
    known, key = loaded.hindrances, (way, loaded.reserved_tokens)
    if key not in known:
        known[key] = trial.hindrance(way.build, beyond_windows=window is not None and way.windows == "tried")
    return known[key]
