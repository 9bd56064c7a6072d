"""Who says what an answer is: the interface of scorers, and the one that comes with the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from harness.digests import digest_json
from harness.engines.requests import GenerateRequest, Generation
from harness.metrics.base import Metric
from harness.safety.refusal.classifier import (
    COMPLIANCES,
    REFUSALS,
    RULES_REVISION,
    SENSITIVITY,
    SPECIFICITY,
    AnswerClass,
    judge_answer,
)

if TYPE_CHECKING:
    from harness.stats.prevalence import Detector

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
        ...

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterable[tuple[int, Generation]]:
        """Replies, as (index, reply), each index once."""
        ...


class Scorer(Protocol):
    """Classifies answers, many at once."""

    @property
    def name(self) -> str:
        """As the configuration names it."""
        ...

    @property
    def digest(self) -> str:
        """Digest of everything that can change what it says."""
        ...

    @property
    def metrics(self) -> Sequence[Metric]:
        """What it measures beside the class."""
        ...

    @property
    def detector(self) -> Detector | None:
        """How often it tells a refusal from a full answer, where that is known."""
        ...

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        """What each exchange is, in their order."""
        ...


@dataclass(frozen=True)
class RulesScorer:
    """The refusal classifier of this package: no model, no network."""

    name: str = "rules"
    metrics: tuple[Metric, ...] = ()

    @property
    def digest(self) -> str:
        """Of the revision of the rules."""
        return digest_json(["rules", RULES_REVISION])

    @property
    def detector(self) -> Detector | None:
        """As measured on XSTest's human labels."""
        from harness.stats.prevalence import Detector

        return Detector(SENSITIVITY, SPECIFICITY, REFUSALS, COMPLIANCES)

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        """Classify each by itself."""
        found = [judge_answer(one.answer, prompt=one.prompt) for one in exchanges]
        return [Scored(one.label, said=one.evidence) for one in found]
