"""What a training by a provider may cost, before it is begun."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.errors import RecipeError
from harness.training.recipe_data import Limits

_BYTES_A_TOKEN = 2.5
_TOKENS_A_TURN = 4
_A_PRICE = 1_000_000


def tokens_about(row: Any) -> int:
    """Tokens of a row, rather too many: a token for each 2.5 bytes of its texts and 4 for each turn.

    What a provider counts is not known here. A tokenizer of 49,000 tokens needs one for 2.9 (sums in words) to 4.3 bytes
    (prose) of the data sets that ship; providers' own are larger, and need fewer.
    """
    texts, turns = _sizes(row)
    return math.ceil(texts / _BYTES_A_TOKEN) + _TOKENS_A_TURN * turns


def _sizes(value: Any) -> tuple[int, int]:
    """Bytes of all texts, and the number of turns."""
    if isinstance(value, str):
        return len(value.encode()), 0
    if isinstance(value, dict):
        # names of arguments and schemas are read too; those of turns are not
        turns = int("role" in value)
        own = 0 if turns else sum(len(key) for key in value)
        parts = [_sizes(one) for key, one in value.items() if not (turns and key == "role")]
    elif isinstance(value, list):
        turns, own, parts = 0, 0, [_sizes(one) for one in value]
    else:
        return len(str(value)), 0
    return own + sum(size for size, _ in parts), turns + sum(count for _, count in parts)


@dataclass(frozen=True)
class Estimate:
    """What a training takes, about.

    Attributes:
        row_tokens: of all rows trained on, once.
    """

    row_tokens: int
    epochs: int
    limits: Limits

    @property
    def tokens(self) -> int:
        """Tokens that are trained on, over all epochs."""
        return self.row_tokens * self.epochs

    @property
    def cost(self) -> float | None:
        """What they cost at the price given; None without one."""
        price = self.limits.price
        return None if price is None else self.tokens / _A_PRICE * price

    def describe(self) -> str:
        """As in `about 31,000 tokens in 3 epochs (at most 200,000), about 0.78 at 25 a million (at most 5)`."""
        limits, cost = self.limits, self.cost
        epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        told = f"about {self.tokens:,} tokens in {epochs} (at most {limits.tokens:,})"
        if cost is None:
            return told
        most = "" if limits.cost is None else f" (at most {limits.cost:g})"
        return f"{told}, about {cost:.2f} at {limits.price:g} a million{most}"

    def check(self) -> None:
        """Raise a RecipeError where it is more than the recipe allows."""
        limits, cost = self.limits, self.cost
        if self.tokens > limits.tokens:
            raise RecipeError(
                f"about {self.tokens:,} tokens would be trained on, and limits.tokens is {limits.tokens:,}",
                "raise it, or train on fewer rows (data.train.limit) or in fewer epochs (trainer.n_epochs)",
            )
        if cost is not None and limits.cost is not None and cost > limits.cost:
            raise RecipeError(
                f"the training would cost about {cost:.2f}, and limits.cost is {limits.cost:g}",
                "raise it, or train on fewer rows (data.train.limit) or in fewer epochs (trainer.n_epochs)",
            )
