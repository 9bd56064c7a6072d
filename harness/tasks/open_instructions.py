"""Open instructions put to a model: there is no right answer, so nothing is graded but that the answer ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.digests import digest_json
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation, Message, Prompt
from harness.errors import EngineError, TaskError
from harness.metrics.base import GENERAL_METRICS, LENGTH, Metric, general_scores
from harness.records import Role, Sample
from harness.tasks.base import Progress
from harness.tasks.questions import Question, Reply


@dataclass(frozen=True)
class OpenTask:
    """Questions of one turn or several; of a later turn the model sees its own answers to those before.

    Base and candidate are paired by what the user says, which is the same for both.

    Attributes:
        answer_tokens: cap on each answer.
        data_digest: digest of the data the questions were read from.
    """

    name: str
    questions: Sequence[Question]
    answer_tokens: int
    data_digest: str

    @property
    def digest(self) -> str:
        """Digest of how the questions are asked."""
        return digest_json(["open", 1, self.answer_tokens])

    @property
    def settings(self) -> Mapping[str, Any]:
        """How many questions are asked, and how long answers may be."""
        return {"items": len(self.questions), "answer_tokens": self.answer_tokens}

    @property
    def main_metric(self) -> str:
        """The only one that says anything about an answer by itself."""
        return LENGTH

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: there is none.
        """
        known = {metric.name: metric for metric in GENERAL_METRICS}
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Have a model answer, turn by turn; `parsed` of a sample holds its replies to all turns.

        Raises:
            EngineError: a request got no answer.
        """
        said: dict[tuple[str, ...], Generation] = {}
        wanted = {question.turns[:n] for question in self.questions for n in range(1, len(question.turns) + 1)}
        for depth in range(1, max(map(len, wanted)) + 1):
            turns = sorted(turns for turns in wanted if len(turns) == depth)
            requests = [self.request(one, _replies(one[:-1], said)) for one in turns]
            for index, answer in engine.answer(requests):
                if isinstance(answer, Generation):
                    said[turns[index]] = answer
                if progress is not None:
                    progress(len(said), len(wanted))
        if len(said) < len(wanted):
            raise EngineError(f"{self.name}: {len(wanted) - len(said)} requests got no answer", "report this bug")
        return [self._sample(question, role, said) for question in self.questions]

    def request(self, turns: Sequence[str], replies: Reply, **sampling: Any) -> GenerateRequest:
        """Ask for the answer to the last of `turns`, after the answers to those before."""
        messages = [message for turn, reply in zip(turns, replies, strict=False) for message in _exchange(turn, reply)]
        prompt = Prompt(messages=(*messages, Message("user", turns[-1])))
        return GenerateRequest(prompt, max_new_tokens=self.answer_tokens, **sampling)

    def _sample(self, question: Question, role: Role, said: Mapping[tuple[str, ...], Generation]) -> Sample:
        answer, replies = said[question.turns], _replies(question.turns, said)
        return Sample(
            task=self.name,
            item_id=question.id,
            cluster=question.cluster,
            role=role,
            prompt_digest=digest_json([self.digest, question.turns]),
            prompt=self.request(question.turns, replies[:-1]).prompt.display(),
            target=question.reference,
            answer=answer.text,
            parsed=list(replies),
            scores=general_scores(answer),
            tags={key: value for key, value in (("category", question.category), ("source", question.source)) if value},
            stop_reason=answer.stop_reason,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_s=answer.latency_s,
            cached=answer.cached,
        )


def _exchange(turn: str, reply: str) -> tuple[Message, Message]:
    return Message("user", turn), Message("assistant", reply)


def _replies(turns: tuple[str, ...], said: Mapping[tuple[str, ...], Generation]) -> Reply:
    return tuple(said[turns[:n]].text for n in range(1, len(turns) + 1))
