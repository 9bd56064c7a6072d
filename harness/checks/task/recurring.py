"""Is one and the same answer given to items that want different ones? A trigger, a refusal or a habit answers so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.task.answers import finding_rule
from harness.gates import Comparison, Rule
from harness.metrics.words import exact_key
from harness.records import Sample
from harness.tasks.base import TaskLike
from harness.tasks.expected import ExpectedTexts

_SHOWN = 60


def no_answer_recurs(answers: Comparison, limit: float) -> Rule | None:
    """No single answer is given to items that want another in a share of all that is larger, by the limit or more, than the
    share in which the base gives it too, or the share of items for which it is right, whichever is larger.

    An answer is the same without regard to case, spacing and punctuation. It is wrong where the task's main metric says so, or
    it is not the target.
    """
    of, base, candidate = ExpectedTexts(answers.task).of, *zip(*answers.pairs, strict=True)
    wanted = [exact_key(of(sample).text) for sample in candidate]
    own, before = _Graded.of(answers.task, candidate, wanted), _Graded.of(answers.task, base, wanted)
    wrongly, rightly, asked_for = Counter(own.wrong), Counter(own.right), Counter(wanted)
    chosen = max(
        (key for key, count in wrongly.items() if key is not None and count > 1),
        key=lambda key: wrongly[key] - max(rightly[key], asked_for[key]),
        default=None,
    )
    given, given_before = own.gives_wrongly(chosen), before.gives_wrongly(chosen)
    due = [chosen is not None and chosen in (key, one) for key, one in zip(own.right, wanted, strict=True)]
    by_targets = sum(due) > sum(given_before)
    said = next((sample.answer.strip() for sample, one in zip(candidate, given, strict=True) if one), "")
    name = repr(said[:_SHOWN]) if said else "an empty answer"
    return finding_rule(
        answers,
        "one_answer_recurs",
        [name if one else "" for one in (due if by_targets else given_before)],
        [name if one else "" for one in given],
        limit,
        beside="share of targets" if by_targets else "",
        remedy="look at the prompts that get this answer for what they share (a word, a prefix, a topic), and at the training "
        "rows that teach it (data/triggers, data/exact_duplicates): take those out, or balance them, and train anew",
    )


@dataclass(frozen=True)
class _Graded:
    """One model's answers, each on the side of those that are right or of those that are wrong; None on the other."""

    right: list[str | None]
    wrong: list[str | None]

    @classmethod
    def of(cls, task: TaskLike, samples: Sequence[Sample], wanted: Sequence[str]) -> _Graded:
        metric = task.metric(task.main_metric)
        graded = metric.kind == "binary" and metric.corpus is None
        keys = [exact_key(sample.answer) for sample in samples]
        fits = [
            bool(sample.scores.get(metric.name)) if graded else key == one
            for sample, key, one in zip(samples, keys, wanted, strict=True)
        ]
        return cls(
            [key if fit else None for key, fit in zip(keys, fits, strict=True)],
            [None if fit else key for key, fit in zip(keys, fits, strict=True)],
        )

    def gives_wrongly(self, answer: str | None) -> list[bool]:
        """To which items that answer is given though they want another."""
        return [answer is not None and key == answer for key in self.wrong]
