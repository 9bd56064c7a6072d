"""In which language is a text? Told by its script and its function words, or not at all.

A text of a few words, a number, code or JSON is in no language that could be told, and most gates that ask are better
served by no answer than by a wrong one: a language is named only where its commonest words make up a fair share of the
text, and clearly more of them than any other's. Function words tell languages apart with few words and no training:
Grefenstette 1995, "Comparing two language identification schemes", JADT 3; Cavnar & Trenkle's n-grams (1994) tell shorter
texts too, and are more often wrong about names and code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

import regex

from harness.json_files import load_json
from harness.metrics.words import canonical

_WORDS = Path(__file__).with_name("function_words.json")
_LEAST_LETTERS = 3
_MOST_OF_LETTERS = 0.5
_JAPANESE = 0.05
_LEAST_WORDS = 5
_LEAST_HITS = 3
_LEAST_KINDS = 2
_HIT_SHARE = 0.2
_CLEARLY_MORE = 1.6
_MOST_SYMBOLS = 0.06
_MOST_CODE_LINES = 0.3

_SCRIPTS = {
    name: regex.compile(rf"\p{{{script}}}")
    for name, script in {
        "Latin": "Latin", "Cyrillic": "Cyrillic", "Greek": "Greek", "Arabic": "Arabic", "Hebrew": "Hebrew",
        "Devanagari": "Devanagari", "Bengali": "Bengali", "Tamil": "Tamil", "Thai": "Thai", "Korean": "Hangul",
        "Georgian": "Georgian", "Armenian": "Armenian", "Chinese": "Han",
    }.items()
}  # fmt: skip
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_LETTER = regex.compile(r"\p{L}")
_WORD = regex.compile(r"(?<![\p{L}\p{N}'])\p{L}[\p{L}\p{M}']*(?!\p{N})")
_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|<(tool_call|think)>.*?(?:</\1>|\Z)|</?\w[^>\n]*>|\$\$.*?\$\$|https?://\S+|\S+@\S+",
    re.DOTALL,
)
_CODE_SYMBOL = re.compile(r"[{}\[\]<>;=_\\|^~$#@]")
_CODE_BEGINS = re.compile(r"\s*[\[{<]")
_CODE_LINE = re.compile(
    r"\s*(?:[#@/]|(?:def|class|return|import|from|for|if|elif|else|while|try|with|const|let|var|function|public|private|print|"
    r"assert|SELECT|FROM|WHERE|INSERT|CREATE)\b.*[(){}\[\]:;=*]|.*[;{}]\s*$|[\w.]+\(.*\)\s*$|\w+ = )"
)


def script_of(text: str) -> str | None:
    """The script of most of its letters (of Japanese and Chinese the language); None of fewer than three letters, or none
    that most are in."""
    letters = len(_LETTER.findall(text))
    if letters < _LEAST_LETTERS:
        return None
    if text.isascii():
        return "Latin"
    if len(_KANA.findall(text)) > _JAPANESE * letters:
        return "Japanese"
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    name = max(counts, key=lambda one: counts[one])
    return name if counts[name] > _MOST_OF_LETTERS * letters else None


@lru_cache(maxsize=1 << 15)  # each gate of a task asks of the same texts
def language_of(text: str) -> str | None:
    """The language by its English name, of a script that one language is known by that of the script; None where it cannot
    be told: of code, JSON, numbers, names, and most texts of fewer than five words."""
    prose = _prose(text)
    script = script_of(prose)
    if script is None or script not in _function_words():
        return script
    words = [word.casefold() for word in _WORD.findall(canonical(prose))]
    if len(words) < _LEAST_WORDS:
        return None
    weights = _weights(script)
    counts = Counter(word for word in words if word in weights)
    hits: dict[str, float] = dict.fromkeys(_function_words()[script], 0.0)
    kinds: Counter[str] = Counter()
    for word, count in counts.items():
        for language, weight in weights[word].items():
            hits[language] += count * weight
            kinds[language] += 1
    first, second = sorted(hits, key=lambda one: -hits[one])[:2]
    found = sum(count for word, count in counts.items() if first in weights[word])
    enough = found >= max(_LEAST_HITS, _HIT_SHARE * len(words)) and kinds[first] >= _LEAST_KINDS
    return first if enough and hits[first] >= _CLEARLY_MORE * hits[second] else None


def differ(text: str, other: str) -> bool:
    """Whether two texts are in different languages, as far as can be told: in different scripts, or languages that are both
    known."""
    of_text, of_other = language_of(text), language_of(other)
    if of_text is not None and of_other is not None:
        return of_text != of_other
    scripts = script_of(_prose(text)), script_of(_prose(other))
    return None not in scripts and scripts[0] != scripts[1]


def _prose(text: str) -> str:
    """The text without code, tags and addresses; empty where it is all code or JSON."""
    prose = _NO_LANGUAGE.sub(" ", text)
    lines = [line for line in prose.splitlines() if line.strip()]
    code = sum(bool(_CODE_LINE.match(line)) for line in lines) > _MOST_CODE_LINES * len(lines)
    symbols = len(_CODE_SYMBOL.findall(prose)) > _MOST_SYMBOLS * len(prose)
    return "" if code or symbols or _CODE_BEGINS.match(prose) else prose


@cache
def _function_words() -> Mapping[str, Mapping[str, str]]:
    """Script -> language -> its commonest words."""
    found: Mapping[str, Mapping[str, str]] = load_json(_WORDS.read_text(encoding="utf-8"))
    return found


@cache
def _weights(script: str) -> Mapping[str, Mapping[str, float]]:
    """Function word -> each language it belongs to, and what it says of that: less where several have it."""
    languages = {name: set(words.split()) for name, words in _function_words()[script].items()}
    known = Counter(word for words in languages.values() for word in words)
    return {
        word: {name: 1 / count for name, words in languages.items() if word in words} for word, count in known.items()
    }
