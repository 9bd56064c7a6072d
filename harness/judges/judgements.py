"""Judgements of answer pairs, a class for each mode of judging, and the sample rows they are stored as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.config.budget import Tokens
from harness.engines.requests import Prompt
from harness.judges.parsing import RATING, VERDICT, ParsedVerdict, VerdictParser
from harness.judges.prompts import pairwise_prompt, rubric_prompt
from harness.records import Sample
from harness.tasks.questions import AnswerPair, Question


@dataclass(frozen=True)
class JudgeReply:
    """The judge's reply to one prompt.

    Attributes:
        digest: of what was asked.
        text: as written; where only the likelihoods of the options were asked for, the likeliest.
    """

    prompt: str
    digest: str
    text: str
    verdict: ParsedVerdict
    tokens: Tokens
    stop_reason: str | None
    latency_s: float
    cached: bool


@dataclass(frozen=True)
class Judgement:
    """The judge's two replies about an answer pair; each subclass is a mode of judging (`MODES`).

    Attributes:
        replies: to the two prompts, in their order; empty where the judge was not asked, as about identical answers.
        parser: of the replies.
        score: what the value of a reply is stored as.
        suffix: of a stored reply's item id, after the name of the side that it is about or that was shown first.
        asks_about_identical: whether there is something to judge where both answers are the same.
        mirrors: whether the second reply is about the answers in the other order, so that its value counts for `b`.
    """

    parser: ClassVar[VerdictParser]
    score: ClassVar[str]
    suffix: ClassVar[str] = ""
    asks_about_identical: ClassVar[bool] = True
    mirrors: ClassVar[bool] = False

    pair: AnswerPair
    replies: tuple[JudgeReply, ...] = ()

    @staticmethod
    def prompts(pair: AnswerPair, *, explain: bool) -> tuple[Prompt, Prompt]:
        """The two prompts; `explain` has the judge give its reasons before the verdict."""
        raise NotImplementedError

    @classmethod
    def mirror(cls, nth: int, value: float | None) -> float | None:
        """The value of the `nth` reply as one about `a`, and back."""
        return 1 - value if cls.mirrors and nth and value is not None else value

    @property
    def values(self) -> tuple[float, float] | None:
        """What the two replies say, the second mirrored where the mode does; None where one was not understood."""
        values = [self.mirror(nth, reply.verdict.value) for nth, reply in enumerate(self.replies)]
        if len(values) < 2 or values[0] is None or values[1] is None:
            return None
        return values[0], values[1]

    @property
    def preference(self) -> float | None:
        """1 where `a` is preferred, 0 where `b` is, 0.5 for a tie; None where a reply was not understood."""
        raise NotImplementedError


class PairwiseJudgement(Judgement):
    """The pair compared in both orders, `a` shown first, then `b`."""

    parser = VERDICT
    score = "preference"
    suffix = "-first"
    asks_about_identical = False
    mirrors = True

    @staticmethod
    def prompts(pair: AnswerPair, *, explain: bool) -> tuple[Prompt, Prompt]:
        a_first = pairwise_prompt(pair.question, pair.a, pair.b, explain=explain)
        return a_first, pairwise_prompt(pair.question, pair.b, pair.a, explain=explain)

    @property
    def consistent(self) -> bool | None:
        """Whether both orders give the same winner; None where one was not asked or not understood."""
        labels = [reply.verdict.label for reply in self.replies]
        if len(labels) < 2 or None in labels:
            return None
        return labels[0] == {"1": "2", "2": "1"}.get(labels[1] or "", "tie")

    @property
    def preference(self) -> float | None:
        """As of any judgement; between the numbers where the judge is unsure.

        Identical answers are a tie, and so is what the two orders disagree on.
        """
        if self.pair.identical:
            return 0.5
        if self.values is None:
            return None
        return sum(self.values) / 2 if self.consistent else 0.5


class RubricJudgement(Judgement):
    """The answers of the pair rated one by one, 1 to 10."""

    parser = RATING
    score = "rating"

    @staticmethod
    def prompts(pair: AnswerPair, *, explain: bool) -> tuple[Prompt, Prompt]:
        a = rubric_prompt(pair.question, pair.a, explain=explain)
        return a, rubric_prompt(pair.question, pair.b, explain=explain)

    @property
    def preference(self) -> float | None:
        if self.values is None:
            return None
        a, b = self.values
        return 0.5 if a == b else float(a > b)


MODES: Mapping[str, type[Judgement]] = {"pairwise": PairwiseJudgement, "rubric": RubricJudgement}
"""By their names in `judge: mode`."""


def judge_task(task: str) -> str:
    """The name under which judgements of a task's answers are stored."""
    return f"judge:{task}"


def judgement_rows(task: str, judged: Sequence[Judgement], *, sides: tuple[str, str]) -> list[Sample]:
    """A row for each reply of the judge; its score is about the side that its item id names, a preference always about `a`.

    Args:
        sides: what `a` and `b` are called.
    """
    rows = []
    for one in judged:
        question = one.pair.question
        for nth, (side, reply) in enumerate(zip(sides, one.replies, strict=False)):
            scores = {one.score: one.mirror(nth, reply.verdict.value)}
            rows.append(reply_row(task, question, f"{side}{one.suffix}", reply, scores, one.pair.gold))
    return rows


def reply_row(
    task: str,
    question: Question,
    side: str,
    reply: JudgeReply,
    scores: Mapping[str, float | None],
    gold: str | None = None,
) -> Sample:
    """One reply of the judge as it is stored; `side` names what it is about."""
    weights = {option: round(share, 4) for option, share in reply.verdict.weights.items()}
    return Sample(
        task=judge_task(task),
        item_id=f"{question.id}/{side}",
        cluster=question.cluster or question.id,
        role="judge",
        prompt_digest=reply.digest,
        prompt=reply.prompt,
        target=gold,
        answer=reply.text,
        parsed=weights or reply.verdict.label,
        scores=scores,
        tags={key: value for key, value in (("category", question.category), ("source", question.source)) if value},
        stop_reason=reply.stop_reason,
        prompt_tokens=reply.tokens.prompt,
        completion_tokens=reply.tokens.completion,
        latency_s=reply.latency_s,
        cached=reply.cached,
    )


def stored_judgements(
    rows: Iterable[Sample], pairs: Mapping[str, AnswerPair], *, opponent: str = "base"
) -> dict[str, Judgement]:
    """The inverse of `judgement_rows` for candidate (`a`) against an opponent (`b`).

    Args:
        rows: of role `judge`, of one task.
        pairs: by item id; rows about other items, or against another opponent, are passed over.
        opponent: what it was called: `base`, `baseline` or `reference`.

    Returns:
        Item id -> judgement; items of which a row is missing are left out.
    """
    stored = {row.item_id: row for row in rows}
    judged: dict[str, Judgement] = {}
    for item, pair in pairs.items():
        for mode in MODES.values():
            found = [stored.get(f"{item}/{side}{mode.suffix}") for side in ("candidate", opponent)]
            if found[0] is not None and found[1] is not None:
                judged[item] = mode(pair, (_reply(found[0], mode, 0), _reply(found[1], mode, 1)))
                break
    return judged


def _reply(row: Sample, mode: type[Judgement], nth: int) -> JudgeReply:
    weights: Mapping[str, Any] = row.parsed if isinstance(row.parsed, Mapping) else {}
    label = max(weights, key=lambda option: weights[option]) if weights else row.parsed
    return JudgeReply(
        prompt=row.prompt,
        digest=row.prompt_digest,
        text=row.answer,
        verdict=ParsedVerdict(label, mode.mirror(nth, row.scores.get(mode.score)), weights),
        tokens=Tokens(row.prompt_tokens, row.completion_tokens),
        stop_reason=row.stop_reason,
        latency_s=row.latency_s,
        cached=row.cached,
    )
