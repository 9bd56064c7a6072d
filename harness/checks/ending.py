"""What to do where answers do not end by themselves."""

from __future__ import annotations

from harness.gates import Comparison
from harness.records import Sample
from harness.tasks.targets import target_text

_NO_END = (
    "check that the chat template ends each answer, that its EOS is trained on, that max_length cuts no rows, and that the "
    "task's `max_new_tokens:` leaves room"
)
_NO_ROOM = "raise `max_new_tokens:` of the task: most answers that reach it are shorter than what is expected of them"


def ending_remedy(compared: Comparison) -> str:
    """By those answers that were cut: what never ends goes on behind what was expected."""
    cut = [sample for _, sample in compared.pairs if sample.stop_reason == "length"]
    return _NO_ROOM if 2 * sum(map(_is_short, cut)) > len(cut) else _NO_END


def _is_short(sample: Sample) -> bool:
    return len(sample.answer) < len(target_text(sample.target))
