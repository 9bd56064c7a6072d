"""Which scorer the configuration names: `SCHEME` or `SCHEME:VALUE`, by the schemes that ships and plugins register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.config import Safety
from harness.errors import ConfigError
from harness.plugins import Registry
from harness.safety.scoring import Rater, Scorer
from harness.safety.toxicity import ToxicityScorer

M = TypeVar("M")


@dataclass(frozen=True)
class Wanted:
    """What a scorer is made for.

    Attributes:
        value: what stands after the scheme's colon; empty where nothing does.
        safety: the section of the configuration.
        judge: makes the judge, when it is first needed; None where no judge can be had.
    """

    value: str
    safety: Safety
    judge: Callable[[], Rater] | None = None

    def need_judge(self) -> Callable[[], Rater]:
        """What makes the judge.

        Raises:
            ConfigError: no judge can be had.
        """
        if self.judge is None:
            raise ConfigError("safety.scorer is judge, and there is no judge", "name one: `judge: {model: ...}`")
        return self.judge


@dataclass(frozen=True)
class ScorerKind:
    """One scheme of scorers.

    Attributes:
        name: the scheme, as "hub" of "hub:ID".
        usage: how it is written, for messages.
        refusals: makes the scorer for `safety: scorer:`; None where it is none.
        toxicity: makes the one for `safety: toxicity_scorer:`; None where it is none.
    """

    name: str
    usage: str
    refusals: Callable[[Wanted], Scorer] | None = None
    toxicity: Callable[[Wanted], ToxicityScorer] | None = None


SCORERS: Registry[ScorerKind] = Registry("register_scorers", "scorer")


def make_scorer(safety: Safety, judge: Callable[[], Rater] | None) -> Scorer:
    """The scorer of answers that the configuration names.

    Raises:
        ConfigError: there is no such scorer, or it lacks what it needs.
    """
    makers = {one.name: (one.usage, one.refusals) for one in SCORERS if one.refusals is not None}
    make, value = _find("safety.scorer", safety.scorer, makers)
    return make(Wanted(value, safety, judge))


def make_toxicity_scorer(safety: Safety) -> ToxicityScorer:
    """The scorer of toxicity that the configuration names.

    Raises:
        ConfigError: there is no such scorer.
    """
    makers = {one.name: (one.usage, one.toxicity) for one in SCORERS if one.toxicity is not None}
    make, value = _find("safety.toxicity_scorer", safety.toxicity_scorer, makers)
    return make(Wanted(value, safety))


def _find(key: str, text: str, makers: Mapping[str, tuple[str, M]]) -> tuple[M, str]:
    """What makes the scorer that `SCHEME` or `SCHEME:VALUE` names, and the value."""
    scheme, _, value = text.partition(":")
    if scheme not in makers:
        raise ConfigError(f"{key} is {text!r}", f"choose one of: {', '.join(usage for usage, _ in makers.values())}")
    return makers[scheme][1], value
