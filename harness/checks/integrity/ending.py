"""The gate on answers that end by themselves, and what to do where they do not."""

from __future__ import annotations

from harness.gates import Comparison, Rule
from harness.metrics.base import STOPS
from harness.records import Sample
from harness.tasks.targets import target_text

_NO_END = (
    "check that the chat template ends each answer, that its EOS is trained on, that max_length cuts no rows, and that the "
    "task's `max_new_tokens:` leaves room"
)
_NO_ROOM = "raise `max_new_tokens:` of the task: most answers that reach it are shorter than what is expected of them"


def answers_end(compared: Comparison, least: float) -> Rule:
    """Answers end by themselves, by EOS or the task's stop text, and not at their cap."""
    return compared.metric(STOPS).at_least(least, remedy=_remedy(compared))


def answers_still_end(compared: Comparison, limit: float) -> Rule:
    """As large a share of answers as the base's ends by itself, but for the limit."""
    return compared.metric(STOPS).non_inferior(limit, remedy=_remedy(compared))


def _remedy(compared: Comparison) -> str:
    """What to do where answers are cut, by those that were: what never ends goes on behind what was expected."""
    cut = [sample for _, sample in compared.pairs if sample.stop_reason == "length"]
    return _NO_ROOM if 2 * sum(map(_is_short, cut)) > len(cut) else _NO_END


def _is_short(sample: Sample) -> bool:
    return len(sample.answer) < len(target_text(sample.target))
