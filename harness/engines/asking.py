"""How a subject is asked, whatever asks: a system prompt before what has none, and thoughts told from answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.engines.rendering import render_chat
from harness.engines.requests import (
    SYSTEM_ROLES,
    Answer,
    DivergenceRequest,
    GenerateRequest,
    Generation,
    Message,
    Request,
    RollingRequest,
    Thought,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What reasoning models write around their thoughts: Qwen, DeepSeek and most; Mistral; Cohere; ByteDance; IBM before Granite 3.3.
_MARKS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"),
)
_QUESTION = "Which bird sings?"
_SWITCH = re.compile(r"\b(?:enable_thinking|thinking|thinking_mode|enable_reasoning)\b")


@dataclass(frozen=True)
class Reasoning:
    """A model that thinks before it answers.

    Attributes:
        open, close: around its thought.
        begun: the prompt opens the thought, so that it may be written without the first of the two.
        budget: tokens that a thought may take beside those of its answer; 0 asks as of a model that does not think.
    """

    open: str
    close: str
    begun: bool = False
    budget: int = 0

    def sent(self, request: GenerateRequest) -> GenerateRequest:
        """The request with room for the thought. Stop texts are for the answer: a thought may hold any of them."""
        if not self.budget:
            return request
        return replace(request, stop=(), max_new_tokens=request.max_new_tokens + self.budget)

    def told_apart(
        self, request: GenerateRequest, answer: Generation, count: Callable[[str], int] | None
    ) -> Generation:
        """The answer alone, as lm-evaluation-harness strips it (`postprocess_generated_text`): what follows the last mark,
        without spaces in front, cut at the request's stop texts. Of a thought that does not end there is no answer.

        Args:
            count: tokens of a text; None takes its share of the characters.
        """
        thought, closed, text = answer.text.rpartition(self.close)
        finished, text = bool(closed), text.lstrip()
        if not finished and (self.begun or answer.text.lstrip().startswith(self.open)):
            thought, text = answer.text, ""
        elif not finished:
            finished = True  # it thought of nothing
        cut = text
        for stop in request.stop:
            cut = cut.split(stop)[0]
        thought = thought.replace(self.open, "", 1)
        whole = max(len(answer.text), 1)
        length = round(answer.completion_tokens * len(thought) / whole) if count is None else count(thought)
        return replace(
            answer,
            text=cut,
            stop_reason="stop" if len(cut) < len(text) else answer.stop_reason,
            thought=Thought(thought.strip(), min(length, answer.completion_tokens), finished),
        )


NEVER = Reasoning("<think>", "</think>")
"""A model that is not known to think, beside one that does: it is asked as ever, and a thought in its answer is told apart."""


@dataclass(frozen=True)
class Asking:
    """What stands between tasks and a model.

    Attributes:
        system: put before conversations that bring no system prompt.
        reasoning: None leaves answers whole.
        count: tokens of a text by the model's tokenizer, where that is at hand.
    """

    system: str | None = None
    reasoning: Reasoning | None = None
    count: Callable[[str], int] | None = None

    def sent(self, request: Request) -> Request:
        """What the model is asked."""
        if isinstance(request, (RollingRequest, DivergenceRequest)) or not request.prompt.messages:
            return request
        if self.system is not None and request.prompt.messages[0].role not in SYSTEM_ROLES:
            messages = (Message("system", self.system), *request.prompt.messages)
            request = replace(request, prompt=replace(request.prompt, messages=messages))
        return self.reasoning.sent(request) if self.reasoning and isinstance(request, GenerateRequest) else request

    def received(self, request: Request, answer: Answer) -> Answer:
        """What the task is given of its answer."""
        if self.reasoning is None or not isinstance(answer, Generation) or not isinstance(request, GenerateRequest):
            return answer
        return self.reasoning.told_apart(request, answer, self.count) if request.prompt.messages else answer


def has_marks(template: str) -> bool:
    """Whether a chat template knows what stands around thoughts, so that it is worth a closer look."""
    return _marks_in(template) is not None


def find_reasoning(tokenizer: PreTrainedTokenizerBase, budget: int, named: Reasoning | None = None) -> Reasoning | None:
    """How a model thinks, by its chat template; None where it does not, or where the template's arguments keep it from it.

    It does where the prompt ends in an open thought, or where the template has a switch for thoughts and leaves it on.

    Args:
        named: with marks that somebody gave; it then thinks.
    """
    template = tokenizer.chat_template
    text = "\n".join(template.values()) if isinstance(template, dict) else str(template or "")
    marks = _marks_in(text) if named is None else (named.open, named.close)
    if marks is None or not text:
        return named
    end = render_chat(tokenizer, [Message("user", _QUESTION)]).rpartition(_QUESTION)[2]
    begun = end.rstrip().endswith(marks[0])
    if named is None and (marks[1] in end or not (begun or _SWITCH.search(text))):
        return None
    return Reasoning(*marks, begun=begun, budget=budget)


def _marks_in(text: str) -> tuple[str, str] | None:
    return next((pair for pair in _MARKS if all(mark in text for mark in pair)), None)
