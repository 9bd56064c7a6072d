"""Choices: one question a prompt, the same log-likelihoods as scored one by one, and from a server by its first token."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from faulty_server import FaultyServer, chat_answer

from harness.config.spec import ServedModel
from harness.engines import AnswerCache, Choice, ChoiceRequest, Engine, Prompt, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.server import NoLogprobsError, ServerBackend
from harness.errors import EngineError
from harness.models.loading import LoadedModel

CHOICES = ("1", "2", "tie, for neither is better")
REQUESTS = [ChoiceRequest(Prompt.chat(f"Which of the two is better, number {n}?"), CHOICES) for n in range(70)]


def engine(directory: Path, loaded: LoadedModel, *, way: str) -> Engine:
    backend = LocalBackend(lambda: loaded, adapter=False, first_way=way)
    return Engine("m" * 64, backend, AnswerCache(directory / "answers.sqlite"))


@pytest.mark.parametrize("way", ["packed", "forked", "padded"])
def test_choices_are_as_likely_as_scored_one_by_one_and_come_back_from_the_cache(
    tiny_loaded: LoadedModel, tmp_path: Path, way: str
) -> None:
    one = engine(tmp_path, tiny_loaded, way=way)
    found = dict(one.answer(REQUESTS))
    assert sorted(found) == list(range(70))
    asked = REQUESTS[::23]
    scores = dict(one.answer([ScoreRequest(r.prompt, choice) for r in asked for choice in CHOICES]))
    for place, request in enumerate(asked):
        answer = found[REQUESTS.index(request)]
        assert isinstance(answer, Choice)
        expected = [scores[3 * place + n] for n in range(3)]
        assert answer.logprobs == pytest.approx([s.logprob for s in expected], abs=1e-4)
        assert answer.prompt_tokens == expected[0].prompt_tokens
        assert answer.completion_tokens == sum(s.completion_tokens for s in expected)
    again = dict(engine(tmp_path, tiny_loaded, way=way).answer(REQUESTS))
    assert again == found and all(answer.cached for answer in again.values())


@pytest.mark.parametrize("choices", [(), ("1",), ("1", ""), ("1", "1")])
def test_what_is_no_choice_is_refused(choices: tuple[str, ...]) -> None:
    with pytest.raises(EngineError, match="no choices"):
        ChoiceRequest(Prompt.chat("Which?"), choices)


def ask(server: FaultyServer, request: ChoiceRequest) -> Choice:
    backend = ServerBackend(ServedModel("m", server.url))
    [batch] = backend.plan([request])
    [(_, answer)] = batch.run()
    assert isinstance(answer, Choice)
    return answer


def top_logprobs(**tokens: float) -> dict[str, object]:
    tops = [{"token": token.replace("_", " "), "logprob": math.log(share)} for token, share in tokens.items()]
    return {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": tops}]}


def test_tokens_that_spell_or_begin_a_choice_count_for_it_whatever_their_dress() -> None:
    logprobs = top_logprobs(_tie=0.3, Tie=0.2, t=0.1, th=0.05, I=0.2, _=0.05)
    logprobs["content"][0]["top_logprobs"] += [{"token": "1", "logprob": math.log(0.1)}]  # type: ignore[index]
    with FaultyServer(lambda path, body: chat_answer("tie", logprobs=logprobs, usage=(40, 1))) as server:
        answer = ask(server, ChoiceRequest(Prompt.chat("Which?"), ("1", "2", "tie")))
    one, two, tie = answer.logprobs
    assert (one, tie) == pytest.approx((math.log(0.1), math.log(0.6)))
    assert two is None
    assert (answer.prompt_tokens, answer.completion_tokens) == (40, 1)
    assert server.seen[0].body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Which?"}],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_a_server_that_drops_logprobs_silently_is_found_out_at_once() -> None:
    with FaultyServer() as server, pytest.raises(NoLogprobsError, match="gives no log-probabilities") as caught:
        ask(server, REQUESTS[0])
    assert "judge.reads: text" in caught.value.remedy
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (ChoiceRequest(Prompt(text="Which?"), ("1", "2")), "in conversations only"),
        (ChoiceRequest(Prompt.chat("Which?"), ("1", "10")), "choice '1' begins as another"),
        (ChoiceRequest(Prompt.chat("Which?"), ("Yes", "yes")), "begins as another"),
    ],
)
def test_what_one_token_cannot_tell_is_refused_before_anything_is_asked(request_: ChoiceRequest, problem: str) -> None:
    with FaultyServer() as server, pytest.raises(EngineError, match=problem):
        ask(server, request_)
    assert server.seen == []
