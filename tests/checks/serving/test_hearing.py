"""What is made of one answer: which token a server wrote, in whatever form it names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from faulty_server import FaultyServer, chat_answer, text_answer

from harness.checks.serving.asking import Heard, Server, Way
from harness.checks.serving.line import STRENGTHS, Line, Probe
from harness.checks.serving.probes import _by_margin, shown
from harness.config.spec import ServedModel
from harness.engines.requests import Prompt
from harness.engines.server import Likely, RetryPolicy, Written
from harness.errors import EngineError
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


@pytest.mark.parametrize("form", ["text", "token_id:N", "piece"])
def test_a_token_is_known_by_each_name_that_servers_give_it(tokenizer: Any, form: str) -> None:
    tokens = [of_text(tokenizer, text) for text in (" the", "the", "a")]
    names = {
        "text": [tokenizer.decode([token]) for token in tokens],
        "token_id:N": [f"token_id:{token}" for token in tokens],
        "piece": tokenizer.convert_ids_to_tokens(tokens),
    }[form]
    said = [answer(tokenizer.decode(tokens[:1]), *(Likely(name, -1.0 - at) for at, name in enumerate(names)))]
    heard = hear(tokenizer, tokens, *said)
    assert heard.values.tolist() == [[-1.0, -2.0, -3.0]]
    assert heard.chosen.tolist() == [0]


def test_a_token_of_an_unknown_name_is_known_by_the_answers_text(tokenizer: Any) -> None:
    tokens = [of_text(tokenizer, text) for text in (" the", "a")]
    named, elsewhere = Likely("<17>", -0.5), Likely("<17>", -0.5, id=10**6)
    assert hear(tokenizer, tokens, answer("a", named), answer("a", elsewhere)).chosen.tolist() == [1, -1]


def test_log_probabilities_that_cannot_be_read_are_done_without(tokenizer: Any) -> None:
    def answers(path: str, body: Any) -> Any:
        said = {"logprobs": {"content": [{"odd": 1}]}} if body.get("logprobs") else {}
        answer = chat_answer if path.endswith("/chat/completions") else text_answer
        return answer("a", usage=(len(body.get("prompt", "")), 1), **said)

    with FaultyServer(answers) as http:
        retry = RetryPolicy(tries=2, first_wait_s=0.01)
        server = Server(ServedModel("one", http.url), tokenizer, retry=retry)
        assert server.way == Way("tokens", 0)
        found = [server.chat(Prompt.chat("hi")) for _ in range(3)]
        assert [one and (one[0].text, one[1]) for one in found] == [("a", 0)] * 3
        asked = [seen.body.get("top_logprobs") for seen in http.seen if seen.path.endswith("/chat/completions")]
        assert asked == [20, 20, 5, 5, None, None, None]


def test_an_answer_that_is_none_at_all_is_told(tokenizer: Any) -> None:
    with FaultyServer(lambda path, body: {"choices": []}) as http:
        server = Server(ServedModel("one", http.url), tokenizer, retry=RetryPolicy(tries=1))
        with pytest.raises(EngineError, match="malformed"):
            _ = server.way
