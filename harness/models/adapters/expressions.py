"""Regular expressions in an adapter's configuration, which PEFT tries on every module: they may be written never to end."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from harness.bounded import computed

REMEDY = (
    "name the modules one by one, or without quantifiers within quantifiers: (a+)+ tries every way to divide a name"
)
_LONGEST_S = 5.0
_PLAIN = re.compile(r"[\w.-]*")
# How PEFT puts what it takes for an expression: `target_modules`, patterns of ranks, `layers_pattern`, `modules_to_save`.
_FORMS = ("(?:{})$", r"(.*\.)?({})$", r"(?:^|.*?\.){}\.(\d+)\.", r"(^|.*\.){}($|\..*)")


def endless_expression(config: Mapping[str, Any], names: Collection[str]) -> str | None:
    """What of a PEFT configuration takes so long to be tried on these names that nobody would wait for it: "target_modules
    '(a+)+b'"; None where all is done in time. What is no expression is PEFT's to refuse.
    """
    return _endless(tuple(_expressions(config)), tuple(names))


@lru_cache(maxsize=16)  # every check of an adapter asks, and waits as long where there is one
def _endless(expressions: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> str | None:
    until_s = _spent_s() + _LONGEST_S
    for key, text in expressions:
        rest_s = until_s - _spent_s()
        try:
            if rest_s <= 0:  # many that take a little each
                raise TimeoutError
            computed(partial(_try, text, names), longest_s=rest_s)
        except TimeoutError:
            return f"{key} {text!r:.80}"
    return None


def _spent_s() -> float:
    """Processor time of this process and of the copies of it that computed for it."""
    times = os.times()
    return times.user + times.children_user


def _try(text: str, names: Collection[str]) -> None:
    for form in _FORMS:
        with contextlib.suppress(re.error, OverflowError, RecursionError):
            expression = re.compile(form.format(text))
            for name in names:
                expression.match(name)


def _expressions(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts that are more than a plain name, under whatever key: plain names, as most adapters have them, cost nothing."""
    for key, value in config.items():
        texts = [value] if isinstance(value, str) else value
        for text in texts if isinstance(texts, list | tuple | set | Mapping) else ():
            if isinstance(text, str) and not _PLAIN.fullmatch(text):
                yield key, text
