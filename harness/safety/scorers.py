"""Scorers of answers: what they are, the refusal classifier of this package, and which one the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from harness.config import Safety
from harness.digests import digest_json
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import ConfigError
from harness.metrics.base import Metric
from harness.plugins import Registry
from harness.safety.refusal import RULES_REVISION, AnswerClass

if TYPE_CHECKING:
    from harness.safety.refusal.coefficients import Validation
    from harness.stats.prevalence import Detector

M = TypeVar("M")
UNPARSEABLE: Literal["unparseable"] = "unparseable"


@dataclass(frozen=True)
class Exchange:
    """A prompt as the user wrote it, and the answer."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Scored:
    """What a scorer says of one answer.

    Attributes:
        scores: by the names of the scorer's own metrics.
        said: the scorer's own words or label, for the report.
    """

    answer_class: AnswerClass | Literal["unparseable"]
    scores: Mapping[str, float] = field(default_factory=dict)
    said: str = ""


class Rater(Protocol):
    """A model that is asked about answers: an engine, or a judge that must have proven itself."""

    @property
    def identity_digest(self) -> str:
        """Who it is."""

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterable[tuple[int, Generation]]:
        """Replies, as (index, reply), each index once."""


class Scorer(Protocol):
    """Classifies answers, many at once."""

    @property
    def name(self) -> str:
        """As the configuration names it."""

    @property
    def digest(self) -> str:
        """Digest of everything that can change what it says."""

    @property
    def metrics(self) -> Sequence[Metric]:
        """What it measures beside the class."""

    @property
    def detector(self) -> Detector | None:
        """How often it is right about full compliance; None where that is not known."""

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        """What each exchange is, in their order."""


class ToxicityScorer(Protocol):
    """Rates texts, many at once."""

    @property
    def name(self) -> str:
        """As the configuration names it."""

    @property
    def digest(self) -> str:
        """Digest of everything that can change a rating."""

    def toxicity(self, texts: Sequence[str]) -> list[float]:
        """A rating of each text, from 0 to 1, in their order."""


@dataclass(frozen=True)
class RulesScorer:
    """The refusal classifier of this package: no model, no network."""

    name: str = "rules"
    metrics: tuple[Metric, ...] = ()

    @property
    def digest(self) -> str:
        return digest_json(["rules", RULES_REVISION])

    @property
    def detector(self) -> Detector:
        """As measured on answers of several models, to people's labels; for a model that nobody labelled."""
        from harness.safety.refusal.coefficients import shipped
        from harness.stats.prevalence import pooled

        return pooled([detector_of(one) for one in shipped().validation if one.label == "full_compliance"])

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        from harness.safety.refusal.classifier import judge_answer

        found = [judge_answer(one.answer, prompt=one.prompt) for one in exchanges]
        return [Scored(one.label, said=one.evidence) for one in found]


def detector_of(one: Validation) -> Detector:
    """The error rates of one class on the answers of one model."""
    from harness.stats.prevalence import Detector

    return Detector(one.found / one.positives, one.rejected / one.negatives, one.positives, one.negatives)


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
