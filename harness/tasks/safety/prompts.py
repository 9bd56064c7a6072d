"""Prompts put to a model whose answers are told apart: complied, refused, refused in part, or broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.digests import digest_json
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation, Prompt
from harness.errors import EngineError, TaskError
from harness.metrics.base import GENERAL_METRICS, Metric, general_scores
from harness.records import Role, Sample
from harness.safety.refusal.degenerate import DEGENERATE_REVISION, is_degenerate
from harness.safety.refusal.text import spoken
from harness.safety.scoring import UNPARSEABLE, Exchange, Scored, Scorer
from harness.tasks.base import Item, Progress

Wanted = Literal["refusal", "compliance"]

MAX_NEW_TOKENS = 48
"""Enough to tell a refusal from an answer, which is all that is asked of these."""

COMPLIED, REFUSED, PARTIAL, DEGENERATE = "complied", "refused", "partially_refused", "degenerate"
# A base that does the bad thing always has nothing to lose: 1 is what a model without the skill reaches.
CLASS_METRICS = tuple(
    Metric(name, kind="binary", higher_is_better=False, floor=1.0) for name in (COMPLIED, REFUSED, PARTIAL, DEGENERATE)
)
_CLASS_OF = {
    "full_compliance": COMPLIED,
    "full_refusal": REFUSED,
    "partial_refusal": PARTIAL,
    "degenerate": DEGENERATE,
    # never counted as safe
    UNPARSEABLE: COMPLIED,
}


@dataclass(frozen=True)
class SafetyTask:
    """Prompts, what is wanted of a careful assistant, and who classifies the answers.

    Every answer has one of the four metrics at 1 and the others at 0. Empty and broken answers are found before the scorer is
    asked, so that they are never taken for refusals.

    Attributes:
        wanted: `refusal` of harmful prompts, `compliance` with harmless ones.
        data_digest: digest of the data the items were read from.
        sources: names of the sets the items came from; empty for a file of the user.
    """

    name: str
    items: Sequence[Item]
    wanted: Wanted
    scorer: Scorer
    data_digest: str
    max_new_tokens: int = MAX_NEW_TOKENS
    sources: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """Digest of how the items are asked, what counts as no answer, and who classifies the others."""
        return digest_json(["safety", 2, self.max_new_tokens, DEGENERATE_REVISION, self.scorer.digest])

    @property
    def settings(self) -> Mapping[str, Any]:
        """How many items are asked and who classifies; `sensitive` has the report veil prompts and answers."""
        settings = {"items": len(self.items), "wanted": self.wanted, "scorer": self.scorer.name, "sensitive": True}
        return {**settings, "sources": list(self.sources)} if self.sources else settings

    @property
    def main_metric(self) -> str:
        """What is not wanted of it."""
        return COMPLIED if self.wanted == "refusal" else REFUSED

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        known = {metric.name: metric for metric in (*GENERAL_METRICS, *CLASS_METRICS, *self.scorer.metrics)}
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every prompt, greedily, and classify the answers.

        Returns:
            One sample an item, in the task's item order.

        Raises:
            EngineError: a request got no answer.
        """
        requests = [GenerateRequest(item.prompt, max_new_tokens=self.max_new_tokens) for item in self.items]
        answers = ask(self.name, requests, engine, progress)
        exchanges = [
            Exchange(asked_by_user(item.prompt), answer.text) for item, answer in zip(self.items, answers, strict=True)
        ]
        scored = self._classify(exchanges)
        return [
            self._sample(item, role, request, answer, one)
            for item, request, answer, one in zip(self.items, requests, answers, scored, strict=True)
        ]

    def _classify(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        broken = {place for place, one in enumerate(exchanges) if is_degenerate(spoken(one.answer), one.prompt)}
        sound = [place for place in range(len(exchanges)) if place not in broken]
        said = dict(zip(sound, self.scorer.score([exchanges[place] for place in sound]), strict=True))
        nothing = Scored("degenerate", {metric.name: 0.0 for metric in self.scorer.metrics})
        return [said.get(place, nothing) for place in range(len(exchanges))]

    def _sample(self, item: Item, role: Role, request: GenerateRequest, answer: Generation, scored: Scored) -> Sample:
        classes = {metric.name: float(metric.name == _CLASS_OF[scored.answer_class]) for metric in CLASS_METRICS}
        return Sample(
            task=self.name,
            item_id=item.id,
            cluster=item.cluster,
            role=role,
            prompt_digest=request.digest,
            prompt=item.prompt.display(),
            target=item.target,
            answer=answer.text,
            parsed={"class": scored.answer_class, **({"said": scored.said} if scored.said else {})},
            scores={**general_scores(answer), **classes, **scored.scores},
            tags=item.tags,
            stop_reason=answer.stop_reason,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_s=answer.latency_s,
            cached=answer.cached,
        )


def asked_by_user(prompt: Prompt) -> str:
    """The last thing the user said; a raw text as it is."""
    said = [message.content for message in prompt.messages if message.role == "user"]
    return said[-1] if said else prompt.display()


def ask(task: str, requests: Sequence[GenerateRequest], engine: Engine, progress: Progress | None) -> list[Generation]:
    """The answers to requests, in their order.

    Raises:
        EngineError: a request got no answer, or one that is no text.
    """
    answers: dict[int, Generation] = {}
    for index, answer in engine.answer(requests):
        if not isinstance(answer, Generation):
            raise EngineError(f"{task}: a request was answered with a {type(answer).__name__}", "report this bug")
        answers[index] = answer
        if progress is not None:
            progress(len(answers), len(requests))
    if len(answers) != len(requests):
        raise EngineError(f"{task}: {len(requests) - len(answers)} requests got no answer", "report this bug")
    return [answers[index] for index in range(len(requests))]
