"""Text as words, so that case, punctuation and spacing hide no copy; and with the symbols by which two questions differ.

`words` are for long runs; `terms` also hold the symbols, for short texts ("10 - 0" is not "10 + 0"); `exact_key` is the
text itself but for case, spacing and sentence punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Chinese and Japanese are written without spaces: each of their characters is taken for a word
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_ASCII_WORD = re.compile(r"\w+")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
# brackets and operators; a point or comma within a number; a dash, but not the one that joins two words
_SYMBOL = (
    r"[+*/<>=^%&|~#@$\\(){}\[\]]|(?<=\d)[.,](?=\d)|-(?![^\W\d_])|(?<![^\W\d_])-"
    r"|[^\w\s\x00-\x7f\u00ab\u00bb\u2039\u203a\u201e¿¡·、。「」『』]"
)
_TERM = re.compile(rf"{_WORD.pattern}|{_SYMBOL}")
_MARKS = ".,;:?!、。"
# what no sentence exclaims: 5! and (n+1)! are numbers
_FACTOR = re.compile(r"\d+|\w|.*\)")
_ALIKE = {
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u2013\u2014\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"), None),  # not seen by a reader
}


def words(text: str) -> list[str]:
    """The words of a text, case folded, without punctuation."""
    # ASCII needs no look at the script, which takes twice as long
    return (_ASCII_WORD if text.isascii() else _WORD).findall(_folded(text))


def terms(text: str) -> list[str]:
    """The words of a text, and between them its brackets, operators and other symbols; no sentence punctuation."""
    return _TERM.findall(_folded(text))


def exact_key(text: str) -> str:
    """What two texts have in common that differ in case, spacing and the punctuation after words only.

    Of a text of punctuation alone that punctuation, for two such texts may differ in nothing else; empty of blanks.
    """
    said = _folded(text).split()
    return " ".join(bare for word in said if (bare := _unmarked(word))) or " ".join(said)


def shingles(of: Sequence[str], size: int = 3) -> set[str]:
    """The runs of `size` words; of fewer words the one run there is."""
    return {" ".join(of[i : i + size]) for i in range(max(1, len(of) - size + 1))} if of else set()


def within(run: Sequence[str], of: Sequence[str]) -> bool:
    """Whether the words of `run` stand in `of`, one after another."""
    return f" {' '.join(run)} " in f" {' '.join(of)} "


def _unmarked(word: str) -> str:
    bare = word.rstrip(_MARKS)
    return f"{bare}!" if word.startswith("!", len(bare)) and _FACTOR.fullmatch(bare) else bare


def _folded(text: str) -> str:
    """Case folded and in compatibility form (NFKC); quotes and dashes as on a keyboard."""
    # ASCII is in that form already, and normalising is half the time of a large check
    return (text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_ALIKE)).casefold()
