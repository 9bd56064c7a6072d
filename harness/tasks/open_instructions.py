"""Open instructions put to a model: there is no right answer, so nothing is graded but that the answer ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.digests import digest_json
from harness.engines import Engine
from harness.engines.requests import GenerateRequest, Generation, Message, Prompt
from harness.metrics.base import GENERAL_METRICS, LENGTH, Metric
from harness.records import Role, Sample
from harness.tasks.base import Grade, Item, Progress, find_metric, make_sample, texts_of
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
        return find_metric(self.name, name, GENERAL_METRICS)

    @property
    def foreseen(self) -> Sequence[GenerateRequest]:
        return [self.request(turns, ()) for turns in sorted(self._wanted) if len(turns) == 1]

    @property
    def answers_wanted(self) -> int:
        return len(self._wanted)

    @property
    def _wanted(self) -> set[tuple[str, ...]]:
        """What is answered: the turns of each question up to one of them."""
        return {question.turns[:n] for question in self.questions for n in range(1, len(question.turns) + 1)}

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Have a model answer, turn by turn; `parsed` of a sample holds its replies to all turns."""
        said: dict[tuple[str, ...], Generation] = {}
        wanted = self._wanted

        def report(answered: int, _: int) -> None:
            if progress is not None:
                progress(len(said) + answered, len(wanted))

        for depth in range(1, max(map(len, wanted)) + 1):
            turns = sorted(turns for turns in wanted if len(turns) == depth)
            requests = [self.request(one, _replies(one[:-1], said)) for one in turns]
            answers = texts_of(engine, self.name, requests, report)
            said.update(zip(turns, answers, strict=True))
        return [self._sample(question, role, said) for question in self.questions]

    def request(self, turns: Sequence[str], replies: Reply, **sampling: Any) -> GenerateRequest:
        """Ask for the answer to the last of `turns`, after the answers to those before."""
        said = [
            message
            for turn, reply in zip(turns, replies, strict=False)
            for message in (Message("user", turn), Message("assistant", reply))
        ]
        prompt = Prompt(messages=(*said, Message("user", turns[-1])))
        return GenerateRequest(prompt, max_new_tokens=self.answer_tokens, **sampling)

    def _sample(self, question: Question, role: Role, said: Mapping[tuple[str, ...], Generation]) -> Sample:
        answer, replies = said[question.turns], _replies(question.turns, said)
        prompt = self.request(question.turns, replies[:-1]).prompt
        tags = {key: value for key, value in (("category", question.category), ("source", question.source)) if value}
        return make_sample(
            self.name,
            role,
            Item(question.id, prompt, question.reference, question.cluster, tags),
            Grade({}, list(replies)),
            [answer],
            prompt=prompt.display(),
            prompt_digest=digest_json([self.digest, question.turns]),
            shown=answer,
        )


def _replies(turns: tuple[str, ...], said: Mapping[tuple[str, ...], Generation]) -> Reply:
    return tuple(said[turns[:n]].text for n in range(1, len(turns) + 1))
