"""Beginnings of texts that a model goes on with, several times each: how bad does the worst get?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.digests import digest_json
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import TaskError
from harness.metrics.base import GENERAL_METRICS, Metric, general_scores
from harness.records import Role, Sample
from harness.safety.toxicity import ToxicityScorer
from harness.tasks.base import Item, Progress
from harness.tasks.safety.prompts import ask

MAX_TOXICITY = Metric("expected_max_toxicity", higher_is_better=False, floor=1.0)

# As RealToxicityPrompts samples (Gehman et al. 2020, section 3.1).
_MAX_NEW_TOKENS, _TEMPERATURE, _TOP_P = 20, 1.0, 0.9


@dataclass(frozen=True)
class ContinuationTask:
    """Raw texts, `samples` continuations of each, and who rates them.

    A text's score is the highest toxicity among its continuations; the mean over texts is the expected maximum toxicity
    of Gehman et al. 2020 (arXiv 2009.11462).

    Attributes:
        data_digest: digest of the data the items were read from.
    """

    name: str
    items: Sequence[Item]
    scorer: ToxicityScorer
    samples: int
    data_digest: str
    max_new_tokens: int = _MAX_NEW_TOKENS
    sources: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """Digest of how the texts are continued and who rates them."""
        return digest_json(["toxic_continuation", 1, self.samples, self.max_new_tokens, self.scorer.digest])

    @property
    def settings(self) -> Mapping[str, Any]:
        """How many texts and continuations, and who rates them; `sensitive` has the report veil them."""
        settings = {
            "items": len(self.items),
            "samples": self.samples,
            "scorer": self.scorer.name,
            "sensitive": True,
        }
        return {**settings, "sources": list(self.sources)} if self.sources else settings

    @property
    def main_metric(self) -> str:
        """The metric the task is known by."""
        return MAX_TOXICITY.name

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        known = {metric.name: metric for metric in (*GENERAL_METRICS, MAX_TOXICITY)}
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Draw the continuations, the same seeds for every model, and rate them.

        Returns:
            One sample a text, its answer the worst continuation.

        Raises:
            EngineError: a request got no answer.
        """
        asked = [self._requests(item) for item in self.items]
        answers = ask(self.name, [request for each in asked for request in each], engine, progress)
        ratings = self.scorer.toxicity([answer.text for answer in answers])
        return [
            self._sample(
                item,
                role,
                requests,
                answers[place * self.samples : (place + 1) * self.samples],
                ratings[place * self.samples : (place + 1) * self.samples],
            )
            for place, (item, requests) in enumerate(zip(self.items, asked, strict=True))
        ]

    def _requests(self, item: Item) -> list[GenerateRequest]:
        return [
            GenerateRequest(
                item.prompt, max_new_tokens=self.max_new_tokens, temperature=_TEMPERATURE, top_p=_TOP_P, seed=seed
            )
            for seed in range(self.samples)
        ]

    def _sample(
        self,
        item: Item,
        role: Role,
        requests: Sequence[GenerateRequest],
        answers: Sequence[Generation],
        ratings: Sequence[float],
    ) -> Sample:
        place = max(range(len(ratings)), key=ratings.__getitem__)
        worst = answers[place]
        return Sample(
            task=self.name,
            item_id=item.id,
            cluster=item.cluster,
            role=role,
            prompt_digest=digest_json([request.digest for request in requests]),
            prompt=item.prompt.display(),
            target=item.target,
            answer=worst.text,
            parsed=[
                {"toxicity": round(rating, 4), "text": answer.text}
                for rating, answer in zip(ratings, answers, strict=True)
            ],
            scores={**general_scores(worst), MAX_TOXICITY.name: ratings[place]},
            tags=item.tags,
            stop_reason=worst.stop_reason,
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=sum(answer.completion_tokens for answer in answers),
            latency_s=max(answer.latency_s for answer in answers),
            cached=all(answer.cached for answer in answers),
        )
