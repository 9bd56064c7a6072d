"""Rows as the fine-tuning API takes them, checked as it would check them."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.requests import Message
from harness.errors import DataError, show
from harness.json_files import load_json
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.tasks.function_calls import calls_as_text, turns_with_calls

_KEPT = ("tool_calls", "tool_call_id", "name")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def sent_row(example: Example) -> dict[str, Any]:
    """What is sent of an example: a conversation with its answers' weights, a preference pair, or a prompt.

    Raises:
        DataError: the API would refuse it, or would not train on a part of it; the message names no row.
    """
    one = example.conversation
    if one.as_text:
        raise DataError("is plain text, and the API takes conversations", "give messages, or a prompt and a completion")
    beside = _beside(example.fields)
    tools = {} if one.tools is None else {"tools": _tools(one)}
    parallel = {key: beside[key] for key in ("parallel_tool_calls",) if isinstance(beside.get(key), bool)}
    turns = _Turns(example.fields)
    if not one.learnt:
        asked = turns.written(one.turns)
        _check_turns(asked, tools.get("tools"))
        return {**example.fields, "messages": asked, **tools, **parallel}
    if example.rejected is not None:
        asked = turns.written(one.prompt)
        answers = [turns.written([side.answer]) for side in (one, example.rejected)]
        for answer in answers:
            _check_turns([*asked, *answer], tools.get("tools"))
        outputs = dict(zip(("preferred_output", "non_preferred_output"), answers, strict=True))
        return {"input": {"messages": asked, **tools, **parallel}, **outputs}
    messages = turns.written((*one.prompt, one.answer))
    _check_turns(messages, tools.get("tools"))
    return {"messages": _weighted(messages, one), **tools, **parallel}


def _beside(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where keys beside the turns stand: OpenAI's pairs hold them in `input`."""
    within = fields.get("input")
    return within if isinstance(within, Mapping) else fields


def _weighted(messages: list[dict[str, Any]], one: Conversation) -> list[dict[str, Any]]:
    """With weights where an answer is not learnt; without, all are."""
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if answers == list(one.learnt):
        return messages
    return [
        {**message, "weight": int(place in one.learnt)} if place in answers else message
        for place, message in enumerate(messages)
    ]


class _Turns:
    """Turns as they are sent: those that call or answer a call as the row has them, found by what they read as."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._found: dict[tuple[str, str], deque[Mapping[str, Any]]] = {}
        for turn in turns_with_calls(fields):
            key = ("assistant" if turn.get("tool_calls") else "tool", calls_as_text(turn))
            self._found.setdefault(key, deque()).append(turn)

    def written(self, turns: Sequence[Message]) -> list[dict[str, Any]]:
        return [self._written(turn) for turn in turns]

    def _written(self, turn: Message) -> dict[str, Any]:
        if turn.reasoning:
            raise DataError(
                "holds reasoning beside an answer, which the API does not train on",
                "write it into the answer, or remove the field",
            )
        own = self._found.get((turn.role, turn.content))
        if not own:
            return {"role": turn.role, "content": turn.content}
        row = own.popleft()
        kept = {key: row[key] for key in _KEPT if row.get(key)}
        content = row.get("content") if kept.get("tool_calls") else turn.content
        return {"role": turn.role, **({"content": content} if content else {}), **kept}


def _tools(one: Conversation) -> list[dict[str, Any]]:
    """Those that a conversation may call.

    Raises:
        DataError: one is no function of a name that the API takes.
    """
    tools: list[dict[str, Any]] = json.loads(one.tools or "[]")
    for tool in tools:
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict) or not _is_name(function.get("name")):
            raise DataError(
                f"has the tool {show(tool)}",
                'write {"type": "function", "function": {"name": ..., "parameters": {...}}}, with letters, digits, - and _ in '
                "the name",
            )
    return tools


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _check_turns(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None) -> None:
    """Refuse calls that are none, that name no tool, or that nobody answers before the conversation goes on."""
    open_calls: set[str] = set()
    offered = {tool["function"]["name"] for tool in tools or ()}
    for place, message in enumerate(messages):
        where = f"turn {place + 1}"
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise DataError(
                    f"has a result of a tool in {where} whose tool_call_id is {show(message.get('tool_call_id'))}",
                    "give it the id of a call in the assistant's turn before it",
                )
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            raise DataError(
                f"goes on in {where} before the call {min(open_calls)!r} is answered", "put a tool's turn for each call"
            )
        open_calls = _ids_of_calls(message.get("tool_calls") or (), offered, where)


def _ids_of_calls(calls: Sequence[Any], offered: set[str], where: str) -> set[str]:
    ids: set[str] = set()
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        told = call.get("id") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or call.get("type") != "function" or not isinstance(told, str) or not told:
            raise DataError(
                f"has a call in {where} that is {show(call)}",
                'write {"id": ..., "type": "function", "function": {"name": ..., "arguments": "..."}}',
            )
        if told in ids:
            raise DataError(f"has two calls of the id {told!r} in {where}", "give each call an id of its own")
        if function.get("name") not in offered:
            raise DataError(
                f"calls {show(function.get('name'))} in {where}, which is none of its tools",
                f"name one of them ({', '.join(sorted(offered)) or 'it has no `tools`'}), or add it",
            )
        if not _is_object(function.get("arguments")):
            raise DataError(
                f"has a call in {where} whose arguments are {show(function.get('arguments'))}",
                "write them as the JSON text of an object",
            )
        ids.add(told)
    return ids


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(load_json(arguments), dict)
    except ValueError:
        return False
