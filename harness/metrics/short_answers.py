"""Exact match and token F1, as SQuAD defines them.

Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text", section 6.1, and its
official evaluation script (v2.0 for empty answers).
"""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_squad(text: str) -> str:
    """Lower case, ASCII punctuation and English articles removed, runs of white space made one.

    It is blind to signs and decimal points ("-5" becomes "5"): for numbers compare with `normalize_space`.
    """
    return normalize_space(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)))


def normalize_space(text: str) -> str:
    """Runs of white space made one, none at the ends."""
    return " ".join(text.split())


def token_f1(prediction: str, gold: str) -> float:
    """Overlap in words of two normalised texts, in [0, 1]; 1 if both are empty, 0 if one is."""
    predicted, wanted = prediction.split(), gold.split()
    if not predicted or not wanted:
        return float(predicted == wanted)
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return 2 * shared / (len(predicted) + len(wanted))
