"""The formats that data rows come in, each turned into a prompt and its completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines.requests import Message
from harness.errors import DataError, show
from harness.plugins import Registry
from harness.tasks.records import Record, read_records

_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_SHAREGPT_ROLES = {**_ROLES, "human": "user", "gpt": "assistant"}
# how a call is written is the base's template's affair: read here in another form, it would be learnt in that form
_CALL_KEYS = ("tool_calls", "function_call")
_CALL_AS_TEXT = (
    "write the call into the text of the assistant's turn, in the form in which the base's template renders calls"
)
_OTHER_ROLES = {
    "developer": "call it system",
    "function": "call it tool",
    "observation": "call it tool",
    "function_call": f"call it assistant and {_CALL_AS_TEXT}",
}


@dataclass(frozen=True)
class Example:
    """A conversation and the answer wanted.

    Attributes:
        prompt: the turns before the last assistant turn, never empty. No system prompt is invented.
        completion: the last assistant turn, never blank.
        row: the row of the file it came from, as in `Record`.
        fields: that row.
    """

    prompt: tuple[Message, ...]
    completion: str
    row: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class DataFormat:
    """How rows of a data file hold a prompt and its completion.

    Attributes:
        name: as `format:` gives it.
        fields: that every row has; the last holds the completion.
        parse: a row -> the turns of its prompt, and the completion. Raises DataError (`record.error`) where it cannot.
        detect: whether a row is of this format; None: it is where it has all `fields`.
    """

    name: str
    fields: tuple[str, ...]
    parse: Callable[[Record], tuple[tuple[Message, ...], str]]
    detect: Callable[[Record], bool] | None = None

    def fits(self, record: Record) -> bool:
        """Whether a row is of this format."""
        return self.detect(record) if self.detect is not None else all(field in record.fields for field in self.fields)


DATA_FORMATS: Registry[DataFormat] = Registry("register_data_formats", "data format", DataError)


def detect_format(record: Record) -> str:
    """The first format that the row fits.

    Raises:
        DataError: it fits none.
    """
    for one in DATA_FORMATS:
        if one.fits(record):
            return one.name
    seen = ", ".join(record.fields)
    raise record.error(
        f"fits no format: its fields are {seen}", f"rename the fields to one of these ({known_formats()})"
    )


def known_formats() -> str:
    """Each format with its fields, for messages."""
    return "; ".join(f"{one.name}: {', '.join(one.fields)}" for one in DATA_FORMATS)


def parse_example(record: Record, format_name: str) -> Example:
    """Read one row in the named format.

    Raises:
        DataError: the format is unknown, or a field is missing or malformed; the message names file, row and field.
    """
    prompt, completion = DATA_FORMATS.get(format_name).parse(record)
    return Example(prompt, completion, record.row, record.fields)


def _alpaca(record: Record) -> tuple[tuple[Message, ...], str]:
    instruction = _filled(record, "instruction", record.get("instruction"))
    extra = record.text("input").strip() if record.fields.get("input") is not None else ""
    user = f"{instruction}\n\n{extra}" if extra else instruction
    return (*_system(record), Message("user", user)), _filled(record, "output", record.get("output"))


def _sharegpt(record: Record) -> tuple[tuple[Message, ...], str]:
    prompt, completion = _split(record, "conversations", _turns(record, "conversations", "from", "value"))
    return (*_system(record), *prompt), completion


def _messages(record: Record) -> tuple[tuple[Message, ...], str]:
    return _split(record, "messages", _turns(record, "messages", "role", "content"))


def _prompt_completion(record: Record) -> tuple[tuple[Message, ...], str]:
    if isinstance(record.get("prompt"), list):
        prompt = _turns(record, "prompt", "role", "content")
        if not prompt:
            raise record.error("field 'prompt' has no turns", "fill it in or remove the row")
    else:
        prompt = [Message("user", _filled(record, "prompt", record.get("prompt")))]
    if isinstance(record.get("completion"), list):
        return _split(record, "completion", [*prompt, *_turns(record, "completion", "role", "content")])
    return tuple(prompt), _filled(record, "completion", record.get("completion"))


def _system(record: Record) -> tuple[Message, ...]:
    """The system prompt that alpaca and ShareGPT files may carry in a column of its own."""
    return (Message("system", record.text("system")),) if record.fields.get("system") else ()


def _turns(record: Record, field: str, role_key: str, content_key: str) -> list[Message]:
    roles = _SHAREGPT_ROLES if role_key == "from" else _ROLES
    turns = record.get(field)
    if not isinstance(turns, list):
        raise record.error(f"field {field!r} is {show(turns)}, not a list of turns")
    messages = []
    for i, turn in enumerate(turns):
        location = f"{field}[{i}]"
        if not isinstance(turn, dict):
            raise record.error(
                f"field {location!r} is {show(turn)}, not an object", f"give {role_key} and {content_key}"
            )
        role = turn.get(role_key)
        if not isinstance(role, str) or role not in roles:
            problem = f"field '{location}.{role_key}' is {show(role)}, not a role"
            raise record.error(problem, _OTHER_ROLES.get(str(role), f"use one of: {', '.join(roles)}"))
        for key in _CALL_KEYS:
            if turn.get(key):
                raise record.error(f"field '{location}.{key}' would not be trained on", _CALL_AS_TEXT)
        messages.append(Message(roles[role], _filled(record, f"{location}.{content_key}", turn.get(content_key))))
    return messages


def _split(record: Record, field: str, turns: list[Message]) -> tuple[tuple[Message, ...], str]:
    """Cut before the last assistant turn; turns after it (a question nobody answered) are dropped."""
    assistant_turns = [i for i, turn in enumerate(turns) if turn.role == "assistant"]
    if not assistant_turns:
        raise record.error(f"field {field!r} has no assistant turn", "end the conversation with the answer wanted")
    if assistant_turns[-1] == 0:
        raise record.error(f"field {field!r} has nothing before the assistant turn", "put the question before it")
    return tuple(turns[: assistant_turns[-1]]), turns[assistant_turns[-1]].content


def _filled(record: Record, field: str, value: Any) -> str:
    text = record.as_text(field, value)
    if not text.strip():
        raise record.error(f"field {field!r} is empty", "fill it in or remove the row")
    return text


SHIPPED = (
    DataFormat("messages", ("messages",), _messages),
    DataFormat("sharegpt", ("conversations",), _sharegpt),
    DataFormat("prompt_completion", ("prompt", "completion"), _prompt_completion),
    DataFormat("alpaca", ("instruction", "output"), _alpaca),
)


def read_examples(path: Path, format_name: str = "auto") -> list[Example]:
    """Read every row of a file as a prompt and its completion.

    Args:
        path: a data file or folder, as of `read_records`.
        format_name: `alpaca`, `sharegpt`, `messages`, `prompt_completion`, one of a plugin, or `auto`: as the first row is.

    Raises:
        DataError: the file or one of its rows cannot be read; the message names row and field.
    """
    records = read_records(path)
    name = detect_format(records[0]) if format_name == "auto" else format_name
    return [parse_example(record, name) for record in records]
