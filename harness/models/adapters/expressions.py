"""Regular expressions in an adapter's configuration, which PEFT tries on every module: they may be written never to end."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.bounded import computing_within

REMEDY = (
    "name the modules one by one, or without quantifiers within quantifiers: (a+)+ tries every way to divide a name"
)
_LONGEST_S = 5.0
_QUANTIFIED = re.compile(r"[*+?{]")
# How PEFT puts what it takes for an expression: `target_modules`, patterns of ranks, `layers_pattern`, `modules_to_save`.
_FORMS = ("(?:{})$", r"(.*\.)?({})$", r"(?:^|.*?\.){}\.(\d+)\.", r"(^|.*\.){}($|\..*)")


def endless_expression(config: Mapping[str, Any], names: Collection[str]) -> str | None:
    """What of a PEFT configuration takes so long to be tried on these names that nobody would wait for it: "target_modules
    '(a+)+b'"; None where all is done in time. What is no expression is PEFT's to refuse.
    """
    tried = ""
    try:
        with computing_within(_LONGEST_S):
            for key, text in _expressions(config):
                tried = f"{key} {text!r:.80}"
                for form in _FORMS:
                    with contextlib.suppress(re.error, OverflowError, RecursionError):
                        expression = re.compile(form.format(text))
                        for name in names:
                            expression.match(name)
    except TimeoutError:
        return tried
    return None


def _expressions(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts with a quantifier, under whatever key: plain names, as most adapters have them, cost nothing."""
    for key, value in config.items():
        texts = [value] if isinstance(value, str) else value
        for text in texts if isinstance(texts, list | tuple | set | Mapping) else ():
            if isinstance(text, str) and _QUANTIFIED.search(text):
                yield key, text
