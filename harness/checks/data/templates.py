"""The words that most prompts of a task have in common: what the template says, and no item of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.checks.data.overlap import Windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PHRASE = 5
"""Words in a row that tell a template; shorter ones ("which of the", "is it true that") are plain language."""

_TEXTS = 3


def template_words(
    windows: Windows, keys: NDArray[np.uint64], *, share: float, texts: Iterable[int]
) -> NDArray[np.bool_]:
    """The words that stand in a phrase of five which a share of these texts has, and three of them at least.

    Or that half of them begin or end with: a short template ("Label this: ...").

    Args:
        keys: of `word_keys`.
        texts: numbers of those that are compared; of the others no word is a template's.

    Returns:
        A mask over the words of all texts.
    """
    import numpy as np

    chosen = np.zeros(len(windows.texts), dtype=bool)
    chosen[list(texts)] = True
    mask = np.zeros(len(windows.words), dtype=bool)
    hashes, firsts = windows.hashes(_PHRASE, keys)
    among = chosen[windows.text_of[firsts]]
    hashes, firsts = hashes[among], firsts[among]
    common = texts_having(windows, hashes, firsts) >= max(_TEXTS, share * chosen.sum())
    for offset in range(_PHRASE):
        mask[firsts[common] + offset] = True
    for number, (opening, closing) in _ends(windows.texts, np.flatnonzero(chosen).tolist()).items():
        first, end = windows.starts[number : number + 2]
        mask[first : first + opening] = True
        mask[end - closing : end] = True
    return mask


def _ends(texts: Sequence[Sequence[str]], numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Text -> how many of its first and of its last words, up to four, half of the texts have."""
    least = max(_TEXTS, len(numbers) / 2)
    found = dict.fromkeys(numbers, (0, 0))
    for size in range(1, _PHRASE):
        openings = Counter(tuple(texts[number][:size]) for number in numbers)
        closings = Counter(tuple(texts[number][-size:]) for number in numbers)
        for number in numbers:
            text, (opening, closing) = texts[number], found[number]
            if len(text) > 2 * size:
                opening = size if openings[tuple(text[:size])] >= least else opening
                closing = size if closings[tuple(text[-size:])] >= least else closing
            found[number] = opening, closing
    return found


def texts_having(windows: Windows, hashes: NDArray[np.uint64], firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of these windows the number of texts that have one like it."""
    import numpy as np

    _, kind = np.unique(hashes, return_inverse=True)
    pairs = np.unique(np.stack([kind, windows.text_of[firsts]]), axis=1)
    return np.bincount(pairs[0], minlength=1)[kind] if len(kind) else np.zeros(0, dtype=np.int64)
