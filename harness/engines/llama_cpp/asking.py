"""One answer from llama.cpp's server, by its own endpoints.

Its OpenAI endpoints tell less and alter more: of a completion they give no log-probability of a text that was given, and of a
chat they parse thoughts and calls out of the answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from harness.engines.requests import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Prompt,
    RollingRequest,
    Score,
    ScoreRequest,
    StopReason,
)
from harness.engines.server.client import MalformedAnswerError
from harness.errors import EngineError

if TYPE_CHECKING:
    from openai import OpenAI

_STOP_REASONS: Mapping[str, StopReason] = {"eos": "eos", "word": "stop", "limit": "length"}
# Nearly every token that a text has next is among so many; else all are asked for, which takes megabytes.
_LIKELIEST, _ALL = 1000, 1_000_000
# The model alone decides: no penalties, no cut-offs, whatever defaults the file or the server sets.
_NEUTRAL = {
    "samplers": ["temperature", "top_p"], "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
    "dry_multiplier": 0.0, "mirostat": 0, "dynatemp_range": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class LlamaCpp:
    """A running server, and what is known of the model in it.

    Attributes:
        context_tokens: that a prompt and its answer may have together.
        first_token: what stands before the first token of a text: BOS, or EOS where there is none.
        unspellable: tokens that the server cannot be made to write: at first those that are no plain text; added to.
    """

    client: OpenAI
    context_tokens: int
    first_token: int
    unspellable: set[int]

    def generate(self, request: GenerateRequest) -> Generation:
        """Ask once for a completion."""
        started_s = time.perf_counter()
        tokens = self._prompt(request)
        sampling = {"temperature": request.temperature, "top_p": request.top_p, "seed": request.seed}
        reply = self._call(
            "/completion",
            {**_NEUTRAL, **sampling, "prompt": tokens, "n_predict": request.max_new_tokens, "stop": list(request.stop)},
        )
        text, reason = reply.get("content"), _STOP_REASONS.get(str(reply.get("stop_type")))
        if not isinstance(text, str) or reason is None:
            raise MalformedAnswerError(f"no completion: {str(reply)[:200]}")
        count = int(reply.get("tokens_predicted", 0))
        return Generation(text, reason, len(tokens), count, time.perf_counter() - started_s)

    def score(self, request: ScoreRequest) -> Score:
        """The log-likelihood of a continuation.

        Raises:
            EngineError: it adds no token to its context, or does not fit.
        """
        return self._score(self._rendered(request.prompt), request)

    def choose(self, request: ChoiceRequest) -> Choice:
        """That of each choice; the server keeps their prompt for the next."""
        text = self._rendered(request.prompt)
        scores = [self._score(text, ScoreRequest(request.prompt, choice)) for choice in request.choices]
        return Choice(
            tuple(score.logprob for score in scores),
            max(score.prompt_tokens for score in scores),
            sum(score.completion_tokens for score in scores),
            sum(score.latency_s for score in scores),
        )

    def roll(self, request: RollingRequest) -> Score:
        """The log-likelihood of a whole text, in windows as the engine in process cuts them."""
        started_s = time.perf_counter()
        from harness.engines.rendering import windows_of

        ids = self._tokens(request.text)
        if not ids:
            raise EngineError("an empty text has no likelihood", "give every item a text")
        windows = windows_of(ids, self.first_token, self.context_tokens - 1)
        found = [one for context, tail in windows for one in self._forced(context, tail)]
        logprob, greedy = sum(one for one, _ in found), all(is_best for _, is_best in found)
        return Score(logprob, greedy, 0, len(found), time.perf_counter() - started_s)

    def _score(self, text: str, request: ScoreRequest) -> Score:
        started_s = time.perf_counter()
        kept = text if request.prompt.text is None else text.rstrip()
        context, whole = self._tokens(kept), self._tokens(text + request.continuation)
        if kept:
            tail = whole[len(context) :]
        else:
            context = [self.first_token]
            tail = whole[1:] if whole[:1] == context else whole
        if not tail:
            raise EngineError(
                f"continuation {request.continuation!r} adds no token to its context",
                "score continuations that are not empty",
            )
        excess = len(context) + len(tail) - self.context_tokens
        if excess > 0 and not (request.truncate and excess < len(context)):
            raise self._too_long(len(context) + len(tail), text)
        context = context[max(excess, 0) :]
        found = self._forced(context, tail)
        logprob, greedy = sum(one for one, _ in found), all(is_best for _, is_best in found)
        return Score(logprob, greedy, len(context), len(tail), time.perf_counter() - started_s)

    def _forced(self, context: Sequence[int], tail: Sequence[int]) -> list[tuple[float, bool]]:
        """Of each token of the tail its log-probability in the model's own distribution, before any sampler; and whether it
        was the likeliest.

        A grammar of its tokens makes the server write the tail. Grammars know no token that may end an answer, and of one
        that ends within a character the server gives no log-probability: such a one is looked up (`_looked_up`).
        """
        found: list[tuple[float, bool]] = []
        while len(found) < len(tail):
            rest, before = tail[len(found) :], [*context, *tail[: len(found)]]
            plain = list(takewhile(lambda token: token not in self.unspellable, rest))
            if plain:
                said = self._write(before, plain, likeliest=1)
                found += [(float(one["logprob"]), one["id"] == one["top_logprobs"][0]["id"]) for one in said]
            else:
                found.append(self._looked_up(before, rest[0]))
        return found

    def _looked_up(self, before: Sequence[int], token: int) -> tuple[float, bool]:
        """The log-probability of a token among those of the likeliest, while the server writes any other."""
        other = next(one for one in self._tokens("a") if one not in self.unspellable)
        for likeliest in (_LIKELIEST, _ALL):
            [said] = self._write(before, [other], likeliest=likeliest)
            for rank, one in enumerate(said["top_logprobs"]):
                if one["id"] == token:
                    return float(one["logprob"]), rank == 0
        raise EngineError(f"llama.cpp's server gives no log-probability of token {token}", "report this bug")

    def _write(self, before: Sequence[int], tokens: Sequence[int], *, likeliest: int) -> list[dict[str, Any]]:
        """What the server says of each token that it is made to write."""
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in tokens)
        asked = {"prompt": before, "n_predict": len(tokens), "n_probs": likeliest, "temperature": 0, "grammar": grammar}
        said = self._call("/completion", {**_NEUTRAL, **asked}).get("completion_probabilities")
        wrote = [one.get("id") for one in said] if isinstance(said, list) else []
        if wrote != list(tokens) or not all(one.get("top_logprobs") and "logprob" in one for one in said or ()):
            raise MalformedAnswerError(f"asked to write tokens {list(tokens)[:8]}, it wrote {wrote[:8]}")
        return said or []

    def _prompt(self, request: GenerateRequest) -> list[int]:
        text = self._rendered(request.prompt)
        tokens = self._tokens(text)
        if not tokens:
            raise EngineError("a prompt has no tokens", "give every item a prompt that is not empty")
        if request.truncate:
            return tokens[-max(1, self.context_tokens - request.max_new_tokens) :]
        if len(tokens) >= self.context_tokens:
            raise self._too_long(len(tokens), text)
        return tokens

    def _rendered(self, prompt: Prompt) -> str:
        if prompt.text is not None:
            return prompt.text
        said = [{**turn, "role": "system"} if turn["role"] == "developer" else turn for turn in prompt.as_messages()]
        thoughts = [{"reasoning_content": one.reasoning} if one.reasoning else {} for one in prompt.messages]
        turns = [{**turn, **thought} for turn, thought in zip(said, thoughts, strict=True)]
        body: dict[str, Any] = {"messages": turns, "add_generation_prompt": True}
        if prompt.tools is not None:
            body["tools"] = json.loads(prompt.tools)
        text = self._call("/apply-template", body).get("prompt")
        if not isinstance(text, str):
            raise MalformedAnswerError("no prompt")
        return text

    def _tokens(self, text: str) -> list[int]:
        asked = {"content": text, "add_special": True, "parse_special": True, "with_pieces": True}
        try:
            found = [(int(one["id"]), one["piece"]) for one in self._call("/tokenize", asked)["tokens"]]
        except (KeyError, TypeError, ValueError) as exc:
            raise MalformedAnswerError("no tokens") from exc
        # A part of a character comes as a list of bytes.
        self.unspellable.update(one for one, piece in found if not isinstance(piece, str) or not piece.strip("\0"))
        return [token for token, _ in found]

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self.client.post(path, cast_to=object, body=body)
        if not isinstance(reply, dict):
            raise MalformedAnswerError(f"no JSON object: {str(reply)[:200]}")
        return cast("dict[str, Any]", reply)

    def _too_long(self, tokens: int, text: str) -> EngineError:
        return EngineError(
            f"a prompt of {tokens} tokens does not fit the context of {self.context_tokens}: {text[:80]!r}...",
            "shorten the prompt, use fewer few-shot examples, or write ?context=TOKENS behind the file, as far as the model goes",
        )
