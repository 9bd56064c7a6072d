"""Numbers that no training has: TRL and PEFT take them as they come, and end without a step, or without a sentence."""

from __future__ import annotations

import math
from typing import Any

_LARGEST = 1_000_000_000
_LARGEST_RANK = 65_536
_RANKS = frozenset({"r", "init_r", "target_r", "num_virtual_tokens"})
_ABOVE_ZERO = _RANKS | {
    "eval_steps",
    "generation_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "logging_steps",
    "max_completion_length",
    "max_length",
    "max_new_tokens",
    "max_prompt_length",
    "num_generations",
    "num_train_epochs",
    "per_device_eval_batch_size",
    "per_device_train_batch_size",
    "steps_per_generation",
    "temperature",
}
_FROM_ZERO = frozenset({"beta", "lora_alpha", "lora_dropout", "max_grad_norm", "warmup_steps", "weight_decay"})


def out_of_bounds(name: str, value: Any) -> str | None:
    """What to give in place of an argument's number; None where it is one that a training can have, or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value):
        return "give a number"
    largest = _LARGEST_RANK if name in _RANKS else _LARGEST
    if abs(value) > largest:
        return f"give at most {largest:,}"
    if name in _ABOVE_ZERO and value <= 0:
        return "give a number above 0"
    return "give 0 or more" if name in _FROM_ZERO and value < 0 else None
