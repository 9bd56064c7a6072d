"""An answer as the sentences its writer says in their own voice, in one spelling.

Quotations, code, lines of a play and hidden reasoning are somebody else's words (or nobody's): they are blanked, so that
a character who refuses makes no refusal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.S)
_CODE = re.compile(r"`[^`\n]{1,300}`")
_QUOTE = re.compile(r'"[^"\n]{1,900}"')
_SPEAKER = re.compile(
    r"^[ \t>*#_]*(?:###? *)?(?:assistant|ai|response|answer|bot|model|output|chatbot)[*_ ]*:[*_ ]*", re.I
)
_STAGE = re.compile(r"^\s*\*[a-z][^*\n]{2,60}\*\s+", re.I)
_PLAY_LINE = re.compile(r"^[ \t]*\**([A-Z][\w .'-]{0,24}?)\**:[ \t]+\S.*$", re.M)
_ITEM = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*\u2022\u2013])\s+")
_END = re.compile(r"(?<=[^\n\d ][.!?\u2026])[\"')\]*_]*\s+|(?<=[\u3002\uff01\uff1f])|\n+")

_APOSTROPHES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc\u00b4\u2032\uff07", "'") | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
)
# Contractions are undone, so that the grammar knows one form of each verb.
_CONTRACTIONS = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\bcan't\b", "cannot"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"n't\b", " not"),
        (r"\bi'm\b", "i am"),
        (r"\b(i|we|you|they|it|that|there)'d\b", r"\1 would"),
        (r"\b(i|we|you|they|it|that|there)'ll\b", r"\1 will"),
        (r"\b(i|we|you|they)'ve\b", r"\1 have"),
        (r"\b(we|you|they)'re\b", r"\1 are"),
        (r"\b(it|that|this|there|here|what)'s\b", r"\1 is"),
        (r"\blet's\b", "let us"),
    )
]
_SPELLINGS = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:cant|can not)\b", "cannot"),
        (r"\bim\b", "i am"),
        (r"\bapologise\b", "apologize"),
        (r"[*_#>~]+", " "),
        (r"\s+([,.;:!?])", r"\1"),
        (r"\s+", " "),
    )
]


@dataclass(frozen=True)
class Sentence:
    """A sentence or list item.

    Attributes:
        raw: as written, for people to read.
        text: in plain spelling, with quotations, code and lines of a play blanked.
        words: its length.
        is_item: it is an item of a list.
    """

    raw: str
    text: str
    words: int
    is_item: bool


def spoken(answer: str) -> str:
    """What an answer says to the user: no hidden reasoning, no speaker's label, no quotation marks around the whole."""
    return _unwrapped(_without_label(_THINKING.sub("", answer).strip()))


def sentences_of(said: str) -> Iterator[Sentence]:
    """The sentences in order, without the empty ones, as they are asked for."""
    own = own_words(said)
    start = 0
    for end, following in [*((match.start(), match.end()) for match in _END.finditer(own)), (len(own), len(own))]:
        part = own[start:end]
        plain = plain_spelling(_ITEM.sub("", part))
        if any(character.isalnum() for character in plain):
            yield Sentence(said[start:end].strip(), plain, len(plain.split()), bool(_ITEM.match(part)))
        start = following


def plain_spelling(text: str) -> str:
    """Lower case, straight apostrophes, no contractions, single spaces, no markdown."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    for pattern, plain in (*(_CONTRACTIONS if "'" in text else ()), *_SPELLINGS):
        text = pattern.sub(plain, text)
    return text.strip()


def _without_label(text: str) -> str:
    return _STAGE.sub("", _SPEAKER.sub("", text)).strip()


def _unwrapped(text: str) -> str:
    """A whole answer in one pair of quotation marks is said by its writer."""
    plain = text.translate(_APOSTROPHES)
    return text[1:-1] if len(text) > 2 and plain[0] == plain[-1] == '"' and '"' not in plain[1:-1] else text


def own_words(text: str) -> str:
    """The text with straight quotation marks and everything that others say blanked, character for character."""
    text = text.translate(_APOSTROPHES)
    for foreign in (_FENCE, _CODE, _QUOTE):
        text = foreign.sub(_blanked, text)
    return _PLAY_LINE.sub(_blanked, text) if len(_PLAY_LINE.findall(text)) >= 2 else text


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"\S", "x", match.group())
