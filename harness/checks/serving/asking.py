"""One name on a server, asked for next tokens in the way that it understands best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.checks.serving.line import Line, Probe
from harness.checks.serving.probes import is_text, shown
from harness.config.spec import ServedModel
from harness.engines.requests import Prompt
from harness.engines.server import Likely, RetryPolicy, Written, ask_all, ask_written, rendered_there
from harness.engines.server.client import MalformedAnswerError, open_client
from harness.engines.server.retry import call_with_retries
from harness.errors import EngineError
from harness.stats.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from openai import OpenAI
    from transformers import PreTrainedTokenizerBase

LOAD = 32
"""Requests under way at once, where a server is asked under load."""
_LIKELIEST = (20, 5, 0)  # what vLLM gives at the most, and what the API promises
_REFUSED = frozenset({400, 404, 405, 422, 501})
_TRYING = RetryPolicy(tries=2, first_wait_s=0.2)
_TIMEOUT_S = 120.0
_LEAST = -40.0  # what servers write for minus infinity is far below
_CERTAIN = -1e-6
_SPACE = "\u2581"


@dataclass(frozen=True)
class Way:
    """How a server is asked.

    Attributes:
        form: what a context is sent as: its tokens, its text, or, where the server takes neither, a conversation.
        likeliest: tokens whose log-probabilities it tells; 0 for none.
        adds_first: it puts a BOS before a text by itself.
        counts: it counts a prompt's tokens as they are counted here.
    """

    form: Literal["tokens", "text", "chat"]
    likeliest: int
    adds_first: bool = False
    counts: bool = True


@dataclass(frozen=True)
class Heard:
    """What a server said at the probes of a line.

    Attributes:
        values: log-probabilities of shape (probes, tokens of the line); NaN where it did not tell.
        chosen: place among those tokens of the one that it wrote; -1 of any other.
        tells: whether it gave log-probabilities that tell anything.
        shown: which tokens an answer's text can show, shape as of values; all, where left out.
    """

    values: FloatArray
    chosen: IntArray
    tells: bool
    written: Sequence[Written]
    shown: NDArray[np.bool_] | None = None


class Server:
    """Asks one served name.

    Args:
        tokenizer: the candidate's, by which tokens and texts are told.
        template_args: that its chat template is given beside each conversation.
    """

    def __init__(
        self,
        served: ServedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        retry: RetryPolicy | None = None,
        template_args: Mapping[str, Any] | None = None,
    ) -> None:
        self.served = served
        self._tokenizer = tokenizer
        self._retry = retry or RetryPolicy()
        self._template_args = template_args
        self._refusal: EngineError | None = None
        self._unreadable: set[tuple[bool, int]] = set()

    @cached_property
    def way(self) -> Way:
        """How it is asked, found out on one short text.

        Raises:
            EngineError: it answers nothing.
        """
        context = self._tokenizer("The quick brown fox jumps over")["input_ids"]
        if (found := self._accepted(context, retry=_TRYING)) is not None:
            return Way("tokens", found[1], counts=found[0].prompt_tokens == len(context))
        counts = True
        for adds in (False, True):
            found = self._accepted(Prompt(text=self._text(context, adds_first=adds)), retry=_TRYING)
            if found is not None and found[0].prompt_tokens == len(context):
                return Way("text", found[1], adds_first=adds)
            counts = counts and found is None  # it counts neither reading as its tokens are counted here
        found = self.chat(Prompt.chat("Which day comes after Monday?"))
        if found is None:
            assert self._refusal is not None
            raise self._refusal
        return Way("chat", found[1], counts=counts)

    def understands(self, probe: Probe) -> bool:
        """Whether it can be asked at this place."""
        if self.way.form == "chat":
            return probe.request is not None
        if self.way.form == "tokens":
            return True
        text = self._text(probe.context, adds_first=self.way.adds_first)
        special = self.way.adds_first
        return bool(text) and self._tokenizer(text, add_special_tokens=special)["input_ids"] == list(probe.context)

    def chat(self, prompt: Prompt, *, max_tokens: int = 1, stop: Sequence[str] = ()) -> tuple[Written, int] | None:
        """Its greedy answer to a conversation, and how many log-probabilities it tells; None where it refuses it."""
        return self._accepted(prompt, max_tokens=max_tokens, stop=stop)

    def rendered(self, prompt: Prompt) -> Sequence[int] | str | None:
        """What it makes of a conversation, where it tells."""
        return rendered_there(self._client, self.served.name, prompt, template_args=self._template_args)

    def ask(self, probes: Sequence[Probe], *, at_once: int = 1, longer: int = 0, tokens: int = 0) -> list[Written]:
        """Its answers of one token, in their order.

        Args:
            longer: how many of the probes are asked for so many tokens besides, among the others; these answers come last.
        """
        asks = [*(self._ask(probe, 1) for probe in probes), *(self._ask(probe, tokens) for probe in probes[:longer])]
        mixed = sorted(enumerate(asks), key=lambda one: one[0] % max(1, len(probes)))
        found = dict(ask_all(self._client, mixed, served=self.served, concurrency=at_once, retry=self._retry))
        return [found[index] for index in range(len(asks))]

    def hear(self, line: Line, written: Sequence[Written] | None = None) -> Heard:
        """What it says at the probes of a line, asked alone; or what it said there, token by token as the line has them."""
        written = self.ask(line.probes) if written is None else written
        values = np.full(line.tokens.shape, np.nan)
        chosen = np.full(len(line.probes), -1)
        for row, (ids, one) in enumerate(zip(line.tokens, written, strict=True)):
            places = self._places(ids)
            for top in one.tops[0] if one.tops else ():
                if (at := _place(top, places)) is not None and top.logprob > _LEAST:
                    values[row, at] = top.logprob
            chosen[row] = self._chosen(one, places)
        end = self._tokenizer.eos_token_id
        seen = [[token == end or is_text(shown(self._tokenizer, int(token))) for token in ids] for ids in line.tokens]
        return Heard(values, chosen, _tells(values), written, np.array(seen, dtype=bool).reshape(values.shape))

    @cached_property
    def _client(self) -> OpenAI:
        return open_client(self.served, timeout_s=_TIMEOUT_S)

    def _ask(self, probe: Probe, max_tokens: int) -> Callable[[OpenAI], Written]:
        prompt: Prompt | Sequence[int]
        if self.way.form == "chat":
            assert probe.request is not None
            prompt = probe.request.prompt
        elif self.way.form == "text":
            prompt = Prompt(text=self._text(probe.context, adds_first=self.way.adds_first))
        else:
            prompt = probe.context
        likeliest = self.way.likeliest
        return partial(
            ask_written,
            name=self.served.name,
            prompt=prompt,
            max_tokens=max_tokens,
            likeliest=likeliest,
            template_args=self._template_args,
        )

    def _accepted(
        self,
        asked: Prompt | Sequence[int],
        *,
        max_tokens: int = 1,
        stop: Sequence[str] = (),
        retry: RetryPolicy | None = None,
    ) -> tuple[Written, int] | None:
        """Its answer, and how many of the likeliest it tells: as many as it takes a request for and tells in a form that can be
        read; None where it takes none.

        Args:
            retry: where it is found out whether it takes it at all; a server that fails at it then refuses it.
        """
        chat = isinstance(asked, Prompt) and asked.text is None
        for likeliest in _LIKELIEST:
            if (chat, likeliest) in self._unreadable:
                continue
            call = partial(
                ask_written,
                self._client,
                self.served.name,
                asked,
                max_tokens=max_tokens,
                stop=stop,
                likeliest=likeliest,
                template_args=self._template_args,
            )
            try:
                written = call_with_retries(call, retry or self._retry, served=self.served, stopped=Event())
            except EngineError as exc:
                status = getattr(exc.__cause__, "status_code", 0)
                unreadable = bool(likeliest) and isinstance(exc.__cause__, MalformedAnswerError)
                if unreadable:
                    self._unreadable.add((chat, likeliest))
                elif status not in _REFUSED and not (retry and status >= 500):
                    raise
                self._refusal = exc
                continue
            return written, likeliest if written.tops else 0
        return None

    def _text(self, context: Sequence[int], *, adds_first: bool) -> str:
        first = self._tokenizer.bos_token_id
        own = context[1:] if adds_first and context and context[0] == first else context
        text: str = self._tokenizer.decode(list(own), clean_up_tokenization_spaces=False)
        return text

    def _chosen(self, one: Written, places: dict[int | str, int]) -> int:
        """Where the first token of an answer stands, -1 of any other; of one that ends at once, the end's place: servers leave
        it out of the text."""
        first = one.written[0] if one.written else Likely(one.text, math.nan)
        end = self._tokenizer.eos_token_id
        if not first.text and first.id is None and not one.text and one.finish_reason == "stop" and end is not None:
            return places.get(end, -1)
        at = _place(first, places)
        if at is None and first.id is None:  # it may be named in a form that is not known here
            at = _place(Likely(one.text, math.nan), places)
        return -1 if at is None else at

    def _places(self, ids: IntArray) -> dict[int | str, int]:
        """Where a token stands among these, by its id, its text, and the other names that servers give it: its piece of the
        vocabulary, and `token_id:N` (vLLM --return-tokens-as-token-ids); by none that two of them share."""
        tokens = [int(token) for token in ids]
        pieces = self._tokenizer.convert_ids_to_tokens(tokens)
        texts = [self._tokenizer.decode([token]) for token in tokens]
        # of a SentencePiece token decoding cuts the space, and servers do not
        spaced = [
            f" {piece[1:]}" if piece.startswith(_SPACE) else text for piece, text in zip(pieces, texts, strict=True)
        ]
        found: dict[int | str, int] = {token: at for at, token in enumerate(tokens)}
        found |= {f"token_id:{token}": at for at, token in enumerate(tokens)}
        shared: set[str] = set()
        for named in (texts, spaced):
            shared = {text for text in named if named.count(text) > 1 or not text or "\ufffd" in text}
            for at, text in enumerate(named):
                if text not in shared:
                    found.setdefault(text, at)
        for at, piece in enumerate(pieces):
            if piece not in shared:
                found.setdefault(piece, at)
        return found


def _tells(values: FloatArray) -> bool:
    """Whether log-probabilities tell anything: not where a server gives the written token alone, or as certain."""
    told = np.isfinite(values).sum(axis=1) >= 2
    return bool(told.any() and told.mean() > 0.5 and np.median(np.fmax.reduce(values[told], axis=1)) < _CERTAIN)


def _place(token: Likely, places: dict[int | str, int]) -> int | None:
    """Where a token stands; of one that is known by an answer's text alone, the space may have been cut."""
    if token.id is not None:
        return places.get(token.id)
    found = places.get(token.text)
    return places.get(f" {token.text}") if found is None and math.isnan(token.logprob) else found
