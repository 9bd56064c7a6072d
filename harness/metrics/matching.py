"""Exact match and token F1 as SQuAD defines them, and how near the arguments of two calls are."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.metrics.words import canonical, split_words

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_squad(text: str) -> str:
    """Lower case, punctuation and English articles removed, runs of white space made one; beyond ASCII `canonical`.

    SQuAD's own rules remove ASCII punctuation; that of other scripts goes too, as by Lewis et al. 2020 (MLQA, arXiv
    1910.07475). It is blind to signs and decimal points ("-5" becomes "5"): for numbers compare with `normalize_space`.
    """
    bare = canonical(text).lower().translate(_PUNCTUATION)
    if not bare.isascii():
        bare = "".join(character for character in bare if not unicodedata.category(character).startswith("P"))
    return normalize_space(_ARTICLES.sub(" ", bare))


def normalize_space(text: str) -> str:
    """Runs of white space made one, none at the ends."""
    return " ".join(text.split())


def token_f1(prediction: str, gold: str) -> float:
    """Overlap in words (`split_words`) of two normalised texts, in [0, 1]; 1 if both are empty, 0 if one is."""
    predicted, wanted = split_words(prediction), split_words(gold)
    if not predicted or not wanted:
        return float(predicted == wanted)
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return 2 * shared / (len(predicted) + len(wanted))


def same_value(given: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same, types included.

    "3" is not 3, true is not 1 and 3.0 is not 3, but an integer may stand where a fraction is wanted (2 for 2.0), as
    in the Berkeley Function-Calling Leaderboard's AST match.
    """
    if isinstance(wanted, dict):
        return isinstance(given, dict) and same_arguments(given, wanted)
    if isinstance(wanted, list):
        if not isinstance(given, list) or len(given) != len(wanted):
            return False
        return all(same_value(g, w) for g, w in zip(given, wanted, strict=True))
    if type(wanted) is float:
        return type(given) in (int, float) and given == wanted
    return type(given) is type(wanted) and bool(given == wanted)


def same_arguments(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two calls have the same argument names and values; order does not matter."""
    return given.keys() == wanted.keys() and all(same_value(given[name], wanted[name]) for name in wanted)


def argument_f1(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """Harmonic mean of the share of given arguments that are right and of wanted ones that were given; 1 if none is
    given and none wanted.
    """
    if not given and not wanted:
        return 1.0
    right = sum(name in given and same_value(given[name], value) for name, value in wanted.items())
    return 2 * right / (len(given) + len(wanted))
