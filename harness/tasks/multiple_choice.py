"""Multiple choice: how likely is each choice, and is the right one the likeliest?"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.config.base import Text
from harness.digests import digest_json
from harness.engines.requests import Answer, Prompt, Score, ScoreRequest
from harness.errors import show
from harness.metrics.base import Metric
from harness.metrics.choices import choice_metrics, choice_scores
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item
from harness.tasks.build import Source, item_kind
from harness.tasks.few_shot import FewShotKeys, question_text, read_preamble, with_shots
from harness.tasks.records import Record

Style = Literal["letters", "cloze"]


class ChoiceKeys(FewShotKeys):
    """Keys of kind `multiple_choice`."""

    style: Style = "letters"
    """letters scores the choices' letters, cloze their texts"""
    choices_field: Text = "choices"
    """the field that lists a row's choices"""


@dataclass(frozen=True)
class ChoiceGrader:
    """Grades by the log-likelihood of each choice; a target is `{"choices": [...], "gold": index}`.

    An answer is parsed into `{"choice_logprobs", "gold", "choice"}`: nats, and indices into the choices.

    Attributes:
        preamble: solved examples before each question.
        style: `letters` lists the choices by letter and scores the letters, as MMLU does; `cloze` shows the question
            alone and scores each choice's text, as ARC does. Models below about a billion parameters know answers
            long before they know letters.
        choices_field: field of a row that lists its choices.
        chance: mean over the items of 1 / number of choices.
    """

    preamble: str = ""
    style: Style = "letters"
    choices_field: str = "choices"
    chance: float = 0.25

    @property
    def metrics(self) -> Sequence[Metric]:
        """Accuracy and those of `harness.metrics.choices`; `gold_logprob` is in nats, as the model gives it."""
        return (
            Metric("acc", kind="binary", floor=self.chance),
            *choice_metrics(self.chance),
        )

    @property
    def digest(self) -> str:
        return digest_json(["multiple_choice", 1, self.preamble, self.style, self.choices_field])

    def requests(self, item: Item) -> Sequence[ScoreRequest]:
        """One request a choice, in their order."""
        prompt = Prompt(text=f"{self.preamble}{self._question(item)}")
        return [ScoreRequest(prompt, f" {text}") for text in self._continuations(item.target)]

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade the scores of the choices. Between equally likely ones the first is taken."""
        logprobs = [expect(Score, item, answer).logprob for answer in answers]
        gold, choice = item.target["gold"], logprobs.index(max(logprobs))
        scores = {"acc": float(choice == gold), **choice_scores(logprobs, gold)}
        return Grade(scores, {"choice_logprobs": logprobs, "gold": gold, "choice": choice})

    def solved(self, item: Item) -> str:
        """An example: question and right answer."""
        return f"{self._question(item)}{self.answer(item.target)}"

    def answer(self, target: Mapping[str, Any]) -> str:
        """The right choice as it is scored: its letter or its text."""
        return f" {self._continuations(target)[target['gold']]}"

    def target(self, record: Record, field: str, value: Any) -> dict[str, Any]:
        """A row's choices and the index of the right one, which may be given as index, letter or text."""
        choices = record.get(self.choices_field)
        if not isinstance(choices, list) or not all(isinstance(c, str) and c.strip() for c in choices):
            raise record.error(f"field {self.choices_field!r} is {show(choices)}, not a list of texts")
        if not 2 <= len(set(choices)) == len(choices) <= len(string.ascii_uppercase):
            raise record.error(f"field {self.choices_field!r} is {show(choices)}", "give 2 to 26 different choices")
        names = string.ascii_uppercase[: len(choices)]
        if type(value) is int and 0 <= value < len(choices):
            gold = value
        elif isinstance(value, str) and value in choices:
            gold = choices.index(value)
        elif isinstance(value, str) and len(value) == 1 and value in names:
            gold = names.index(value)
        else:
            remedy = f"give one of the choices, its letter (A-{names[-1]}) or its index (0-{len(choices) - 1})"
            raise record.error(f"field {field!r} is {show(value)}, not a choice", remedy)
        return {"choices": choices, "gold": gold}

    def _question(self, item: Item) -> str:
        listed = ""
        if self.style == "letters":
            named = zip(string.ascii_uppercase, item.target["choices"], strict=False)
            listed = "".join(f"\n{letter}. {choice}" for letter, choice in named)
        return f"Question: {question_text(item)}{listed}\nAnswer:"

    def _continuations(self, target: Mapping[str, Any]) -> Sequence[str]:
        choices: Sequence[str] = target["choices"]
        return string.ascii_uppercase[: len(choices)] if self.style == "letters" else choices


def _complete(grader: ChoiceGrader, source: Source[ChoiceKeys]) -> ChoiceGrader:
    counts = [len(item.target["choices"]) for item in source.reader.read(source.records, grader.target)]
    preamble = read_preamble(source, grader.target, grader.solved)
    return replace(grader, preamble=preamble, chance=sum(1 / count for count in counts) / len(counts))


MULTIPLE_CHOICE = item_kind(
    "multiple_choice", ChoiceKeys, ChoiceGrader, complete=_complete, generates=False, with_fewshot=with_shots
)
