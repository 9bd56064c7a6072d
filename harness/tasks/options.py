"""A task's specification, checked key by key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TaskError
from harness.tasks.records import show


@dataclass(frozen=True)
class Options:
    """The mapping under `tasks:` of one task. Each getter raises TaskError naming task, key and value.

    Attributes:
        root: directory that the paths in it start at.
    """

    task: str
    given: Mapping[str, Any]
    root: Path = Path()

    def check_keys(self, known: Sequence[str]) -> None:
        """Refuse keys outside `known`, naming the nearest known one."""
        for key in self.given:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
                raise TaskError(f"task {self.task!r}: unknown key {key!r}", hint)

    def text(self, key: str) -> str | None:
        """A text, None when not given."""
        value = self.given.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(key, "text")
        return value

    def required(self, key: str) -> str:
        """A text that must be given."""
        value = self.text(key)
        if value is None:
            raise TaskError(f"task {self.task!r} has no {key!r}", f"add `{key}: ...` to the task")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of several words."""
        value = self.text(key) or default
        if value not in choices:
            near = difflib.get_close_matches(value, choices, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TaskError(f"task {self.task!r}: {key} is {value!r}", f"{hint}choose one of: {', '.join(choices)}")
        return value

    def count(self, key: str) -> int | None:
        """A whole number of at least 1, None when not given."""
        value = self.given.get(key)
        if value is not None and (type(value) is not int or value < 1):
            raise self.wrong(key, "a whole number of at least 1")
        return value

    def number(self, key: str) -> int | None:
        """A whole number of at least 0, None when not given."""
        value = self.given.get(key)
        if value is not None and (type(value) is not int or value < 0):
            raise self.wrong(key, "a whole number of at least 0")
        return value

    def flag(self, key: str) -> bool | None:
        """True or false, None when not given."""
        value = self.given.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one; empty when not given."""
        value = self.given.get(key)
        if value is None:
            return ()
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise self.wrong(key, 'a list of texts (quote words such as "yes", "no" and "1")')
        return tuple(values)

    def wrong(self, key: str, wanted: str) -> TaskError:
        """An error about one key's value."""
        return TaskError(f"task {self.task!r}: {key} is {show(self.given.get(key))}", f"give {wanted}")
