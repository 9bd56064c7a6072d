"""Word problems: is the final number right, and how likely is the worked solution?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.config.base import Text
from harness.digests import digest_json
from harness.engines.requests import Answer, GenerateRequest, Generation, Prompt, Request, Score, ScoreRequest
from harness.errors import show
from harness.metrics.base import Metric
from harness.tasks.answers import Generates, expect
from harness.tasks.base import Grade, Item
from harness.tasks.build import GeneratingKeys, item_kind
from harness.tasks.few_shot import FewShotKeys, question_text, read_preamble, with_shots
from harness.tasks.records import Record

_NUMBER = re.compile(r"(?<![\d.])-?\d+(?:,\d{3})*(?:\.\d+)?")
_ANNOUNCED = re.compile(r"answer\s*(?:is|:|=)", re.IGNORECASE)


class WorkedAnswerKeys(GeneratingKeys, FewShotKeys):
    """Keys of kind `worked_answer`."""

    solution_field: Text = "solution"
    """the field of the worked solution, which ends in the answer"""


@dataclass(frozen=True)
class WorkedAnswerGrader(Generates):
    """Asks for a solution, and how likely the gold one is; a target is `{"answer": integer, "solution": text}`.

    `exact_match` is blind where a small model solves nothing; `gold_solution_logprob` (nats a token of the gold
    solution) is not. An answer is parsed into its final number, None where it has none.

    Attributes:
        preamble: solved examples before each question.
        solution_field: field of a row that holds the worked solution, which ends by giving the answer.
    """

    optional: ClassVar[Sequence[type[Request]]] = (ScoreRequest,)
    max_new_tokens: int = 96
    stop: tuple[str, ...] = ("\n\n", "Question:")
    preamble: str = ""
    solution_field: str = "solution"

    @property
    def metrics(self) -> Sequence[Metric]:
        return (Metric("exact_match", kind="binary", floor=0.0), Metric("gold_solution_logprob", is_optional=True))

    @property
    def digest(self) -> str:
        settings = [self.max_new_tokens, self.stop, self.preamble, self.solution_field]
        return digest_json(["worked_answer", 1, *settings])

    def requests(self, item: Item) -> Sequence[Request]:
        """A generation and the score of the gold solution, after one prompt."""
        prompt = Prompt(text=f"{self.preamble}{self._question(item)}")
        return (
            GenerateRequest(prompt, max_new_tokens=self.max_new_tokens, stop=self.stop),
            ScoreRequest(prompt, f" {item.target['solution']}"),
        )

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        generation, scored = expect(Generation, item, answers[0]), [expect(Score, item, one) for one in answers[1:]]
        number = final_number(generation.text)
        scores = {
            "exact_match": float(number == item.target["answer"]),
            "gold_solution_logprob": scored[0].logprob / scored[0].completion_tokens if scored else None,
        }
        return Grade(scores, number)

    def solved(self, item: Item) -> str:
        """An example: question and worked solution."""
        return f"{self._question(item)}{self.answer(item.target)}"

    def answer(self, target: Mapping[str, Any]) -> str:
        """The worked solution."""
        return f" {target['solution']}"

    def target(self, record: Record, field: str, value: Any) -> dict[str, Any]:
        """A row's answer and worked solution."""
        if type(value) is not int:
            raise record.error(f"field {field!r} is {show(value)}, not a whole number")
        solution = record.text(self.solution_field).strip()
        if final_number(solution) != value:
            problem = f"field {self.solution_field!r} ends in {final_number(solution)}, not in the answer {value}"
            raise record.error(problem, "let the solution end like `The answer is 12.`")
        return {"answer": value, "solution": solution}

    def _question(self, item: Item) -> str:
        return f"Question: {question_text(item)}\nAnswer:"


def final_number(text: str) -> int | float | None:
    """The number after the last "answer is", or else the last number; "1,200" is 1200. None where there is none."""
    announced = [match.end() for match in _ANNOUNCED.finditer(text)]
    after = _NUMBER.findall(text, announced[-1])[:1] if announced else []
    found = after or _NUMBER.findall(text)[-1:]
    if not found:
        return None
    number = float(found[0].replace(",", ""))
    return int(number) if number.is_integer() else number


WORKED_ANSWER = item_kind(
    "worked_answer",
    WorkedAnswerKeys,
    WorkedAnswerGrader,
    complete=lambda grader, source: replace(grader, preamble=read_preamble(source, grader.target, grader.solved)),
    with_fewshot=with_shots,
)
