"""The formats that ship: chats, pairs of a question and its answer, and what other columns say of either."""

from __future__ import annotations

from dataclasses import replace

from harness.engines.requests import Message
from harness.tasks.conversations import (
    ANSWERS,
    CHATS,
    Conversation,
    Turn,
    conversation,
    filled_text,
    is_turns,
    json_list,
    learning_mark,
    read_tools,
    read_turns,
    reasoning_of,
    with_system,
)
from harness.tasks.formats import EXTRAS, MARKS, MEDIA, QUESTIONS, DataFormat
from harness.tasks.records import Record, filled


def _messages(record: Record) -> Conversation:
    return _chat(record, "messages")


def _sharegpt(record: Record) -> Conversation:
    return _chat(record, "conversations")


def _chat(record: Record, usual: str) -> Conversation:
    """Turns in a column of their own, under its usual name or another one's."""
    field = next((name for name in (usual, *CHATS) if name in record.fields), usual)
    return _complete(record, field, read_turns(record, field))


def _pair(record: Record, question: str, usual: str) -> Conversation:
    """A question and its answer in columns of their own; either may be a list of turns."""
    fields = record.fields
    answer = next((name for name in (usual, *ANSWERS) if name in fields), usual)
    if is_turns(fields.get(question)):
        turns = read_turns(record, question)
    else:
        text = filled_text(record, question, record.get(question))
        extra = next((name for name in EXTRAS if name != question and filled(fields.get(name))), None)
        more = record.text(extra).strip() if extra is not None else ""
        repeated = more in text and (question, extra) != ("instruction", "input")  # alpaca's own two always go together
        if more and not repeated:
            text = f"{text}\n\n{more}"
        turns = [Turn(Message("user", text))]
    if is_turns(fields.get(answer)):
        return _complete(record, answer, [*turns, *read_turns(record, answer)], context=len(turns))
    content = filled_text(record, answer, record.get(answer))
    answered = Turn(Message("assistant", content, reasoning_of(record, "", fields)))
    history = _history(record)
    return _complete(record, answer, [*history, *turns, answered], context=len(turns) if not history else 0)


def _history(record: Record) -> list[Turn]:
    """Earlier turns in a column of their own: pairs of question and answer, or turns. They are learnt too."""
    value = record.fields.get("history")
    if not filled(value):
        return []
    pairs = json_list(record, "history", value)
    if is_turns(pairs):
        return read_turns(replace(record, fields={"history": pairs}), "history")
    turns = []
    for i, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2:
            raise record.error(f"field 'history[{i}]' is not a question and its answer", "write [question, answer]")
        texts = [filled_text(record, f"history[{i}][{place}]", text) for place, text in enumerate(pair)]
        turns += [Turn(Message("user", texts[0])), Turn(Message("assistant", texts[1]))]
    return turns


def _complete(record: Record, field: str, turns: list[Turn], *, context: int = 0) -> Conversation:
    """The conversation of these turns, with what other columns say of it.

    Args:
        context: turns at the beginning that are not learnt, whoever speaks.
    """
    fields = record.fields
    for name in MEDIA:
        if filled(fields.get(name)):
            remedy = "only text is trained on: remove the row, or train by a program that reads it"
            raise record.error(f"field {name!r} would not be trained on", remedy)
    if learning_mark(record, "", {name: fields.get(name) for name in MARKS}) is False:
        turns = [replace(turn, learnt=False) for turn in turns]
    complete = with_system(record, fields, turns)
    made = conversation(record, field, complete, context=context and context + len(complete) - len(turns))
    return replace(made, tools=read_tools(record, fields))


def _alpaca(record: Record) -> Conversation:
    return _pair(record, "instruction", "output")


def _prompt_completion(record: Record) -> Conversation:
    return _pair(record, next((name for name in QUESTIONS if name in record.fields), "prompt"), "completion")


SHIPPED = (
    DataFormat("messages", ("messages",), _messages, other_names=(CHATS,)),
    DataFormat("sharegpt", ("conversations",), _sharegpt),
    DataFormat("prompt_completion", ("prompt", "completion"), _prompt_completion, other_names=(QUESTIONS, ANSWERS)),
    DataFormat("alpaca", ("instruction", "output"), _alpaca, other_names=(("instruction",), ANSWERS)),
)
