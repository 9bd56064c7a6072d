"""Conversations out of rows: turns in whatever dialect they are written, and which of them are learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.engines.rendering import REASONING_KEYS
from harness.engines.requests import SYSTEM_ROLES, Message, Prompt
from harness.errors import show
from harness.json_files import load_json
from harness.tasks.records import Record, filled

ROLES: Mapping[str, str] = {
    **{role: role for role in ("system", "developer", "user", "assistant", "tool")},
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bot", "chatbot", "model", "ai"), "assistant"),
    **dict.fromkeys(("function", "observation", "function_response", "tool_response", "ipython"), "tool"),
}
"""Speakers as data call them, in small letters -> roles of chat templates."""

ROLE_KEYS, CONTENT_KEYS = ("role", "from", "speaker"), ("content", "value", "text")
LEARNING_KEYS: Mapping[str, bool] = {
    **dict.fromkeys(("weight", "train", "training", "trainable", "loss", "loss_weight", "loss_mask"), True),
    **dict.fromkeys(("masked", "mask"), False),
}
"""What marks a turn -> whether 1 says that it is learnt: OpenAI and Mistral (weight), Axolotl, LLaMA-Factory, ms-swift
and torchtune (masked)."""

CHATS = ("messages", "conversations", "conversation")
ANSWERS = ("output", "completion", "response", "answer")
SYSTEM_COLUMNS = ("system", "system_prompt", "system_message", "system_instruction")

_AS_CSV_WRITES = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}

# how a call is written is the base's template's affair: read here in another form, it would be learnt in that form
_CALL_KEYS = ("tool_calls", "function_call")
_CALLERS = ("function_call", "tool_call")
_CALL_AS_TEXT = (
    "write the call into the text of the assistant's turn, in the form in which the base's template renders calls"
)
_NOT_LEARNT = "would not be trained on"


@dataclass(frozen=True)
class Conversation:
    """Turns, and those of them that are learnt: what training, its checks and tasks are all made from.

    Attributes:
        learnt: places of the assistant's turns to be learnt, in order. None where it is a prompt that is answered while
            training; none comes first but in plain text, which has no prompt.
        tools: as in `Prompt`.
        unread: keys of turns that were not read, as `messages[].name`.
        as_text: its first turn is put as raw text, without the base's chat template, and the second is the answer.
    """

    turns: tuple[Message, ...]
    learnt: tuple[int, ...]
    tools: str | None = None
    unread: frozenset[str] = frozenset()
    as_text: bool = False

    @classmethod
    def answered(cls, prompt: Sequence[Message], answer: str) -> Conversation:
        """A conversation of which the last turn alone is learnt."""
        return cls((*prompt, Message("assistant", answer)), (len(prompt),))

    @classmethod
    def of_prompt(cls, prompt: Prompt, answer: str) -> Conversation:
        """A prompt as a task puts it, with the answer that is learnt."""
        if prompt.text is None:
            return replace(cls.answered(prompt.messages, answer), tools=prompt.tools)
        return replace(cls.answered((Message("user", prompt.text),), answer), as_text=True)

    @property
    def asked(self) -> Prompt:
        """`prompt` as it is put to a model, tools and all."""
        if self.as_text:
            return Prompt(text=self.prompt[0].content if self.prompt else "")
        return Prompt(messages=self.prompt, tools=self.tools)

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The turns before the last one that is learnt. No system prompt is invented."""
        return self.turns[: self.learnt[-1]] if self.learnt else self.turns

    @property
    def answer(self) -> Message:
        """The last turn that is learnt."""
        return self.turns[self.learnt[-1]]

    @property
    def roles(self) -> list[str]:
        """Who speaks, turn by turn."""
        return [turn.role for turn in self.turns]

    def of_last_answer(self) -> Conversation:
        """The same with its last answer alone learnt."""
        return replace(self, learnt=self.learnt[-1:])

    def by_answer(self) -> Iterator[Conversation]:
        """For each turn that is learnt the conversation up to it, with that turn alone learnt."""
        for place in self.learnt:
            yield replace(self, turns=self.turns[: place + 1], learnt=(place,))


@dataclass(frozen=True)
class Turn:
    """A turn as a row has it; `learnt` where it is marked so or not, None where it is not marked."""

    message: Message
    learnt: bool | None = None
    unread: frozenset[str] = frozenset()


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def read_turns(record: Record, field: str) -> list[Turn]:
    """The turns of a field, each with role and content or from and value; or the JSON text of them, as CSV has it.

    Raises:
        DataError: the field is not a list of such turns.
    """
    turns = record.get(field)
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        turns = json_list(record, field, turns)
    if not isinstance(turns, list):
        raise record.error(f"field {field!r} is {show(turns)}, not a list of turns")
    return [_turn(record, field, f"{field}[{i}]", turn) for i, turn in enumerate(turns)]


def conversation(record: Record, field: str, turns: Sequence[Turn], *, context: int = 0) -> Conversation:
    """Turns made a conversation, of which the assistant's are learnt that are not marked otherwise.

    Args:
        field: where they stand, for messages.
        context: how many turns at the beginning are not learnt, whoever speaks.

    Raises:
        DataError: no turn can be learnt.
    """
    answers = [i for i, turn in enumerate(turns) if i >= context and turn.message.role == "assistant"]
    if not answers:
        raise record.error(f"field {field!r} has no assistant turn", "end the conversation with the answer wanted")
    if answers == [0]:
        raise record.error(f"field {field!r} has nothing before the assistant turn", "put the question before it")
    learnt = tuple(i for i in answers if i and turns[i].learnt is not False)
    if not learnt:
        problem = f"field {field!r} has no turn to learn: each answer is marked not to be trained on"
        raise record.error(problem, "remove the row, or the mark from an answer that is to be learnt")
    unread = frozenset[str]().union(*(turn.unread for turn in turns))
    return Conversation(tuple(turn.message for turn in turns), learnt, unread=unread)


def learning_mark(record: Record, location: str, fields: Mapping[str, Any]) -> bool | None:
    """What a row or turn says of whether it is learnt; None where it says nothing.

    Raises:
        DataError: a mark is neither yes nor no.
    """
    said = None
    for key, positive in LEARNING_KEYS.items():
        value = fields.get(key)
        if isinstance(value, str):
            value = _AS_CSV_WRITES.get(value.strip().lower(), value)
        if value is None or value == "":
            continue
        if value not in (0, 1):
            problem = f"field '{location}{key}' is {show(value)}: an answer is learnt in full or not at all"
            remedy = "write 1 or true, or 0 or false" + (
                "" if location else "; rename the field if it means something else"
            )
            raise record.error(problem, remedy)
        said = (bool(value) == positive) and said is not False
    return said


def reasoning_of(record: Record, location: str, fields: Mapping[str, Any]) -> str:
    """What stands as an assistant's reasoning in a row or turn; empty where nothing does.

    Raises:
        DataError: it is not text.
    """
    key = next((key for key in REASONING_KEYS if filled(fields.get(key))), None)
    return "" if key is None else record.as_text(f"{location}{key}", fields[key])


def read_tools(record: Record, fields: Mapping[str, Any]) -> str | None:
    """A row's tools as `Prompt` has them; a bare function schema is put into the envelope that templates expect.

    Raises:
        DataError: they are no list of function schemas, nor the JSON text of one.
    """
    field = next((name for name in ("tools", "functions") if filled(fields.get(name))), None)
    if field is None:
        return None
    tools = [_parsed(record, field, tool) for tool in json_list(record, field, fields[field])]
    if not all(isinstance(tool, dict) for tool in tools):
        raise record.error(f"field {field!r} is {show(fields[field])}, not tools", "write a list of function schemas")
    wrapped = [tool if "name" not in tool else {"type": "function", "function": tool} for tool in tools]
    return json.dumps(wrapped, ensure_ascii=False) if wrapped else None


def json_list(record: Record, field: str, value: Any) -> list[Any]:
    """A list, or the JSON text of one; of anything else the list of it alone.

    Raises:
        DataError: the text is not JSON.
    """
    value = _parsed(record, field, value)
    return value if isinstance(value, list) else [value]


def _parsed(record: Record, field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return load_json(value)
    except ValueError as error:
        raise record.error(f"field {field!r} is text that is not JSON: {error}", "write it as JSON") from None


def _turn(record: Record, field: str, location: str, turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise record.error(f"field {location!r} is {show(turn)}, not an object", "give role and content")
    role_key = _key_of(turn, ROLE_KEYS, "from" if "value" in turn else "role")
    said = turn.get(role_key)
    role = ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        remedy = f"call it assistant and {_CALL_AS_TEXT}" if said in _CALLERS else f"use one of: {', '.join(ROLES)}"
        raise record.error(f"field '{location}.{role_key}' is {show(said)}, not a role", remedy)
    for key in _CALL_KEYS:
        if turn.get(key):
            raise record.error(f"field '{location}.{key}' {_NOT_LEARNT}", _CALL_AS_TEXT)
    content_key = _key_of(turn, CONTENT_KEYS, "value" if role_key == "from" else "content")
    content = _content(record, f"{location}.{content_key}", turn.get(content_key))
    read = {role_key, content_key, *LEARNING_KEYS}
    reasoning = ""
    if role == "assistant":
        reasoning = reasoning_of(record, f"{location}.", turn)
        read.update(REASONING_KEYS)
    unread = frozenset(f"{field}[].{key}" for key, value in turn.items() if key not in read and filled(value))
    return Turn(Message(role, content, reasoning), learning_mark(record, f"{location}.", turn), unread)


def _key_of(turn: Mapping[str, Any], keys: Sequence[str], usual: str) -> str:
    """The one of these keys that a turn has; tables give every turn all of them, and fill in null."""
    return next((key for key in keys if turn.get(key) is not None), usual)


def _content(record: Record, field: str, value: Any) -> str:
    """Text, or parts of text, which are joined line by line as servers do for templates that take text."""
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        value = "\n".join(_part(record, f"{field}[{i}]", part) for i, part in enumerate(value))
    return filled_text(record, field, value)


def _part(record: Record, field: str, part: Mapping[str, Any]) -> str:
    kind = part.get("type", "text")
    if kind not in ("text", "input_text", "output_text"):
        remedy = "only text is trained on: write what it says as text, or remove the row"
        raise record.error(f"field {field!r} is a part of type {kind!r}, which {_NOT_LEARNT}", remedy)
    return record.as_text(f"{field}.text", part.get("text"))


def filled_text(record: Record, field: str, value: Any) -> str:
    """A value that must be text with more than blanks in it.

    Raises:
        DataError: it is not.
    """
    text = record.as_text(field, value)
    if not text.strip():
        raise record.error(f"field {field!r} is empty", "fill it in or remove the row")
    return text


def with_system(record: Record, fields: Mapping[str, Any], turns: list[Turn]) -> list[Turn]:
    """The turns after the system prompt of a column of its own, where they bring none.

    Raises:
        DataError: both are there, and differ.
    """
    field = next((name for name in SYSTEM_COLUMNS if filled(fields.get(name))), None)
    if field is None:
        return turns
    text = record.as_text(field, fields[field])
    first = turns[0].message if turns else None
    if first is None or first.role not in SYSTEM_ROLES:
        return [Turn(Message("system", text)), *turns]
    if first.content.strip() != text.strip():
        raise record.error(f"field {field!r} is another system prompt than the turns begin with", "keep one of them")
    return turns
