"""Regular expressions that people write in their settings: any of them may be written never to end."""

from __future__ import annotations

import re
from typing import Any

from harness.errors import AssayError

_LONGEST_S = 5.0
_NO_QUANTIFIER = re.compile(r"(?<!\\)(?<!\\[pPN])\{(?!\d*,?\d*\})")


def refused(pattern: str) -> str | None:
    """Why a text is no regular expression; None where it is one."""
    import regex

    try:
        regex.compile(_exact(pattern))
    except regex.error as error:
        return str(error)
    except RecursionError:
        return "it is nested too deep"
    return None


def search(pattern: str, text: str, named: str, error: type[AssayError], *, whole: bool = False) -> Any:
    """The first match of a person's regular expression in a text; None where there is none. In any thread.

    Args:
        named: the key that gives the expression, which is one.
        whole: only a match of all of the text.

    Raises:
        AssayError: of the type `error`; it takes longer than anyone would wait, or calls itself without end.
    """
    import regex

    try:
        return (regex.fullmatch if whole else regex.search)(_exact(pattern), text, timeout=_LONGEST_S)
    except TimeoutError:
        told = f"takes more than {_LONGEST_S:g} s"
    except MemoryError:
        told = "takes more memory than there is"
    raise error(
        f"{named} {pattern!r:.80} {told} on a text of {len(text):,} characters",
        "write it without quantifiers within quantifiers: (a+)+ tries every way to divide a text",
    )


def _exact(pattern: str) -> str:
    """With braces that count nothing for themselves, as `re` has them: `regex` would match what is nearly so."""
    return _NO_QUANTIFIER.sub(r"\{", pattern)
