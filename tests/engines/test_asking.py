"""Thoughts are told from answers as lm-evaluation-harness strips them, with a budget of their own; a system prompt goes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHATML

from harness.engines import AnswerCache, Engine, GenerateRequest, Generation, Message, Prompt, ScoreRequest
from harness.engines.asking import NEVER, Asking, Reasoning, find_reasoning, has_marks
from harness.engines.engine import Batch
from harness.engines.requests import Request
from harness.metrics.base import general_scores
from harness.models.loading import LoadOptions, load_tokenizer

THINKS = Reasoning("<think>", "</think>", budget=100)
ASKED = GenerateRequest(Prompt.chat("Which bird?"), max_new_tokens=8, stop=("\n\n", "Q:"))

# the openings of answers as the published templates of these models make them
_OPENS = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
_CLOSED = "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
_HISTORY = "{% if '</think>' in messages[0].content %}{{ '<think>' }}{% endif %}"
_TURNS = CHATML.partition("{% if add_generation_prompt")[0]
TEMPLATES = {
    "Qwen3": _HISTORY + _TURNS + _OPENS + _CLOSED,
    "Qwen3-Instruct-2507": _HISTORY + CHATML,
    "R1": f"{_HISTORY}{_TURNS}{_OPENS}{{{{ '<think>\\n' }}}}{{% endif %}}",
    "chatml": CHATML,
}


def generation(text: str, tokens: int = 40, reason: str = "eos") -> Generation:
    return Generation(text, reason, 5, tokens, 0.1)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["<think>", "</think>", "\n", "Q:", "hm", " 42 "]), max_size=12).map("".join))
def test_what_is_left_of_a_finished_thought_is_what_lm_eval_leaves(text: str) -> None:
    from lm_eval.models.utils import postprocess_generated_text

    told = THINKS.told_apart(ASKED, generation(text), None)
    assert told.thought is not None
    if told.thought.finished:
        assert told.text == postprocess_generated_text(text, list(ASKED.stop), "</think>")
    else:
        assert told.text == ""


@pytest.mark.parametrize(
    ("text", "begun", "said", "thought", "finished"),
    [
        ("<think>\nhm\n\nhm\n</think>\n\n42", False, "42", "hm\n\nhm", True),
        ("hm\n</think>\n42\n\nQ: next", True, "42", "hm", True),
        ("<think>\nhm, and", False, "", "hm, and", False),
        ("hm, and", True, "", "hm, and", False),
        ("42", False, "42", "", True),
        ("a tag <think> in an answer", False, "a tag <think> in an answer", "", True),
    ],
)
def test_thoughts_finished_and_not(text: str, begun: bool, said: str, thought: str, finished: bool) -> None:
    reasoning = Reasoning("<think>", "</think>", begun=begun, budget=100)
    told = reasoning.told_apart(ASKED, generation(text), lambda part: len(part.split()))
    assert told.thought is not None
    assert (told.text, told.thought.text, told.thought.finished) == (said, thought, finished)
    scores = general_scores(told)
    assert scores["unfinished_thought"] == float(not finished)
    assert scores["reasoning_tokens"] + scores["answer_tokens"] == 40


def test_stop_texts_are_for_the_answer_and_the_thought_has_a_budget_of_its_own() -> None:
    sent = THINKS.sent(ASKED)
    assert (sent.stop, sent.max_new_tokens) == ((), 108)
    assert NEVER.sent(ASKED) is ASKED
    assert THINKS.told_apart(ASKED, generation("hm</think>1\n\n2"), None).stop_reason == "stop"


@pytest.mark.parametrize(
    ("name", "arguments", "thinks"),
    [
        ("Qwen3", {}, Reasoning("<think>", "</think>", begun=False, budget=7)),
        ("Qwen3", {"enable_thinking": False}, None),
        ("Qwen3-Instruct-2507", {}, None),
        ("R1", {}, Reasoning("<think>", "</think>", begun=True, budget=7)),
        ("chatml", {}, None),
    ],
)
def test_a_template_tells_whether_a_model_thinks(
    name: str, arguments: dict[str, object], thinks: Reasoning | None, tiny_model_dir: Path
) -> None:
    options = LoadOptions("float32", "cpu", chat_template=TEMPLATES[name], template_args=arguments)
    assert find_reasoning(load_tokenizer(tiny_model_dir, options), 7) == thinks
    assert has_marks(TEMPLATES[name]) == (name != "chatml")


class Echo:
    """Answers with a thought and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        self.asked += requests

        def run() -> Iterator[tuple[int, Generation]]:
            for index, request in enumerate(requests):
                yield index, generation(f"<think>hm</think> {request.display()}")

        return [Batch(range(len(requests)), run)]


def test_answers_are_kept_whole_and_told_apart_anew(tmp_path: Path) -> None:
    cache, echo = AnswerCache(tmp_path / "answers.sqlite", limit_bytes=1 << 20), Echo()
    asked = GenerateRequest(Prompt.chat("Which bird?"), max_new_tokens=8)
    first = Engine("me", echo, cache, asking=Asking(reasoning=THINKS))
    assert [answer.text for _, answer in first.generate([asked])] == ["[user]\nWhich bird?"]
    again = Engine("me", echo, cache, asking=Asking(reasoning=THINKS))
    ((_, told),) = again.generate([asked])
    assert told.thought is not None and told.thought.text == "hm"
    assert (again.cached, len(echo.asked)) == (1, 1)
    ((_, whole),) = Engine("me", echo, cache).generate([THINKS.sent(asked)])
    assert whole.text.startswith("<think>")


def test_a_system_prompt_goes_before_conversations_that_have_none() -> None:
    asking = Asking(system="Be brief.")
    chat = ScoreRequest(Prompt.chat("Why?"), " so")
    sent = asking.sent(chat)
    assert isinstance(sent, ScoreRequest)
    assert sent.prompt.messages == (Message("system", "Be brief."), Message("user", "Why?"))
    for own in (ScoreRequest(Prompt.chat("Why?", system="Mine."), " so"), ScoreRequest(Prompt(text="Why?"), " so")):
        assert asking.sent(own) is own
