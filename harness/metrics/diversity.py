"""How much several answers differ among themselves."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial

from harness.metrics.words import bleu_tokenizer, split_words

_END = "\n"  # cannot be a word


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct-n: different n-grams of words over all of them (Li et al. 2016, arXiv 1510.03055).

    The end of a text counts as a word, so that texts of one word have n-grams too. 0 where no text has any.
    """
    grams = [
        gram for words in map(split_words, texts) for gram in zip(*([*words, _END][i:] for i in range(n)), strict=False)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others, 0 to 1; more is less diverse (Zhu et al. 2018, arXiv 1802.01886).

    Raises:
        ValueError: fewer than two texts.
    """
    from sacrebleu import sentence_bleu

    if len(texts) < 2:
        raise ValueError(f"self-BLEU needs two texts or more, not {len(texts)}")
    score = partial(sentence_bleu, smooth_method="exp", tokenize=bleu_tokenizer(texts))
    scores = [score(text, [*texts[:i], *texts[i + 1 :]]).score for i, text in enumerate(texts)]
    return min(1.0, float(sum(scores) / len(scores) / 100))  # BLEU of equal texts can exceed 100 by rounding


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of all texts over their compressed bytes; more is more repetitive (Shaib et al. 2024, arXiv 2403.00553)."""
    data = "\n".join(texts).encode()
    return len(data) / len(zlib.compress(data, 9))
