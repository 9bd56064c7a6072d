"""Text as words, one way for every metric and check: scripts without spaces, accents and quotes make no difference there.

Chinese, Japanese, Thai, Lao, Khmer and Burmese do not divide words by spaces. Each of their letters, with the marks on it,
is taken for a word, as sacrebleu's `zh` and `char` do.

`split_words` divides an answer as it stands, for metrics. The checks on training data use three more: `words` are for long
runs, and hide case, punctuation and spacing; `terms` also hold the symbols, for short texts ("10 - 0" is not "10 + 0");
`exact_key` is the text itself but for case, spacing and sentence punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import regex

WORDS_REVISION = 2
"""In the identity of every metric that rests on these words: raise it when one divides or compares texts in another way."""

# Patterns of `regex`, which knows scripts and marks: a letter of a script without spaces, and a character of other words.
_IDEOGRAM = r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70]"
_ABUGIDA = r"[[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]&&\p{L}]"
UNSPACED_WORD = rf"(?:{_IDEOGRAM}|{_ABUGIDA})\p{{M}}*"
SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--{_IDEOGRAM}--{_ABUGIDA}]"

_FLAGS = regex.VERSION1
_ASCII_WORD = re.compile(r"\w+")
_WORD = regex.compile(rf"{UNSPACED_WORD}|{SPACED}+", _FLAGS)
# Latin, Greek, Cyrillic, punctuation and symbols: `re` has the same words of them
_PLAIN = re.compile("[\0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u206f\u20a0-\u20cf\u2100-\u2bff]*")
_ASCII_ROUGE_WORD = re.compile(r"[^\W_]+")
_ROUGE_WORD = regex.compile(rf"{UNSPACED_WORD}|[{SPACED}--_]+", _FLAGS)
_PIECE = regex.compile(rf"{UNSPACED_WORD}|(?:(?!{_IDEOGRAM}|{_ABUGIDA}).)+", _FLAGS)
# brackets and operators; a point or comma within a number; a dash, but not the one that joins two words
_ASCII_SYMBOL = r"[+*/<>=^%&|~#@$\\(){}\[\]]|(?<=\d)[.,](?=\d)|-(?![^\W\d_])|(?<![^\W\d_])-"
_ASCII_TERM = re.compile(rf"\w+|{_ASCII_SYMBOL}")
_SYMBOL = (
    r"[+*/<>=\^%\&|\~\#@$\\(){}\[\]]|(?<=\d)[.,](?=\d)|-(?!\p{L})|(?<!\p{L})-"
    r"|[^\w\s\x00-\x7f\u00ab\u00bb\u2039\u203a\u201e\u00bf\u00a1\u00b7\u30fb\u3001\u3002\u300c\u300d\u300e\u300f\u0964\u17d4\u104a\u104b]"
)
_TERM = regex.compile(rf"{_WORD.pattern}|{_SYMBOL}", _FLAGS)
_BY_SCRIPT = {
    "kana": regex.compile(r"[\p{Hiragana}\p{Katakana}]", _FLAGS),
    "han": regex.compile(r"\p{Han}", _FLAGS),
    "abugida": regex.compile(_ABUGIDA, _FLAGS),
    "word": _WORD,
}
_JAPANESE_SHARE = 0.05
_MARKS = ".,;:?!、。\u0964\u17d4\u104a\u104b"
# what no sentence exclaims: 5! and (n+1)! are numbers
_FACTOR = re.compile(r"\d+|\w|.*\)")
_ALIKE = {
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u2013\u2014\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"), None),  # not seen by a reader
}
# A word of Thai, Lao, Khmer or Burmese has about three letters with their marks; blocks of these scripts.
_LETTERS_A_WORD = 3
_ABUGIDA_BLOCKS = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"))

BleuTokenizer = Literal["13a", "zh", "char"]


def canonical(text: str) -> str:
    """The text with accents composed (NFC), quotes and dashes as on a keyboard, and without what no reader sees.

    It is for metrics of language; of code and numbers every character counts.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_ALIKE)


def split_words(text: str) -> list[str]:
    """What stands between white space; of scripts without spaces each letter. Punctuation stays where it is."""
    pieces = text.split()
    if text.isascii():
        return pieces
    return [word for piece in pieces for word in ([piece] if piece.isascii() else _PIECE.findall(piece))]


def rouge_words(text: str) -> list[str]:
    """Letters and digits in a row, in lower case, as rouge-score has them of ASCII, which is all that it keeps."""
    return (_ASCII_ROUGE_WORD if text.isascii() else _ROUGE_WORD).findall(canonical(text).lower())


def bleu_tokenizer(texts: Iterable[str]) -> BleuTokenizer:
    """The tokenizer of sacrebleu's for references like these.

    `zh` where most words are Chinese characters, `char` where they are Japanese or of another script without spaces (its
    `ja-mecab` wants a dictionary, its `flores101` a download), else its default.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        if text.isascii():
            counts["word"] += len(text.split())
        else:
            counts.update({name: len(pattern.findall(text)) for name, pattern in _BY_SCRIPT.items()})
    ideograms = counts["kana"] + counts["han"]
    abugida = counts["abugida"] / _LETTERS_A_WORD
    spaced = counts["word"] - ideograms - counts["abugida"]
    if ideograms + abugida < spaced or not ideograms + abugida:
        return "13a"
    return "zh" if ideograms > abugida and counts["kana"] < _JAPANESE_SHARE * ideograms else "char"


def words(text: str) -> list[str]:
    """The words of a text, case folded, without punctuation."""
    folded = _folded(text)
    # no look at the script where there is none without spaces, and no mark: it takes several times as long
    return (_ASCII_WORD if _PLAIN.fullmatch(folded) else _WORD).findall(folded)


def word_count(of: Sequence[str]) -> int:
    """How many words of a language with spaces these `words` are worth: three letters of Thai, Lao, Khmer or Burmese are one.

    A Chinese or Japanese character counts as one.
    """
    letters = sum(any(first <= word[0] <= last for first, last in _ABUGIDA_BLOCKS) for word in of if not word.isascii())
    return len(of) - letters + letters // _LETTERS_A_WORD


def terms(text: str) -> list[str]:
    """The words of a text, and between them its brackets, operators and other symbols; no sentence punctuation."""
    folded = _folded(text)
    return (_ASCII_TERM if folded.isascii() else _TERM).findall(folded)


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
