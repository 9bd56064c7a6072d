"""A task's items asked further on: after an earlier turn, or behind a long neutral text.

What was trained on short single turns can break there alone: rows packed so that they see each other, positions that started
anywhere, a template that joins turns wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.digests import digest_json
from harness.engines.requests import SYSTEM_ROLES, Answer, Message, Prompt, Score, ScoreRequest
from harness.errors import TaskError
from harness.metrics.base import Metric
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item, TaskLike
from harness.tasks.filler import filler
from harness.tasks.plain_text import PlainTextGrader
from harness.tasks.safety.prompts import SafetyTask
from harness.tasks.task import Task

IN_CONVERSATION, FAR = "in_conversation", "far_into_the_context"
LEAST_TOKENS = 512
"""Of the text that stands before: behind fewer, nothing is far."""

_EARLIER = (Message("user", "Which day comes after Monday?"), Message("assistant", "Tuesday."))
_NOTED = "Thank you. I have read your notes."
_ASKED_FOR = (Message("user", "Write a short text."),)
_SHORTEST, _LONGEST = 40, 1200  # characters of a text that are measured
_SLACK_TOKENS = 256  # of an answer, of the marks that a template puts around turns, and of the last sentence of filler


class UnaskableError(TaskError):
    """A task's items cannot be asked there."""


@dataclass(frozen=True)
class Reader:
    """What reads the items.

    Attributes:
        count: tokens of a text.
        context: tokens that it has positions for.
        talks: whether it has a chat template.
        likelihoods: whether it tells how likely answers in conversations are, which a server does not.
    """

    count: Callable[[str], int]
    context: int
    talks: bool
    likelihoods: bool = True


def further_on(
    task: TaskLike, setting: str, reader: Reader, *, tokens: int = LEAST_TOKENS, called: str = ""
) -> TaskLike:
    """The task's items in a setting, `IN_CONVERSATION` or `FAR`; of plain texts, how well their later parts are foretold.

    Args:
        tokens: of the text that stands before what is asked far into the context; fewer where it would not fit.
        called: its name; that of the task and the setting where none is given.

    Raises:
        UnaskableError: its items have prompts of their own making, or the context is too short.
    """
    name = called or f"{task.name}_{setting}"
    if not isinstance(task, Task | SafetyTask):
        raise UnaskableError(f"{task.name} words its prompts itself: nothing can stand before them", _NAME_ANOTHER)
    if isinstance(task, Task) and isinstance(task.grader, PlainTextGrader):
        return _texts_further_on(task, setting, reader, tokens, name)
    if not _asks_in_conversations(task):
        raise UnaskableError(f"{task.name} asks in raw text, and not in conversations", _NAME_ANOTHER)
    before = _earlier(setting, reader, tokens, [item.prompt.display() for item in task.items])
    items = [replace(item, prompt=_after(item.prompt, before)) for item in task.items]
    return replace(task, name=name, items=items, data_digest=_digest(task, setting, before))


def _texts_further_on(task: Task, setting: str, reader: Reader, tokens: int, name: str) -> Task:
    """As the last answer of a conversation; behind a long text also as its continuation, where there is no chat template."""
    chat = reader.talks and reader.likelihoods
    if setting == IN_CONVERSATION and not chat:
        why = "is served, and tells no likelihoods in conversations" if reader.talks else "has no chat template"
        raise UnaskableError(f"what is measured {why}", "measure it in process, with a chat template")
    items = [item for item in task.items if len(item.target) >= _SHORTEST]
    before = _earlier(setting, reader, tokens, [item.target[:_LONGEST] for item in items])
    prompt = _after(Prompt(messages=_ASKED_FOR) if chat else Prompt(text=""), before)
    asked = [replace(item, prompt=prompt, target=_parts(item.target[:_LONGEST])) for item in items]
    return Task(name, asked, LaterPartGrader(), _digest(task, setting, before))


def _asks_in_conversations(task: Task | SafetyTask) -> bool:
    """Whether items' prompts are put as they are, and are conversations: some graders make raw text of them."""
    if isinstance(task, SafetyTask):
        return all(item.prompt.messages for item in task.items)
    first = (task.grader.requests(item)[0] for item in task.items)
    return all(
        item.prompt.messages and getattr(request, "prompt", None) == item.prompt
        for item, request in zip(task.items, first, strict=True)
    )


def _digest(task: Task | SafetyTask, setting: str, before: Sequence[Message]) -> str:
    return digest_json([task.data_digest, setting, [[turn.role, turn.content] for turn in before]])


_NAME_ANOTHER = "name a task whose rows are prompts in conversations, or plain texts"


@dataclass(frozen=True)
class LaterPartGrader:
    """How well a text is foretold from its beginning on, whatever stands before it.

    The beginning itself does not count: how likely an answer starts with just these words is a matter of style. A target is
    `{"beginning": text, "rest": text}`.
    """

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metric; less is better."""
        return (Metric("bits_per_byte", higher_is_better=False),)

    @property
    def digest(self) -> str:
        """Digest of how they are graded."""
        return digest_json(["later_part", 1])

    def requests(self, item: Item) -> Sequence[ScoreRequest]:
        """How likely the whole is, and its beginning."""
        beginning = item.target["beginning"]
        return [ScoreRequest(item.prompt, text) for text in (beginning + item.target["rest"], beginning)]

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade the two scores."""
        whole, beginning = (expect(Score, item, answer).logprob for answer in answers)
        return Grade({"bits_per_byte": (beginning - whole) / math.log(2) / len(item.target["rest"].encode())})


def _earlier(setting: str, reader: Reader, tokens: int, asked: Sequence[str]) -> tuple[Message, ...]:
    """The turns that stand before what is asked."""
    if setting == IN_CONVERSATION:
        return _EARLIER
    room = reader.context - max(map(reader.count, asked), default=0) - _SLACK_TOKENS
    if room < LEAST_TOKENS:
        raise UnaskableError(
            f"its context of {reader.context} tokens has no room for {LEAST_TOKENS} before what is asked",
            "nothing is far into so short a context",
        )
    text = filler(max(LEAST_TOKENS, min(tokens, room)), reader.count)
    return (Message("user", f"Here are my notes.\n\n{text}"), Message("assistant", _NOTED))


def _after(prompt: Prompt, before: Sequence[Message]) -> Prompt:
    """A prompt behind other turns; raw text behind what the user says in them."""
    if not prompt.messages:
        return Prompt(text="\n\n".join([*(turn.content for turn in before if turn.role == "user"), prompt.text or ""]))
    own = prompt.messages
    first = next((i for i, turn in enumerate(own) if turn.role not in SYSTEM_ROLES), len(own))
    return replace(prompt, messages=(*own[:first], *before, *own[first:]))


def _parts(text: str) -> dict[str, str]:
    """A text's first quarter, to the end of a word, and what follows."""
    space = text.find(" ", len(text) // 4)
    place = space if space > 0 else len(text) // 4
    return {"beginning": text[:place], "rest": text[place:]}
