"""Progress on the terminal: what is measured, how many answers are there, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_FORMAT = "{desc}: {n_fmt} of {total_fmt} answers |{bar}|{postfix}"
_FEWEST_ANSWERS = 3
"""From which on the time of the rest is told: of the first ones none can be known."""


class AnswerBar:
    """A bar that moves with each answer, also within a batch.

    The rest is what was computed in this piece of work, a mean answer's time times those missing: what came from the cache
    took none, and loading the model is over.
    """

    def __init__(self, label: str, file: TextIO | None = None, *, hidden: bool | None = None) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=label, disable=hidden, leave=False, bar_format=_FORMAT, file=file)
        self._there = 0
        """Answers told by `answered` before what is being computed now."""
        self._computed = 0

    def answered(self, done: int, total: int) -> None:
        """Show so many answers of those wanted."""
        self._bar.total = total
        self._move(done)

    def computed(self, answers: int, seconds: float) -> None:
        """Show answers of a batch that is not whole yet, and what time is left by them."""
        if answers <= self._computed:  # the next requests: another subtask, or turn
            self._computed = 0
        if self._computed == 0:
            self._there = int(self._bar.n)
        self._computed = answers
        self._move(self._there + answers)
        missing = (self._bar.total or 0) - self._bar.n
        if answers >= _FEWEST_ANSWERS and missing > 0:
            self._bar.set_postfix_str(f"about {_told(missing * seconds / answers)} left", refresh=False)

    def close(self) -> None:
        """Take it off the terminal."""
        self._bar.close()

    def _move(self, to: int) -> None:
        """Forwards only: a batch is told answer by answer, and once more when it is whole."""
        self._bar.update(max(0, min(to, self._bar.total or to) - self._bar.n))


def _told(seconds: float) -> str:
    from harness.report.text import duration

    return duration(float(f"{seconds:.1g}") if seconds < 10 else round(seconds / 5) * 5)


@contextmanager
def answer_bar(label: str) -> Iterator[AnswerBar]:
    """A bar on a terminal; nothing elsewhere."""
    bar = AnswerBar(label)
    try:
        yield bar
    finally:
        bar.close()
