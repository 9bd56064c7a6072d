"""Does the server put conversations as they were put here, and read them whole?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np

from harness.checks.release.files import CONVERSATIONS
from harness.checks.release.passages import PROBE_PASSAGES
from harness.checks.release.reading import Passage
from harness.checks.serving.asking import Heard
from harness.checks.serving.finding import Untold
from harness.checks.serving.line import CANDIDATE, CLEAR, Line
from harness.checks.serving.parity import Parity
from harness.engines.rendering import prompt_tokens
from harness.engines.requests import Message, Prompt
from harness.gates import Check, Gateable
from harness.stats.arrays import FloatArray
from harness.tasks.filler import filler

_OF_TASKS = 8
_LONG, _LONG_TOKENS, _TIMES_LONGER = "a long conversation", 512, 3.0
_MAY_BE_REFUSED = frozenset(what for what, prompt in CONVERSATIONS.items() if prompt.tools)
"""Servers take tools where they are started so; those of a task have to be taken."""
_LEAST_MOVED = 0.05  # nats: below it two renderings of a prompt are one
_TIMES = 8.0


@dataclass(frozen=True)
class Put:
    """How a server puts one conversation.

    Attributes:
        asked: tokens that it was measured with; `counted`, how many the server says it read, None where it counts otherwise.
        rendered_alike: whether the server's own rendering is that; None where it tells none.
        moved: root mean square difference (nats) of the next token's log-probabilities from those after the measured tokens, or
            infinity where the token written is another, and clearly; None where that was not asked.
        off: the same from what the candidate expects here; None where the server gives none.
        refused: it takes no such conversation.
    """

    what: str
    asked: int
    counted: int | None = None
    rendered_alike: bool | None = None
    moved: float | None = None
    off: float | None = None
    refused: bool = False


def template(parity: Parity) -> Gateable:
    """Conversations are put as they were measured: the chat template with BOS once, the system prompt, tools and the opening of
    an answer, and long ones whole.

    By the server's own rendering where it has an endpoint for that, by its count of the prompt's tokens, and by the next token,
    which is held against that after the measured tokens.
    """
    found = list(_puts(parity))
    if all(one.refused for one in found):
        return Untold(
            "template",
            f"{parity.place} answers no conversation",
            "serve /chat/completions, or ask it in raw text alone",
        )
    limit = max(_TIMES * parity.line.noise if parity.line.probes else 0.0, _LEAST_MOVED)
    told = [one for one in found if (one.counted, one.rendered_alike, one.moved) != (None, None, None)]
    fault = next(filter(None, (_fault(one, limit) for one in found)), "") or _cut(told, limit)
    if not told and not fault:
        return Untold(
            "template",
            f"{parity.place} counts prompts otherwise and tells nothing else of them",
            "use a server that takes tokens, or one that gives log-probabilities",
        )
    refused = "".join(f"; {one.what} is refused" for one in found if one.refused)
    return Check(
        "template",
        holds=not fault,
        reason=fault or f"{len(told)} conversations are put as they were measured, by {_means(told)}{refused}",
        remedy="serve it with the chat template that was measured (vLLM --chat-template, llama.cpp --chat-template-file), with "
        "the same template arguments, system prompt and tools, with BOS added once (by the template or the tokenizer), and with "
        "a context that holds the longest prompt, so that none is cut",
        details={"conversations": [asdict(one) for one in found], "limit_nats": limit},
    )


def _fault(put: Put, limit: float) -> str:
    if put.refused and put.what not in _MAY_BE_REFUSED:
        return f"the server refuses {put.what}, which the candidate's template takes"
    if put.rendered_alike is False:
        return f"the server renders {put.what} otherwise than it was measured"
    if put.counted is not None and put.counted != put.asked:
        return f"{put.what} is {put.asked} tokens as it was measured, and {put.counted} where it is served"
    if (put.moved or 0.0) > limit:
        return f"after {put.what} the server goes on otherwise than after the tokens it was measured with"
    return ""


def _cut(told: Sequence[Put], limit: float) -> str:
    """The fault of a server that goes on from a long conversation farther from the candidate than it does from short ones."""
    long = next((one.off for one in told if one.what == _LONG and one.off is not None), 0.0)
    short = [one.off for one in told if one.what != _LONG and one.off is not None]
    if not short or long <= max(limit, _TIMES_LONGER * median(short)):
        return ""
    return f"{_LONG} is not read whole where it is served: {long:.2g} nats from the candidate, and short ones {median(short):.2g}"


def _means(told: Sequence[Put]) -> str:
    means = {
        "the server's rendering": any(one.rendered_alike is not None for one in told),
        "its count of tokens": any(one.counted is not None for one in told),
        "the next token": any(one.moved is not None for one in told),
    }
    return " and ".join(name for name, known in means.items() if known)


def _puts(parity: Parity) -> Iterator[Put]:
    server, tokenizer = parity.server, parity.texts.candidate.loaded.tokenizer
    raw = server.way.form != "chat"
    for what, prompt in _conversations(parity):
        ids = prompt_tokens(tokenizer, prompt)
        answered = server.chat(prompt)
        if answered is None:
            yield Put(what, len(ids), refused=True)
            continue
        written, _ = answered
        rendered = server.rendered(prompt)
        alike = None
        if rendered is not None:
            own = tokenizer(rendered, add_special_tokens=False)["input_ids"] if isinstance(rendered, str) else rendered
            bos = [tokenizer.bos_token_id]
            # of a rendered text it cannot be seen whether a BOS is put before it
            alike = list(own) == ids or (isinstance(rendered, str) and bos + list(own) == ids)
        moved = off = None
        line = parity.lines.of_candidate(Passage(ids, ids[:1]))
        in_chat = server.hear(line, [written])
        if written.tops:
            off = _moved(in_chat.values[0], line.said[CANDIDATE, 0], line.weights[0])
        if raw and server.understands(line.probes[0]):
            moved = _unlike(line, in_chat, server.hear(line))
        yield Put(what, len(ids), written.prompt_tokens if server.way.counts else None, alike, moved, off)


def _unlike(line: Line, one: Heard, other: Heard) -> float:
    """How far two answers at a line's one probe lie apart, as of `Put.moved`."""
    if np.isfinite(one.values).any() and np.isfinite(other.values).any():
        return _moved(one.values[0], other.values[0], line.weights[0])
    texts = [heard.written[0].text.strip() for heard in (one, other)]
    if texts[0] == texts[1] or "\ufffd" in "".join(texts):
        return 0.0
    said, places = line.said[CANDIDATE, 0], [int(heard.chosen[0]) for heard in (one, other)]
    return 0.0 if min(places) >= 0 and abs(said[places[0]] - said[places[1]]) < CLEAR else math.inf


def _moved(one: FloatArray, other: FloatArray, weights: FloatArray) -> float:
    """Infinity where no token is likely in both."""
    known = np.isfinite(one) & np.isfinite(other)
    if not known.any():
        return math.inf
    share = weights[known] / weights[known].sum()
    return float(np.sqrt((share * (one[known] - other[known]) ** 2).sum()))


def _conversations(parity: Parity) -> Iterator[tuple[str, Prompt]]:
    """Those that a template is tried with, some of the tasks' own, and a long one; none that the candidate's own refuses."""
    texts = parity.texts
    tasks = [
        (f"an item of {name}", one.request.prompt)
        for name, part in texts.passages.items()
        if name != PROBE_PASSAGES
        for one in part
        if one.request is not None and one.request.prompt.text is None
    ]
    every = max(1, len(tasks) // _OF_TASKS)
    count = lambda text: len(texts.candidate.tokens(text))  # noqa: E731
    long = f"{filler(_LONG_TOKENS, count)}\n\nWho counted baskets?"
    tried = {**CONVERSATIONS, _LONG: Prompt(messages=(Message("user", long),))}
    for what, prompt in (*tried.items(), *tasks[::every][:_OF_TASKS]):
        if texts.candidate.rendered(prompt) is not None:
            yield what, prompt
