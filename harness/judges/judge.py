"""Putting answers to the judge: in pairs and both orders, or one by one for a rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.config.budget import BudgetSpentError, Tokens
from harness.engines import Answer, Engine
from harness.engines.requests import Choice, ChoiceRequest, GenerateRequest, Generation, Prompt, Request
from harness.errors import EngineError
from harness.judges.parsing import RATING, VERDICT, Form, Reading
from harness.judges.prompts import pairwise_prompt, rubric_prompt
from harness.tasks.base import Progress
from harness.tasks.questions import AnswerPair, Question, Reply


@dataclass(frozen=True)
class Opinion:
    """What the judge said when asked once.

    Attributes:
        digest: of what was asked.
        text: its reply; where only the likelihoods of the options were asked for, the likeliest.
    """

    prompt: str
    digest: str
    text: str
    reading: Reading
    tokens: Tokens
    stop_reason: str | None
    latency_s: float
    cached: bool


@dataclass(frozen=True)
class Judged:
    """A duel and what the judge said of it.

    Attributes:
        a_first, b_first: by which answer was shown first; both None where the answers are identical.
    """

    duel: AnswerPair
    a_first: Opinion | None = None
    b_first: Opinion | None = None

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """Those that were asked for."""
        return tuple(opinion for opinion in (self.a_first, self.b_first) if opinion is not None)

    @property
    def consistent(self) -> bool | None:
        """Whether both orders give the same winner; None where one was not asked or not understood."""
        labels = [opinion.reading.label for opinion in self.opinions]
        if len(labels) < 2 or None in labels:
            return None
        return labels[0] == {"1": "2", "2": "1"}.get(labels[1] or "", "tie")

    @property
    def preference(self) -> float | None:
        """1 where `a` is preferred, 0 where `b` is, 0.5 for a tie, between them where the judge is unsure.

        Identical answers are a tie, and so is what the two orders disagree on. None where an order was not understood.
        """
        if self.duel.identical:
            return 0.5
        shares = [opinion.reading.value for opinion in self.opinions]
        if len(shares) < 2 or shares[0] is None or shares[1] is None:
            return None
        return (shares[0] + 1 - shares[1]) / 2 if self.consistent else 0.5


@dataclass(frozen=True)
class Rated:
    """A duel whose answers were each given a rating, None where the judge's reply holds none."""

    duel: AnswerPair
    a: Opinion
    b: Opinion

    @property
    def opinions(self) -> tuple[Opinion, Opinion]:
        """Both."""
        return self.a, self.b

    @property
    def ratings(self) -> tuple[float, float] | None:
        """1 to 10 of both answers; None where one was not understood."""
        a, b = self.a.reading.value, self.b.reading.value
        return None if a is None or b is None else (a, b)

    @property
    def preference(self) -> float | None:
        """1 where `a` has the higher rating, 0 where `b` has, 0.5 where they are equal."""
        if self.ratings is None:
            return None
        a, b = self.ratings
        return 0.5 if a == b else float(a > b)


@dataclass(frozen=True)
class Judge:
    """How answers are put to an engine.

    Attributes:
        logprobs: ask how likely each verdict is, right after the prompt, instead of having the judge write: one token
            tells, and how sure it is. Else it gives its reasons first, and the verdict is read from its text.
        reply_tokens: cap on a written reply.
    """

    engine: Engine
    logprobs: bool
    reply_tokens: int = 512

    def compare(self, duels: Sequence[AnswerPair], progress: Progress | None = None) -> tuple[list[Judged], str]:
        """Have pairs compared in both orders; identical answers are never asked about.

        Returns:
            Each duel with what was said, in their order, and why the judge stopped before the last ("" if it did not):
            duels that were not asked about in both orders are then left out.
        """
        asked = [duel for duel in duels if not duel.identical]
        prompts = [
            pairwise_prompt(duel.question, *order, explain=not self.logprobs)
            for duel in asked
            for order in ((duel.a, duel.b), (duel.b, duel.a))
        ]
        opinions, stopped = self._ask(prompts, VERDICT, progress)
        both = {id(duel): (opinions[2 * n], opinions[2 * n + 1]) for n, duel in enumerate(asked)}
        judged = [Judged(duel, *both.get(id(duel), (None, None))) for duel in duels]
        return [one for one in judged if one.duel.identical or len(one.opinions) == 2], stopped

    def rate(self, duels: Sequence[AnswerPair], progress: Progress | None = None) -> tuple[list[Rated], str]:
        """Have each answer rated by itself. Returns as `compare` does."""
        answers: list[tuple[Question, Reply]] = [(d.question, reply) for d in duels for reply in (d.a, d.b)]
        prompts = [rubric_prompt(question, reply, explain=not self.logprobs) for question, reply in answers]
        opinions, stopped = self._ask(prompts, RATING, progress)
        rated = [
            Rated(duel, a, b)
            for duel, a, b in zip(duels, opinions[::2], opinions[1::2], strict=True)
            if a is not None and b is not None
        ]
        return rated, stopped

    def _ask(
        self, prompts: Sequence[Prompt], form: Form, progress: Progress | None
    ) -> tuple[list[Opinion | None], str]:
        requests = [self._request(prompt, form) for prompt in prompts]
        answers: dict[int, Answer] = {}
        stopped = ""
        try:
            for index, answer in self.engine.answer(requests):
                answers[index] = answer
                if progress is not None:
                    progress(len(answers), len(requests))
        except BudgetSpentError as exc:
            stopped = exc.problem
        if not stopped and len(answers) < len(requests):
            missing = len(requests) - len(answers)
            raise EngineError(f"{missing} of {len(requests)} judgements got no answer", "report this bug")
        asked = enumerate(zip(prompts, requests, strict=True))
        return [
            _opinion(prompt, request.digest, answers[n], form) if n in answers else None
            for n, (prompt, request) in asked
        ], stopped

    def _request(self, prompt: Prompt, form: Form) -> Request:
        if self.logprobs:
            return ChoiceRequest(prompt, tuple(form.values))
        return GenerateRequest(prompt, max_new_tokens=self.reply_tokens)


def _opinion(prompt: Prompt, digest: str, answer: Answer, form: Form) -> Opinion:
    stop: str | None = None
    if isinstance(answer, Generation):
        text, reading, stop = answer.text, form.read_text(answer.text), answer.stop_reason
    elif isinstance(answer, Choice):
        reading = form.read_logprobs(answer.logprobs)
        text = reading.label or ""
    else:
        raise EngineError(f"a judge's question was answered with a {type(answer).__name__}", "report this bug")
    return Opinion(
        prompt=prompt.messages[-1].content,
        digest=digest,
        text=text,
        reading=reading,
        tokens=Tokens(answer.prompt_tokens, answer.completion_tokens),
        stop_reason=stop,
        latency_s=answer.latency_s,
        cached=answer.cached,
    )
