"""What tasks ask of an engine, and what comes back. Plain data: no tensors, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from harness.digests import digest_json
from harness.errors import EngineError

StopReason = Literal["eos", "stop", "length"]

SYSTEM_ROLES = ("system", "developer")
"""Who may speak before the conversation begins; a template that knows no developer is given a system turn."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        reasoning: what an assistant thought before it answered; templates render it or leave it out.
    """

    role: str
    content: str
    reasoning: str = ""


@dataclass(frozen=True)
class Prompt:
    """A conversation to be rendered by the model's chat template, or raw text to be taken as it is.

    Exactly one of the two is set. The engine, not the task, applies the template: the same prompt
    then has the same digest for every model, which is what pairing needs.

    Attributes:
        tools: that a conversation may call, as the JSON text of a list of function schemas; None offers none.
    """

    messages: tuple[Message, ...] = ()
    text: str | None = None
    tools: str | None = None

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.text is not None):
            raise ValueError("a Prompt takes either messages or text")
        if self.tools is not None and not self.messages:
            raise ValueError("a Prompt of raw text has no tools")

    @classmethod
    def chat(cls, user: str, *, system: str | None = None) -> Prompt:
        """A single-turn conversation."""
        head = (Message("system", system),) if system is not None else ()
        return cls(messages=(*head, Message("user", user)))

    @classmethod
    def from_messages(cls, messages: Sequence[dict[str, str]]) -> Prompt:
        """A conversation from `{"role": ..., "content": ...}` rows."""
        return cls(messages=tuple(Message(m["role"], m["content"]) for m in messages))

    def as_messages(self) -> list[dict[str, str]]:
        """Who says what, as plain dictionaries, for an API."""
        return [{"role": m.role, "content": m.content} for m in self.messages]

    def as_tools(self) -> list[dict[str, Any]] | None:
        """The tools as an API takes them, or None."""
        return None if self.tools is None else json.loads(self.tools)

    def display(self) -> str:
        """The prompt as one text for people; not what the model sees."""
        if self.text is not None:
            return self.text
        offered = [] if self.tools is None else [f"[tools]\n{self.tools}"]
        return "\n\n".join([*offered, *(f"[{m.role}]\n{m.content}" for m in self.messages)])

    def _key(self) -> object:
        if self.text is not None:
            return self.text
        messages = [
            {**said, "reasoning": m.reasoning} if m.reasoning else said
            for said, m in zip(self.as_messages(), self.messages, strict=True)
        ]
        return messages if self.tools is None else {"messages": messages, "tools": self.tools}


@dataclass(frozen=True)
class _Request:
    """Every field is a part of what is asked; the first is what it is asked about."""

    kind: ClassVar[str]

    @property
    def digest(self) -> str:
        """Model-independent content digest, over the kind and all fields in their order."""
        values = (getattr(self, f.name) for f in fields(self))
        return digest_json([self.kind, *(v._key() if isinstance(v, Prompt) else v for v in values)])

    def display(self) -> str:
        """What is asked about, as one text for people."""
        subject = getattr(self, fields(self)[0].name)
        return subject.display() if isinstance(subject, Prompt) else str(subject)


@dataclass(frozen=True)
class GenerateRequest(_Request):
    """Ask for a completion.

    Attributes:
        max_new_tokens: cap on generated tokens; an answer that reaches it has stop reason `length`.
        stop: texts that end the answer; the answer is cut before the first of them.
        temperature: 0 is greedy.
        seed: used only when sampling.
        truncate: cut a prompt that is too long for the model on its left, instead of refusing it.

    Raises:
        EngineError: a stop text is empty.
    """

    kind: ClassVar[str] = "generate"
    prompt: Prompt
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    truncate: bool = False

    def __post_init__(self) -> None:
        if "" in self.stop:
            raise EngineError("a stop text is empty: it would end every answer at once", "leave it out")


def seed_of(*parts: object) -> int:
    """A seed out of names and numbers: unlike that of others, the same on every machine; 31 bits, which every server takes."""
    return int(digest_json(["seed", *parts])[:8], 16) >> 1


@dataclass(frozen=True)
class ScoreRequest(_Request):
    """Ask how likely `continuation` is after `prompt`.

    Attributes:
        truncate: cut a context that is too long for the model on its left, instead of refusing it.
    """

    kind: ClassVar[str] = "score"
    prompt: Prompt
    continuation: str
    truncate: bool = False


@dataclass(frozen=True)
class ChoiceRequest(_Request):
    """Ask how likely each of some short answers is right after `prompt`; their prompt is computed once.

    Attributes:
        choices: two or more, in any order.

    Raises:
        EngineError: there are fewer, one is empty, or one is there twice.
    """

    kind: ClassVar[str] = "choice"
    prompt: Prompt
    choices: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or "" in self.choices or len(set(self.choices)) < len(self.choices):
            raise EngineError(f"these are no choices: {self.choices!r}", "give two or more that differ, none empty")


@dataclass(frozen=True)
class RollingRequest(_Request):
    """Ask how likely a whole text is, each token after as much of the text before it as the context holds.

    The answer is a `Score`; the first token is scored after the tokenizer's BOS (or EOS) token.
    """

    kind: ClassVar[str] = "rolling"
    text: str


@dataclass(frozen=True)
class DivergenceRequest(_Request):
    """Ask how far the candidate's next-token distributions are from the base's along a text.

    Put to the candidate, which knows its base; put to the base the divergence is 0.
    """

    kind: ClassVar[str] = "divergence"
    text: str


Request = GenerateRequest | ScoreRequest | ChoiceRequest | RollingRequest | DivergenceRequest


@dataclass(frozen=True)
class Thought:
    """What a model thought before it answered; `finished` says whether it came to an end."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Generation:
    """A generated answer. `latency_s` is the wall time of its batch up to this row's end.

    `thought` is told from the answer after it was computed; the cache keeps the two as one text.
    """

    kind: ClassVar[str] = "generation"
    text: str
    stop_reason: StopReason
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cached: bool = field(default=False, compare=False)
    thought: Thought | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Score:
    """Log-likelihood of a continuation.

    Attributes:
        logprob: natural log, summed over the continuation's tokens.
        is_greedy: every continuation token was the most likely one.
    """

    kind: ClassVar[str] = "score"
    logprob: float
    is_greedy: bool
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cached: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Choice:
    """How likely each choice is.

    Attributes:
        logprobs: natural log, in the order of the choices, each summed over its tokens; of a server, that of the first
            token. None where it is less than all that the server tells of.
    """

    kind: ClassVar[str] = "choice"
    logprobs: tuple[float | None, ...]
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cached: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "logprobs", tuple(self.logprobs))  # the cache's JSON has lists


@dataclass(frozen=True)
class Divergence:
    """KL(base || candidate) in nats, summed over the text's positions."""

    kind: ClassVar[str] = "divergence"
    kl: float
    tokens: int
    latency_s: float
    cached: bool = field(default=False, compare=False)

    @property
    def prompt_tokens(self) -> int:
        """None: the whole text is measured."""
        return 0

    @property
    def completion_tokens(self) -> int:
        """Those of the text, as other answers call what is measured."""
        return self.tokens


Answer = Generation | Score | Choice | Divergence

Answers = Iterator[tuple[int, Answer]]
"""(index of its request, answer), as they finish."""
