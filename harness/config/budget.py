"""What judging costs, and where it must stop."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from harness.errors import ConfigError, UndecidedError

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(USD)?", re.IGNORECASE)
_MILLION = 1_000_000
BUDGET_REMEDY = "run the same command with a larger --judge-budget: what was answered is kept and costs nothing"


class BudgetSpentError(UndecidedError):
    """The judge may not be asked any more: the next questions could cost more than is left."""


@dataclass(frozen=True)
class Tokens:
    """Tokens read and written."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


@dataclass(frozen=True)
class Prices:
    """US dollars a million tokens."""

    prompt: float
    completion: float

    def cost_usd(self, tokens: Tokens) -> float:
        """What so many tokens cost."""
        return (tokens.prompt * self.prompt + tokens.completion * self.completion) / _MILLION


@dataclass(frozen=True)
class Budget:
    """The most that a session may spend on its judge: tokens, or US dollars where `prices` is given."""

    limit: float
    prices: Prices | None = None

    @classmethod
    def parse(cls, text: str, prices: Prices | None) -> Budget:
        """Read `--judge-budget`: a number of tokens, or an amount such as `5USD`.

        Raises:
            ConfigError: it is neither, or an amount without prices.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None or not 0 < float(found[1]) < math.inf:
            raise ConfigError(f"--judge-budget={text} is no budget", "give a number of tokens, or dollars: 5USD")
        if found[2] is None:
            return cls(float(found[1]))
        if prices is None:
            raise ConfigError(
                f"--judge-budget={text} is in dollars, and the judge has no prices",
                "give judge.price_input and judge.price_output (US dollars a million tokens), or a budget in tokens",
            )
        return cls(float(found[1]), prices)

    def shared(self, processes: int) -> Budget:
        """The equal part of one of several processes that know nothing of each other's spending."""
        return replace(self, limit=self.limit / processes)

    def allows(self, tokens: Tokens) -> bool:
        """Whether so much may be spent in all."""
        return (tokens.total if self.prices is None else self.prices.cost_usd(tokens)) <= self.limit

    def show(self) -> str:
        """As in `200,000 tokens` and `5.00 USD`."""
        return f"{self.limit:,.0f} tokens" if self.prices is None else f"{self.limit:,.2f} USD"
