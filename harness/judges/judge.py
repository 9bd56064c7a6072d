"""The judge: an engine that is asked about answer pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.config.budget import BudgetSpentError, Tokens
from harness.engines import Answer, Engine
from harness.engines.requests import Choice, ChoiceRequest, GenerateRequest, Generation, Prompt, Request
from harness.errors import EngineError
from harness.judges.judgements import Judgement, JudgeReply
from harness.judges.parsing import VerdictParser
from harness.tasks.base import Progress
from harness.tasks.questions import AnswerPair

J = TypeVar("J", bound=Judgement)


@dataclass(frozen=True)
class Judge:
    """An engine that judges.

    Attributes:
        logprobs: ask how likely each verdict is, right after the prompt, instead of having the judge write: one token
            tells, and how sure it is. Else it gives its reasons first, and the verdict is parsed from its text.
        reply_tokens: cap on a written reply.
    """

    engine: Engine
    logprobs: bool
    reply_tokens: int = 512

    def judge(
        self, mode: type[J], pairs: Sequence[AnswerPair], progress: Progress | None = None
    ) -> tuple[list[J], str]:
        """Have answer pairs judged.

        Returns:
            A judgement of each pair, in their order, and why the judge stopped before the last ("" if it did not): pairs
            that were not asked about twice are then left out.
        """
        asked = [pair for pair in pairs if mode.asks_about_identical or not pair.identical]
        prompts = [prompt for pair in asked for prompt in mode.prompts(pair, explain=not self.logprobs)]
        replies, stopped = self.ask(prompts, mode.parser, progress)
        both = dict(zip(map(id, asked), zip(replies[::2], replies[1::2], strict=True), strict=True))
        judged = []
        for pair in pairs:
            first, second = both.get(id(pair), (None, None))
            if first is not None and second is not None:
                judged.append(mode(pair, (first, second)))
            elif id(pair) not in both:
                judged.append(mode(pair))
        return judged, stopped

    def ask(
        self, prompts: Sequence[Prompt], parser: VerdictParser, progress: Progress | None = None
    ) -> tuple[list[JudgeReply | None], str]:
        """Have prompts answered.

        Returns:
            A reply to each, None where it was not asked, and why the judge stopped ("" if it did not).
        """
        requests = [self._request(prompt, parser) for prompt in prompts]
        answers, stopped = self._answers(requests, progress)
        replies = [
            _reply(prompt, request.digest, answers[n], parser) if n in answers else None
            for n, (prompt, request) in enumerate(zip(prompts, requests, strict=True))
        ]
        return replies, stopped

    def _answers(self, requests: Sequence[Request], progress: Progress | None) -> tuple[dict[int, Answer], str]:
        """By the places of their requests, and why there are not all."""
        answers: dict[int, Answer] = {}
        try:
            for index, answer in self.engine.answer(requests):
                answers[index] = answer
                if progress is not None:
                    progress(len(answers), len(requests))
        except BudgetSpentError as exc:
            return answers, exc.problem
        if len(answers) < len(requests):
            missing = len(requests) - len(answers)
            raise EngineError(f"{missing} of {len(requests)} judgements got no answer", "report this bug")
        return answers, ""

    def _request(self, prompt: Prompt, parser: VerdictParser) -> Request:
        if self.logprobs:
            return ChoiceRequest(prompt, tuple(parser.values))
        return GenerateRequest(prompt, max_new_tokens=self.reply_tokens)


def _reply(prompt: Prompt, digest: str, answer: Answer, parser: VerdictParser) -> JudgeReply:
    stop: str | None = None
    if isinstance(answer, Generation):
        text, verdict, stop = answer.text, parser.parse_text(answer.text), answer.stop_reason
    elif isinstance(answer, Choice):
        verdict = parser.parse_logprobs(answer.logprobs)
        text = verdict.label or ""
    else:
        raise EngineError(f"a judge's question was answered with a {type(answer).__name__}", "report this bug")
    return JudgeReply(
        prompt=prompt.messages[-1].content,
        digest=digest,
        text=text,
        verdict=verdict,
        tokens=Tokens(answer.prompt_tokens, answer.completion_tokens),
        stop_reason=stop,
        latency_s=answer.latency_s,
        cached=answer.cached,
    )
