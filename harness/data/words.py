"""Text as words, so that case, punctuation and spacing hide no copy."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in compatibility form (NFKC), case folded, without punctuation."""
    # ASCII is in that form already, and normalising is half the time of a large check
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _WORD.findall(plain.casefold())


def shingles(of: list[str], size: int = 3) -> set[str]:
    """The runs of `size` words; of fewer words the one run there is."""
    return {" ".join(of[i : i + size]) for i in range(max(1, len(of) - size + 1))} if of else set()
