"""What the graders share: how they ask and what they accept as an answer."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.requests import Answer, GenerateRequest, Generation
from harness.errors import TaskError
from harness.tasks.base import Item


@dataclass(frozen=True)
class Generates:
    """How a grader asks for text: greedily, since that is the answer production most likely gives.

    Attributes:
        max_new_tokens: cap on the answer's tokens.
        stop: texts that end the answer.
    """

    max_new_tokens: int
    stop: tuple[str, ...] = ()

    def request(self, item: Item) -> GenerateRequest:
        """The request an item becomes."""
        return GenerateRequest(item.prompt, max_new_tokens=self.max_new_tokens, stop=self.stop)


def generated_text(item: Item, answer: Answer) -> str:
    """The text of a generated answer.

    Raises:
        TaskError: the answer is a log-likelihood.
    """
    if not isinstance(answer, Generation):
        raise TaskError(f"item {item.id!r} was answered with a {type(answer).__name__}, not with text")
    return answer.text
