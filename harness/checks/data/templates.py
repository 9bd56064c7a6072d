"""The words that most prompts of a task have in common: what the template says, and no item of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.checks.data.overlap import Windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PHRASE = 5
"""Words in a row that tell a template; shorter ones ("which of the", "is it true that") are plain language."""

_TEXTS = 3

_SHARE = 0.1
"""Of a task's prompts that a phrase of its template has: a task has a few templates."""


def template_words(windows: Windows, keys: NDArray[np.uint64], tasks: Sequence[str]) -> NDArray[np.bool_]:
    """The words that stand in a phrase of five which a tenth of a task's texts has, and three of them at least.

    Or that half of them begin or end with: a short template ("Label this: ...").

    Args:
        keys: of `word_keys`.
        tasks: of each text the task; texts of one are compared.

    Returns:
        A mask over the words of all texts.
    """
    import numpy as np

    mask = np.zeros(len(windows.words), dtype=bool)
    all_hashes, all_firsts = windows.hashes(_PHRASE, keys)
    names, task_of = np.unique(list(tasks), return_inverse=True)
    task_of_window = task_of[windows.text_of[all_firsts]]
    for task in range(len(names)):
        numbers = np.flatnonzero(task_of == task)
        among = task_of_window == task
        firsts = all_firsts[among]
        common = texts_having(windows, all_hashes[among], firsts) >= max(_TEXTS, _SHARE * len(numbers))
        for offset in range(_PHRASE):
            mask[firsts[common] + offset] = True
        for number, (opening, closing) in _ends(windows.texts, numbers.tolist()).items():
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
