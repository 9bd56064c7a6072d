"""Does a fit judge prefer what the pairs prefer? What is swapped throughout, no model that is learnt from the pairs can see."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.data.corpus import TRAIN, Corpus, Row
from harness.checks.data.finding import Finding
from harness.engines.requests import SYSTEM_ROLES
from harness.gates import BoundRule
from harness.judges.judgements import Judgement
from harness.records import Estimate
from harness.stats import Interval
from harness.stats.win_rate import win_rate
from harness.tasks.questions import AnswerPair, Question

_EVEN = 0.5


@dataclass(frozen=True)
class JudgedPairs:
    """A fit judge's judgements of training pairs.

    Attributes:
        judged: of pairs whose better answer is `a`.
        stopped: why it was not asked about all; empty where it was.
    """

    judged: Sequence[Judgement]
    stopped: str = ""

    @property
    def preferences(self) -> dict[str, float]:
        """Place of the pair -> 1 where the judge prefers the chosen answer, 0 the rejected one, 0.5 a tie; those understood."""
        found = ((one.pair.question.id, one.preference) for one in self.judged)
        return {place: preference for place, preference in found if preference is not None}


def pairs_to_judge(corpus: Corpus, most: int) -> list[AnswerPair]:
    """So many training pairs at most, drawn at random, the better answer first."""
    rows = corpus.pairs(TRAIN)
    drawn = rows if len(rows) <= most else random.Random(0).sample(rows, most)
    return [_pair(row) for row in drawn]


def judge_prefers_the_chosen(judged: JudgedPairs) -> BoundRule:
    """A fit judge prefers the chosen answer in half of the pairs or more, ties as halves. It fails where the judge is shown to
    prefer the rejected ones."""
    found = judged.preferences

    def level(rate: Estimate) -> str:
        low, high = rate.ends
        between = f"between {low:.1%} and {high:.1%}"
        return f"the judge prefers the chosen answer in {rate.value:.1%} of {len(found)} pairs, {between}"

    def measure(confidence: float) -> Interval:
        return win_rate(list(found.values()), confidence=confidence)

    against = [place for place, preference in found.items() if preference < _EVEN]
    return BoundRule(
        name="judged_pairs",
        kind="at_least",
        threshold=_EVEN,
        measure=measure,
        level=level,
        bound=lambda bound: f"{bound:.0%}",
        higher_is_better=True,
        independent=len(found),
        remedy="read the pairs that are named here: where the worse answers are the chosen ones, the file was swapped",
        needs="have more pairs judged (`judged_pairs` under `data:`), or read some of them",
        notes=(judged.stopped,) if judged.stopped else (),
        details={
            "looked_at": len(found),
            "findings": [Finding(place, "the judge prefers the rejected answer").row() for place in against],
        },
    )


def _pair(row: Row) -> AnswerPair:
    """As the judge reads it: turn by turn; what has other speakers than user and assistant in one piece."""
    system = [turn.content for turn in row.prompt if turn.role in SYSTEM_ROLES]
    said = [turn for turn in row.prompt if turn.role not in SYSTEM_ROLES]
    in_turns = all(turn.role == ("user", "assistant")[place % 2] for place, turn in enumerate(said)) and len(said) % 2
    if in_turns:
        asked, answered = [turn.content for turn in said[::2]], tuple(turn.content for turn in said[1::2])
    else:
        asked, answered = ["\n\n".join(f"{turn.role}: {turn.content}" for turn in said)], ()
    before = [text for text in (*system, row.conversation.tools) if text]
    asked[0] = "\n\n".join([*before, asked[0]])
    question = Question(row.location, tuple(asked))
    return AnswerPair(question, (*answered, row.taught), (*answered, row.refused))
