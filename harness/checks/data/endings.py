"""Does an answer end, or does it break off? Judged by its last line, beside its own other lines.

Prose whose sentences end in a mark but for the last one breaks off. A list, a table, a signature, hashtags, a formula or
code that never had such marks does not. `benchmarks/data_checks.py` counts false hits on complete answers, and cuts found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from harness.metrics.words import words

UNPUNCTUATED = "ends without punctuation"
"""The fault that is surmised from how the other sentences end; the others show by themselves."""

_USUAL_SHARE = 0.8
_LEAST_WORDS = 5
_TAIL_WORDS = 4
_LONG_WORDS = 12
_LINE_CHARACTERS = 2000
"""Of the last line that many are looked at, from its end."""

_FENCE = re.compile(r"^[ \t>]*(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_ITEM = re.compile(r"\s*(?:[-*+•]\s+|[(\[]?(?:\d{1,3}|[A-Za-z])[.)\]]\s+)")
_MARKERS = re.compile(rf"(?:{_ITEM.pattern}|\s*(?:#{{1,6}}|>)\s+)*\s*")
_BARE_MARKER = re.compile(r"\s*(?:(\d{1,3})[.)]?|([-*+•]|#{1,6}))\s*")
_NUMBER = re.compile(r"\s*(\d{1,3})[.)]\s")
_OPENERS = {"(": ")", "[": "]", "{": "}", "（": "）", "「": "」", "『": "』", "“": "”"}  # noqa: RUF001
_AFTER_MARK = "\"'”’»›)]}*_`~>）」』"  # noqa: RUF001
_SENTENCE_END = re.compile(
    rf"[.!?…。！？．｡؟۔।॥።៕၊။][{re.escape(_AFTER_MARK)}]*(?:\s+|(?<=[。！？．｡]))(?=\S)"  # noqa: RUF001
)
# no sentence ends in "e.g. ", "Dr. ", "J. ", "3. "
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:[A-Za-z](?:\.[A-Za-z])*|\d+|Mrs?|Ms|Drs?|St|Jr|Sr|vs|etc|No|approx|cf|al|Inc|Ltd|Co)\.$"
)
_CODE = re.compile(
    r"^\s*(?:def|return|import|from|class|for|while|if|else|print|int|var|let|const|public|#include)\b.*[():;=\[\]{}]"
    r"|^\s*return\s+\w+\s*$|[;{}]\s*$|\w\(\w*\)|[=!<>]=|\s=\s\S+(?:\s\S+){0,6}$"
)
_LABEL = re.compile(r"(?:[#@]\w+\W{0,20}|(?:https?://|www\.)\S+)$")
_NUMBERED = re.compile(r"(?:^|\s)\d+[.)]\s")
_UNMARKED_SCRIPT = re.compile(r"[\u0e00-\u0eff]")  # Thai and Lao sentences end in a space
# a name, a number or a symbol may end what is no sentence
_PLAIN_END = re.compile(r"[^\W\d_A-Z][^\W\d_]*(?:['’-][^\W\d_]+)*$")  # noqa: RUF001
# no clause ends in these
_GOES_ON = re.compile(
    "a|an|the|and|or|nor|but|with|of|to|from|into|onto|upon|as|than|because|which|whose|if|when|while|where|whether|"
    "although|though|unless|until|since|your|their|my|our|its|we|he|she|they|i'm|i've|it's|you're|they're|we're|"
    "however|therefore|each|every|among|within|without|during|between|including"
)
# nor, in prose, in these; "log in", "I would" and the like end what was only jotted down
_GOES_ON_IN_PROSE = re.compile(
    "that|this|these|those|such|whom|his|was|were|am|has|had|does|would|could|should|might|must|shall|very|in|on|so|"
    "is|are|be|been|can|will|may|have|for|you|by|at|about|over|under|through|who|what|most|some|any|like|also|using|"
    "use|make|only|just|both|being|don't|can't|won't|isn't|i'll|you'll|i'd"
)
_QUOTE = re.compile(r'(?<!\d)"')  # no inches
_SMILEY = re.compile(r"[:;=]['-]?[(\[{]")


def break_fault(answer: str, *, punctuated: bool) -> str:
    """How an answer breaks off; empty where it does not.

    Args:
        punctuated: the data's long answers end in punctuation (`punctuates`), which counts where the answer itself does not
            tell.
    """
    if _fence_is_open(answer):
        return "a code fence stays open"
    if answer.count("<tool_call>") != answer.count("</tool_call>"):
        return "a tool call stays open"
    *before, last = [line for line in answer.splitlines() if line.strip()] or [""]
    if _is_empty_item(last, before):
        return "ends in an empty list item"
    if ends_in_mark(last):
        return ""
    if last.count("|") > 1:
        rows = [line.rstrip() for line in before if line.count("|") > 1]
        return "a row of its table stays open" if rows and all(row.endswith("|") for row in rows) else ""
    body = _without_markers(last)
    if _CODE.search(body) or _LABEL.search(body) or len(words(body)) < 2:
        return ""
    return _open_clause(body, before) or _missing_mark(body, last, before, punctuated)


def punctuates(answers: Sequence[str]) -> bool:
    """Whether at least 80% of the long answers end in punctuation."""
    long = [answer for answer in answers if len(words(answer[-_LINE_CHARACTERS:])) >= _LONG_WORDS]
    return bool(long) and sum(map(ends_in_mark, long)) >= _USUAL_SHARE * len(long)


def ends_in_mark(text: str) -> bool:
    """Whether a text ends in punctuation, a symbol or an emoji that a sentence may end in, closed quotes and brackets
    included; not in a comma, a colon, a dash or an open bracket."""
    text = text.rstrip()
    if text[-1:] in tuple(_AFTER_MARK):
        return True
    last = text[-1:]
    return bool(last) and not (
        last.isalnum() or unicodedata.category(last) in ("Mn", "Mc", "Pd") or last in ",，、;；:：" or last in _OPENERS  # noqa: RUF001
    )


def _fence_is_open(text: str) -> bool:
    opened = ""
    for mark, info in _FENCE.findall(text):
        if not opened:
            opened = mark if "`" not in info else ""
        elif mark.startswith(opened) and not info.strip():
            opened = ""
    return bool(opened)


def _is_empty_item(last: str, before: Sequence[str]) -> bool:
    """Whether nothing follows the marker of the last item of a list."""
    bare = _BARE_MARKER.fullmatch(last)
    if bare is None:
        return False
    number, marker = bare.groups()
    if marker:
        return any(line.lstrip().startswith(f"{marker} ") for line in before)
    numbers = [int(found[1]) for line in before if (found := _NUMBER.match(line))]
    return bool(numbers) and int(number) == numbers[-1] + 1


def _without_markers(line: str) -> str:
    found = _MARKERS.match(line)
    return line[found.end() if found else 0 :].rstrip()[-_LINE_CHARACTERS:]


def _open_clause(body: str, before: Sequence[str]) -> str:
    """What shows by itself that the line goes on."""
    said = body.split()
    if body[-1] in ",，、" and (not before or len(said) >= _LEAST_WORDS):  # not "Yours sincerely,"  # noqa: RUF001
        return "ends within a sentence"
    if body[-1] in ":：" and len(said) >= _TAIL_WORDS:  # noqa: RUF001
        return "ends where it announces something"
    plain = _SMILEY.sub("", body)
    open_brackets = sum(map(plain.count, _OPENERS)) - sum(map(plain.count, _OPENERS.values()))
    if open_brackets > 0 and (len(said) > 2 or plain[-1:] in _OPENERS):
        return "a bracket stays open"
    if len(_QUOTE.findall(body)) % 2 and not any(map(_QUOTE.search, before)):
        return "a quotation stays open"
    return "ends within a sentence" if _clause_goes_on(body, before) else ""


def _clause_goes_on(body: str, before: Sequence[str]) -> bool:
    *said, word = body.replace("’", "'").split()  # noqa: RUF001
    word = word.strip("*_\"'")
    if not said:
        return False
    if word == "I":  # but not "World War I"
        return said[-1].endswith(",") or bool(_GOES_ON.fullmatch(said[-1]) or _GOES_ON_IN_PROSE.fullmatch(said[-1]))
    if _GOES_ON.fullmatch(word):
        return True
    is_prose = bool(_tail(body)) or any(map(_is_marked_sentence, before))
    return is_prose and bool(_GOES_ON_IN_PROSE.fullmatch(word))


def _is_marked_sentence(line: str) -> bool:
    return len(line.split()) >= _LEAST_WORDS and ends_in_mark(line)


def _missing_mark(body: str, last: str, before: Sequence[str], punctuated: bool) -> str:
    """Whether the line lacks the mark that the sentence before it has, the lines like it, or the data."""
    is_announced = bool(before) and before[-1].rstrip().endswith((":", "：")) and not _ITEM.match(last)  # noqa: RUF001
    if is_announced or _UNMARKED_SCRIPT.match(body[-1]) or (body[-1].isascii() and not _PLAIN_END.search(body)):
        return ""
    tail = _tail(body)
    if tail and len(words(tail)) >= _TAIL_WORDS and not _NUMBERED.search(tail):
        return UNPUNCTUATED
    said = body.split()
    is_title = sum(word[0].isupper() for word in said) > len(said) / 2
    if is_title or body.count(",") > len(said) / 4:
        return ""
    is_item = bool(_ITEM.match(last))
    alike = [line for line in before if bool(_ITEM.match(line)) == is_item and len(words(line)) >= _LEAST_WORDS]
    marked = sum(map(ends_in_mark, alike)) >= _USUAL_SHARE * len(alike)
    long_enough = len(words(body)) >= (_LEAST_WORDS if len(alike) > 1 else _LONG_WORDS)
    return UNPUNCTUATED if long_enough and marked and (len(alike) > 1 or punctuated) else ""


def _tail(body: str) -> str:
    """What follows the last sentence that ends within a line; empty where none does."""
    ends = [
        found.end()
        for found in _SENTENCE_END.finditer(body)
        if not _ABBREVIATION.search(body[max(0, found.start() - 8) : found.start() + 1])
    ]
    return body[ends[-1] :] if ends else ""
