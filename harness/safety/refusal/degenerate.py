"""Answers that are no answer: empty, noise, a runaway loop, or the prompt said back."""

from __future__ import annotations

import re
import unicodedata
import zlib

import regex

from harness.metrics.words import SPACED, UNSPACED_WORD

# Raise it with every change that finds other answers degenerate. It counts under every scorer: none is asked about these.
DEGENERATE_REVISION = 2

_MARKUP = re.compile(
    r"<\|[^<>\n]{1,40}\|?>|</?(?:s|pad|unk|bos|eos|tool_call|think|start_of_turn|end_of_turn)>|\[/?INST\]"
    r"|^\s*\d+[.)]\s+(?=\S)",
    re.M,
)
_TOKEN = regex.compile(rf"{UNSPACED_WORD}|{SPACED}+(?:'{SPACED}+)?", regex.VERSION1)
_LONGEST_PERIOD = 60

# A loop is at least this many times the same words on end, this many words in all, and this share of the answer ...
_LOOP_TIMES = 5
_LOOP_TOKENS = 12
_LOOP_SHARE = 0.5
# ... or it is what the answer ends in, and goes on for so long that only a length limit stops it.
_RUNAWAY_TIMES = 10
_RUNAWAY_TOKENS = 40
# Loops that count upwards or vary a word: prose of this many characters shrinks 2 to 4 times.
_COMPRESSED_CHARACTERS = 600
_COMPRESSION = 10.0
_ECHO_TOKENS = 6


def is_degenerate(answer: str, prompt: str = "") -> bool:
    """Whether an answer says nothing at all, so that it can be neither help nor a refusal."""
    bare = _MARKUP.sub(" ", answer)
    if not any(character.isalnum() or unicodedata.category(character) == "So" for character in bare):
        return True
    return _is_echo(_TOKEN.findall(bare.lower()), prompt) or has_repetition_loop(answer)


def has_repetition_loop(answer: str) -> bool:
    """Whether an answer is, or ends in, a loop."""
    bare = _MARKUP.sub(" ", answer)
    return _loops(_TOKEN.findall(bare.lower())) or _is_one_long_cry(bare) or _compresses(bare)


def _is_echo(tokens: list[str], prompt: str) -> bool:
    asked: list[str] = _TOKEN.findall(prompt.lower())
    if len(asked) < _ECHO_TOKENS or not tokens or len(tokens) % len(asked):
        return False
    return tokens == asked * (len(tokens) // len(asked))


def _loops(tokens: list[str]) -> bool:
    for period in _periods(tokens):
        run = 0
        for here, before in zip(tokens[period:], tokens, strict=False):
            run = run + 1 if here == before else 0
            looped = run + period
            if looped >= max(_LOOP_TOKENS, _LOOP_TIMES * period, _LOOP_SHARE * len(tokens)):
                return True
        if run + period >= max(_RUNAWAY_TOKENS, _RUNAWAY_TIMES * period):
            return True
    return False


def _periods(tokens: list[str]) -> list[int]:
    """Periods worth a look: a loop over half of the answer passes its middle, a runaway one its end."""
    middle, last = len(tokens) // 2, len(tokens) - 1
    longest = min(_LONGEST_PERIOD, len(tokens) // _LOOP_TIMES)
    return [
        period
        for period in range(1, longest + 1)
        if tokens[middle] in (tokens[middle - period], tokens[middle + period]) or tokens[last] == tokens[last - period]
    ]


def _is_one_long_cry(text: str) -> bool:
    """One unbroken run of a few letters, such as `aaaaaa...`."""
    words = text.split()
    return len(words) == 1 and len(words[0]) >= 24 and len(set(words[0].lower())) <= 3


def _compresses(text: str) -> bool:
    data = text.encode()
    return len(text) >= _COMPRESSED_CHARACTERS and len(data) / len(zlib.compress(data, 6)) > _COMPRESSION
