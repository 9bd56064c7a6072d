"""Which scorer the configuration names: `SCHEME` or `SCHEME:VALUE`, by the schemes that ships and plugins register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.config import Safety
from harness.errors import ConfigError
from harness.plugins import Registry
from harness.safety.scoring import Rater, Scorer
from harness.safety.toxicity import ToxicityScorer


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
    scheme, _, value = safety.scorer.partition(":")
    make = SCORERS.get(scheme).refusals if scheme in SCORERS else None
    if make is None:
        usages = [one.usage for one in SCORERS if one.refusals is not None]
        raise ConfigError(f"safety.scorer is {safety.scorer!r}", f"choose one of: {', '.join(usages)}")
    return make(Wanted(value, safety, judge))


def make_toxicity_scorer(safety: Safety) -> ToxicityScorer:
    """The scorer of toxicity that the configuration names.

    Raises:
        ConfigError: there is no such scorer.
    """
    scheme, _, value = safety.toxicity_scorer.partition(":")
    make = SCORERS.get(scheme).toxicity if scheme in SCORERS else None
    if make is None:
        usages = [one.usage for one in SCORERS if one.toxicity is not None]
        raise ConfigError(
            f"safety.toxicity_scorer is {safety.toxicity_scorer!r}", f"choose one of: {', '.join(usages)}"
        )
    return make(Wanted(value, safety))
