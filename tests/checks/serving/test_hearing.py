"""What is made of one answer: which token a server wrote, in whatever form it names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.checks.serving.asking import Heard, Server
from harness.checks.serving.line import STRENGTHS, Line, Probe
from harness.checks.serving.probes import _by_margin, shown
from harness.config.spec import ServedModel
from harness.engines.server import Likely, Written
from harness.session import Session


@pytest.fixture
def tokenizer(session: Session) -> Any:
    return session.texts.candidate.loaded.tokenizer


def answer(text: str, *tops: Likely, finish_reason: str = "length") -> Written:
    """The first of the likeliest is the written one."""
    return Written(text, tops[:1], [tops] if tops else [], finish_reason, 3, 1, 0.0)


def hear(tokenizer: Any, tokens: list[int], *answers: Written) -> Heard:
    shape = len(answers), len(tokens)
    probes, said = [Probe(0, 0, (1,), None)] * len(answers), np.zeros((len(STRENGTHS), *shape))
    line = Line(probes, np.tile(tokens, (len(answers), 1)), said, said[0])
    return Server(ServedModel("one", "http://127.0.0.1:9/v1"), tokenizer).hear(line, answers)


def of_text(tokenizer: Any, text: str) -> int:
    (token,) = tokenizer(text, add_special_tokens=False)["input_ids"][:1]
    return int(token)


def test_an_answer_that_ends_at_once_is_the_end_token(tokenizer: Any) -> None:
    tokens = [of_text(tokenizer, "a"), int(tokenizer.eos_token_id)]
    heard = hear(tokenizer, tokens, answer("", finish_reason="stop"), answer("", finish_reason="length"), answer("a"))
    assert heard.chosen.tolist() == [1, -1, 0]


def test_no_place_is_asked_for_a_token_that_no_text_shows(tokenizer: Any) -> None:
    """Of three places one has words on both sides; in the others base or candidate ends."""
    one, other, end = of_text(tokenizer, "a"), of_text(tokenizer, "b"), int(tokenizer.eos_token_id)
    assert (shown(tokenizer, end), shown(tokenizer, one)) == ("", "a")

    def preferring(*tokens: int) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(tokens), len(tokenizer)).float()

    assert _by_margin(preferring(one, end, one), preferring(other, one, end), lambda at: shown(tokenizer, at)) == [0]
