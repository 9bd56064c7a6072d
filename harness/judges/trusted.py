"""The judge at work for others than the judge suite: it answers only where it has proven itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import UndecidedError
from harness.judges.health import Health


class JudgeUnfitError(UndecidedError):
    """The judge has not proven itself: nothing may rest on what it says."""


@dataclass(frozen=True)
class TrustedJudge:
    """A judge's engine behind its health.

    Attributes:
        health: tries the judge, when it is first asked anything.
    """

    engine: Engine
    health: Callable[[], Health]

    @property
    def identity_digest(self) -> str:
        """Who the judge is."""
        return self.engine.identity_digest

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterator[tuple[int, Generation]]:
        """Its replies, as `Engine.generate` gives them.

        Raises:
            JudgeUnfitError: it is unfit, or could not be tried.
            BudgetSpentError: it may not be asked any more.
        """
        health = self.health()
        if health.obstacle:
            raise JudgeUnfitError(health.obstacle, health.remedy)
        yield from self.engine.generate(requests)
