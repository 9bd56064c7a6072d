"""Where to ask a server: the places, along the texts that are read, in which base and candidate differ most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.checks.release import Passages
from harness.checks.serving.line import Lines, Probe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from harness.stats.arrays import FloatArray, IntArray

MOST = 64
_MOST_OF_A_TEXT = 8
_EDGES = (0.85, 1.15)


def places(texts: Passages) -> list[Probe]:
    """Every place of the texts, in the order of what base and candidate expect there (`Passages.expected`)."""
    return [
        Probe(
            index,
            at,
            (*passage.context, *passage.tail[:at]),
            passage.request if at == 0 and passage.request and passage.request.prompt.text is None else None,
        )
        for index, passage in enumerate(texts.all)
        for at in range(len(passage.tail))
    ]


def ranked(texts: Passages, lines: Lines, *, by_text: bool) -> list[Probe]:
    """The places, those first that tell most.

    Of a server that tells log-probabilities that is where these differ most. Of one that only writes it is where base and
    candidate clearly go on with other words, and then where a candidate that is a little weaker or stronger would.
    """
    base, candidate = texts.expected
    shared = min(base.shape[-1], candidate.shape[-1])
    base, candidate = base[:, :shared], candidate[:, :shared]
    found = places(texts)
    if not by_text:
        spread = ((base.exp() + candidate.exp()) / 2 * (candidate - base).nan_to_num() ** 2).sum(dim=-1).numpy()
        return [found[index] for index in np.argsort(-spread, kind="stable")]
    decode = partial(shown, texts.candidate.loaded.tokenizer)
    turned = _by_margin(candidate, base, decode)
    edges = [
        index
        for strength in _EDGES
        for index in _by_margin(candidate, _along(texts, lines, strength), decode)[: MOST // 4]
    ]
    first = [*turned[: MOST // 2], *edges]
    return [found[index] for index in dict.fromkeys([*first, *turned])]


def _along(texts: Passages, lines: Lines, strength: float) -> torch.Tensor:
    import torch

    return torch.cat([lines.read(passage, strength) for passage in texts.all])


def _by_margin(one: torch.Tensor, other: torch.Tensor, decode: Callable[[int], str]) -> list[int]:
    """Places in which two go on with other words, the clearest first: where either is least near a tie."""
    picked, instead = one.argmax(dim=-1, keepdim=True), other.argmax(dim=-1, keepdim=True)
    own = (one.gather(-1, picked) - one.gather(-1, instead)).squeeze(-1)
    theirs = (other.gather(-1, instead) - other.gather(-1, picked)).squeeze(-1)
    clear: FloatArray = own.minimum(theirs).numpy().astype(np.float64)
    pairs: IntArray = np.stack([picked.squeeze(-1).numpy(), instead.squeeze(-1).numpy()], axis=1)
    order = [int(index) for index in np.argsort(-clear, kind="stable") if clear[index] > 0]
    return [index for index in order if _tells(*(decode(int(token)) for token in pairs[index]))]


def _tells(one: str, other: str) -> bool:
    """Whether two tokens can be told apart where they are read as text."""
    return one.strip() != other.strip() and is_text(one) and is_text(other)


def shown(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """What a server's text shows of a token: nothing of a special one, such as the end of an answer."""
    text: str = tokenizer.decode([token], skip_special_tokens=True)
    return text


def is_text(token: str) -> bool:
    """Whether a token is known by its text: no part of a character, and no space alone."""
    return bool(token.strip()) and "\ufffd" not in token


def spread_out(probes: Iterable[Probe], most: int) -> Sequence[Probe]:
    """So many of the first, few of any one text, each context once."""
    chosen: dict[tuple[int, ...], Probe] = {}
    taken: Counter[int] = Counter()
    for probe in probes:
        if len(chosen) == most:
            break
        if taken[probe.passage] < _MOST_OF_A_TEXT and tuple(probe.context) not in chosen:
            chosen[tuple(probe.context)] = probe
            taken[probe.passage] += 1
    return list(chosen.values())
