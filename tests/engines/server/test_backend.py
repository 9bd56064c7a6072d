from __future__ import annotations

import dataclasses
import email.utils
import gzip
import logging
import threading
import time

import pytest
from faulty_server import (
    PASSING_FAULTS,
    Drop,
    FaultyServer,
    Garbage,
    Hang,
    Status,
    Trickle,
    chat_answer,
    echo_answer,
    faults_in_order,
    random_faults,
    text_answer,
)

from harness.config.spec import ServedModel, parse_openai
from harness.engines import AnswerCache, Engine, GenerateRequest, Message, Prompt, Score, ScoreRequest
from harness.engines.requests import DivergenceRequest, RollingRequest
from harness.engines.server import RetryPolicy, ServerBackend, server_identity
from harness.engines.server.retry import retry_after_s
from harness.errors import ConfigError, EngineError

QUICK = RetryPolicy(tries=4, first_wait_s=0.001, longest_wait_s=0.01)
SECRET = "sk-a-secret-of-many-letters"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def backend(server: FaultyServer, *, retry: RetryPolicy = QUICK, timeout_s: float = 30.0, concurrency: int = 4):
    return ServerBackend(ServedModel("base", server.url), concurrency=concurrency, timeout_s=timeout_s, retry=retry)


def answers(one: ServerBackend, requests):
    """Answers in order of the requests, each given once."""
    found = [pair for batch in one.plan(requests) for pair in batch.run()]
    assert sorted(index for index, _ in found) == list(range(len(requests)))
    return [answer for _, answer in sorted(found, key=lambda pair: pair[0])]


def ask(server: FaultyServer, request, **options):
    [answer] = answers(backend(server, **options), [request])
    return answer


def chat(text: str = "hi", **options) -> GenerateRequest:
    return GenerateRequest(Prompt.chat(text, system="be brief"), **options)


# Requests as the API has them.


def test_a_conversation_goes_to_chat_completions_and_raw_text_to_completions():
    with FaultyServer() as server:
        spoken, written = ask(server, chat()), ask(server, GenerateRequest(Prompt(text="Once"), max_new_tokens=9))
    assert (spoken.text, written.text) == ("you said: hi", "you said: Once")
    assert [seen.path for seen in server.seen] == ["/v1/chat/completions", "/v1/completions"]
    assert server.seen[0].body == {
        "model": "base",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "max_tokens": 256,
        "temperature": 0.0,
    }
    assert server.seen[1].body["max_tokens"] == 9


def test_tools_are_sent_and_a_developer_speaks_as_the_system():
    asked = Prompt((Message("developer", "be brief"), Message("user", "hi")), tools='[{"type": "function"}]')
    with FaultyServer() as server:
        ask(server, GenerateRequest(asked))
    assert server.seen[0].body["tools"] == [{"type": "function"}]
    assert [turn["role"] for turn in server.seen[0].body["messages"]] == ["system", "user"]


def test_seed_and_nucleus_are_sent_only_when_sampling():
    with FaultyServer() as server:
        ask(server, chat(temperature=0.7, top_p=0.9, seed=5, stop=("###",)))
    body = server.seen[0].body
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.7, 0.9, 5, ["###"])


@pytest.mark.parametrize(
    ("choice", "stop", "expected"),
    [
        ({"text": "a", "finish_reason": "length"}, (), ("a", "length")),
        ({"text": "a", "finish_reason": "stop"}, (), ("a", "eos")),
        ({"text": "a", "finish_reason": "stop"}, ("#",), ("a", "stop")),  # cannot be told from EOS
        ({"text": "a", "finish_reason": "stop", "stop_reason": None}, ("#",), ("a", "eos")),  # vLLM can
        ({"text": "a", "finish_reason": "stop", "stop_reason": "#"}, ("#",), ("a", "stop")),
        ({"text": "a", "finish_reason": "stop", "stop_reason": 2}, ("#",), ("a", "eos")),
        ({"text": "a#b!", "finish_reason": "stop"}, ("!", "#"), ("a", "stop")),  # left in by transformers serve
        ({"text": "a#b", "finish_reason": "length"}, ("#",), ("a", "stop")),
        ({"text": "", "finish_reason": "length"}, (), ("", "length")),
    ],
)
def test_stop_reasons_and_stop_texts(choice, stop, expected):
    with FaultyServer(lambda path, body: chat_answer(usage=(11, 4), **choice)) as server:
        answer = ask(server, chat(stop=stop))
    assert (answer.text, answer.stop_reason) == expected
    assert (answer.prompt_tokens, answer.completion_tokens) == (11, 4)


@pytest.mark.parametrize("finish", ["tool_calls", "content_filter"])
def test_an_answer_that_the_server_altered_is_not_taken_for_the_models(finish):
    with (
        FaultyServer(lambda path, body: chat_answer("part", finish_reason=finish)) as server,
        pytest.raises(EngineError, match=rf"not the model's own text \({finish}\)"),
    ):
        ask(server, chat())
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "usage", [None, [], *({"prompt_tokens": 7, "completion_tokens": one} for one in (None, -3, True, 2**70, 1.5, "3"))]
)
def test_missing_and_impossible_token_counts_are_named_and_not_taken_for_numbers(usage):
    with (
        FaultyServer(lambda path, body: chat_answer("a") | {"usage": usage}) as server,
        pytest.raises(EngineError, match="does not say how many tokens"),
    ):
        ask(server, chat())
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({}, "its content is null"),
        ({"refusal": "I cannot help with that"}, "no text but a refusal: 'I cannot help"),
        (
            {"reasoning_content": "let me see"},
            "no text but the thoughts that its reasoning parser took out: 'let me see",
        ),
        ({"reasoning": "let me see", "refusal": None}, "no text but the thoughts"),
    ],
)
def test_null_is_no_empty_answer(message, told, tmp_path):
    body = chat_answer(None)
    body["choices"][0]["message"] |= message
    with FaultyServer(lambda path, asked: body) as server:
        engine = Engine("served", backend(server), AnswerCache(tmp_path / "answers.sqlite"))
        for _ in range(2):
            with pytest.raises(EngineError, match=told):
                list(engine.answer([chat()]))
    assert len(server.seen) == 2  # asked once a time, and nothing was stored


def test_a_raw_text_of_null_is_none_either():
    with FaultyServer(lambda path, body: text_answer(None)) as server, pytest.raises(EngineError, match="is null"):
        ask(server, GenerateRequest(Prompt(text="Once")))


# Servers that would be waited for, or read, without end.


def test_an_answer_that_comes_a_byte_at_a_time_is_given_up(monkeypatch):
    monkeypatch.setattr("harness.engines.server.client._SLACK_S", -29.8)
    with FaultyServer(faults=faults_in_order(Trickle())) as server, pytest.raises(EngineError, match="not done within"):
        ask(server, chat(), timeout_s=30.0)
    assert len(server.seen) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "packed"])
def test_an_answer_too_long_to_be_one_is_not_read_on(headers):
    data = gzip.compress(b" " * 40_000_000) if headers else b" " * 40_000_000
    with (
        FaultyServer(faults=faults_in_order(Status(200, headers, data))) as server,
        pytest.raises(EngineError, match=r"an answer of more than 32\.0 MiB"),
    ):
        ask(server, chat())
    assert len(server.seen) == 1


def test_a_body_nested_without_end_is_malformed():
    deep = Garbage('{"choices": ' + "[" * 100_000)
    with (
        FaultyServer(faults=lambda arrival: deep) as server,
        pytest.raises(EngineError, match=r"malformed: no JSON: .*nested more than 100 deep"),
    ):
        ask(server, chat())


def test_prompts_follow_no_redirect():
    with FaultyServer() as elsewhere:
        away = Status(307, {"Location": f"{elsewhere.url}/chat/completions"})
        with FaultyServer(faults=faults_in_order(away)) as server, pytest.raises(EngineError, match="HTTP 307") as told:
            ask(server, chat())
    assert "name the address that it points to" in told.value.remedy
    assert elsewhere.seen == []


# Scores, or a clear word that there are none.

PARIS = ["The", " capital", " is", " Par", "is"]


def test_a_score_is_the_sum_over_the_tokens_that_spell_the_continuation():
    answer = echo_answer(PARIS, [0, -1, -2, -3, -4], best=[0, -1, -2, -3, -4])
    with FaultyServer(lambda path, body: answer) as server:
        score = ask(server, ScoreRequest(Prompt(text="The capital is "), "Paris"))
    assert (score.logprob, score.is_greedy, score.prompt_tokens, score.completion_tokens) == (-7.0, True, 3, 2)
    body = server.seen[0].body
    assert (body["prompt"], body["echo"], body["logprobs"], body["max_tokens"]) == ("The capital is Paris", True, 1, 1)


def test_a_continuation_with_one_unlikely_token_is_not_greedy():
    answer = echo_answer(PARIS, [0, -1, -2, -3, -4], best=[0, -1, -2, -0.5, -4])
    with FaultyServer(lambda path, body: answer) as server:
        assert not ask(server, ScoreRequest(Prompt(text="The capital is"), " Paris")).is_greedy


@pytest.mark.parametrize(
    "tokens", [["<s>", "The", "Ġis", "ĠPar", "is"], ["<s>", "The", " is", "", " Paris"], ["<s>", "a", "b", "c", "d"]]
)
def test_tokens_spelled_another_way_are_divided_by_the_servers_count_of_the_context(tokens):
    def answer(path, body):
        return echo_answer(tokens, [0, -1, -2, -3, -4]) if body.get("echo") else text_answer("x", usage=(3, 1))

    with FaultyServer(answer) as server:
        one = backend(server)
        scores = [answers(one, [ScoreRequest(Prompt(text="The is"), " Paris")])[0] for _ in range(2)]
    assert [(s.logprob, s.completion_tokens) for s in scores] == [(-7.0, 2)] * 2
    assert [seen.body["prompt"] for seen in server.seen] == ["The is Paris", "The is", "The is Paris"]


def without(key: str):
    answer = echo_answer(PARIS, [0, -1, -2, -3, -4])
    del answer["choices"][0]["logprobs"][key]
    return answer


def of_the_new_token_alone():
    answer = echo_answer(PARIS, [0, -1, -2, -3, -4])
    answer["choices"][0]["logprobs"] = {key: value[-1:] for key, value in answer["choices"][0]["logprobs"].items()}
    return answer


@pytest.mark.parametrize(
    "answer",
    [text_answer(" re", finish_reason="length"), of_the_new_token_alone(), without("token_logprobs")],
    ids=["dropped", "echo ignored", "empty"],
)
def test_a_server_without_logprobs_of_the_prompt_is_found_out(answer):
    with (
        FaultyServer(lambda path, body: answer) as server,
        pytest.raises(EngineError, match="gives no log-probabilities of the prompt") as caught,
    ):
        ask(server, ScoreRequest(Prompt(text="The capital is"), " Paris"))
    assert "--model=DIRECTORY" in caught.value.remedy
    assert len(server.seen) == 1


def test_greediness_is_not_guessed_without_the_most_likely_tokens():
    with (
        FaultyServer(lambda path, body: without("top_logprobs")) as server,
        pytest.raises(EngineError, match="most likely tokens"),
    ):
        ask(server, ScoreRequest(Prompt(text="The capital is"), " Paris"))


@pytest.mark.parametrize(
    "request_", [ScoreRequest(Prompt.chat("hi"), "yes"), RollingRequest("a"), DivergenceRequest("a")]
)
def test_what_no_server_answers_is_refused_before_anything_is_asked(request_):
    with FaultyServer() as server, pytest.raises(EngineError, match="a server cannot"):
        backend(server).plan([chat(), request_])
    assert not server.seen


# Faults that pass, and faults that do not.


@pytest.mark.parametrize("fault", [*PASSING_FAULTS, Status(408), Status(409), Garbage("null"), Garbage("[]")], ids=str)
def test_a_passing_fault_is_tried_again(fault):
    with FaultyServer(faults=faults_in_order(fault, fault)) as server:
        answer = ask(server, chat(), timeout_s=1.0 if fault == Hang() else 30.0)
    assert answer.text == "you said: hi"
    assert len(server.seen) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_a_refusal_is_final_and_says_what_the_server_said(code):
    refusal = Status(code, body={"error": {"message": "context length is 4096"}})
    with (
        FaultyServer(faults=faults_in_order(refusal)) as server,
        pytest.raises(EngineError, match=rf"base@.* refuses a request: HTTP {code}: context length is 4096") as caught,
    ):
        ask(server, chat())
    assert caught.value.remedy
    assert len(server.seen) == 1


def test_fastapis_way_to_refuse_is_read_too():
    refusal = Status(400, body={"detail": "Server is pinned to 'a'"})
    with FaultyServer(faults=faults_in_order(refusal)) as server, pytest.raises(EngineError, match="pinned to 'a'"):
        ask(server, chat())


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (Status(503), "HTTP 503: injected fault"),
        (Drop(), "the connection failed"),
        (Garbage(), "the answer is malformed: no JSON"),
    ],
    ids=str,
)
def test_giving_up_names_the_tries_and_the_last_fault(fault, named):
    with (
        FaultyServer(faults=lambda arrival: fault) as server,
        pytest.raises(EngineError, match=f"no answer in 4 tries; the last: {named}"),
    ):
        ask(server, chat())
    assert len(server.seen) == 4


def test_an_unreachable_server_is_named():
    with FaultyServer() as server:
        pass
    with pytest.raises(EngineError, match=r"127\.0\.0\.1.* gave no answer in 4 tries"):
        ask(server, chat())


def test_retry_after_is_waited_for():
    with FaultyServer(faults=faults_in_order(Status(429, {"Retry-After": "0.3"}))) as server:
        ask(server, chat())
    first, second = server.seen
    assert second.arrived_s - first.arrived_s >= 0.3


def test_a_server_that_asks_for_a_long_pause_is_given_up():
    with (
        FaultyServer(faults=faults_in_order(Status(429, {"Retry-After": "3600"}))) as server,
        pytest.raises(EngineError, match="asks for a pause of 3600 s"),
    ):
        ask(server, chat())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), (email.utils.formatdate(1_000_030, usegmt=True), 30.0),
        (email.utils.formatdate(999_000, usegmt=True), 0.0), ("soon", 0.0), ("nan", 0.0), ("", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_s(header, now=1_000_000) == seconds


def test_waits_double_up_to_the_longest_with_jitter_below():
    policy = RetryPolicy(first_wait_s=1.0, longest_wait_s=8.0)
    for failures, longest in [(1, 1.0), (2, 2.0), (4, 8.0), (10, 8.0)]:
        waits = {policy.backoff_s(failures) for _ in range(20)}
        assert longest / 2 <= min(waits) < max(waits) <= longest


# Many at once.


def test_500_requests_through_faults_are_each_answered_and_counted_once(tmp_path):
    requests = [GenerateRequest(Prompt.chat(f"question {i}")) for i in range(500)]
    retry = dataclasses.replace(QUICK, tries=8)
    with FaultyServer(faults=random_faults(0.1, seed=11)) as server:
        engine = Engine(
            "identity",
            backend(server, retry=retry, timeout_s=1.0, concurrency=32),
            AnswerCache(tmp_path / "answers.sqlite"),
        )
        found = list(engine.generate(requests))
        arrivals = len(server.seen)
        again = list(engine.generate(requests))
        assert len(server.seen) == arrivals
    assert sorted(index for index, _ in found) == list(range(500))
    assert all(answer.text == f"you said: question {index}" for index, answer in found)
    assert (engine.computed, engine.cached) == (500, 500)
    assert sorted(again, key=lambda pair: pair[0]) == sorted(found, key=lambda pair: pair[0])
    assert {str(seen.fault) for seen in server.seen} == {"None", *map(str, PASSING_FAULTS)}


def test_no_more_calls_are_under_way_than_allowed():
    lock, under_way, most = threading.Lock(), 0, 0
    company = threading.Barrier(3)  # opens only when all three are there at once

    def answer(path, body):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        company.wait(timeout=20)
        with lock:
            under_way -= 1
        return chat_answer("a")

    with FaultyServer(answer) as server:
        answers(backend(server, concurrency=3), [chat(str(i)) for i in range(30)])
    assert most == 3


def test_batches_are_a_few_rounds_so_that_a_killed_run_loses_little():
    with FaultyServer() as server:
        plan = backend(server, concurrency=4).plan([chat(str(i)) for i in range(37)])
    assert [len(batch.indices) for batch in plan] == [16, 16, 5]
    assert [index for batch in plan for index in batch.indices] == list(range(37))


def test_one_refusal_ends_the_batch_without_asking_for_the_rest():
    slow = RetryPolicy(tries=8, first_wait_s=60.0, longest_wait_s=60.0)
    with FaultyServer(faults=faults_in_order(Status(503), Status(400))) as server:
        started = time.monotonic()
        with pytest.raises(EngineError, match="HTTP 400"):
            answers(backend(server, retry=slow, concurrency=2), [chat(str(i)) for i in range(8)])
        assert time.monotonic() - started < 30
    assert len(server.seen) < 8


# The key.


def test_the_key_of_the_environment_is_sent_and_a_loopback_server_needs_none(monkeypatch):
    with FaultyServer() as server:
        ask(server, chat())
        monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\n")
        ask(server, chat())
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer none", f"Bearer {SECRET}"]


def test_a_server_elsewhere_without_a_key_is_refused_with_the_remedy():
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        answers(ServerBackend(ServedModel("base", "https://models.example.org/v1")), [chat()])


def test_the_key_is_in_no_message_and_no_log(monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    refusal = Status(401, body={"error": {"message": f"Incorrect API key provided: {SECRET}"}})
    with FaultyServer(faults=faults_in_order(refusal)) as server, pytest.raises(EngineError) as caught:
        ask(server, chat())
    assert "Incorrect API key provided: ***" in str(caught.value)
    assert SECRET not in str(caught.value) + caplog.text


# Identity.


def identity_of(card: dict, *, name: str = "base"):
    with FaultyServer(lambda path, body: {"object": "list", "data": [card]}) as server:
        found = server_identity(parse_openai(f"openai:{name}@{server.url}", "--model"))
    assert server.seen[0].path == "/v1/models"
    return dataclasses.replace(found, parts={k: v for k, v in found.parts.items() if k != "server"})


def test_two_names_on_one_server_are_two_models():
    card = {"id": "base"}
    assert identity_of(card).digest != identity_of(card, name="other").digest


@pytest.mark.parametrize("change", [{"root": "b"}, {"parent": "x"}, {"meta": {"size": 2}}, {"created": 1_600_000_001}])
def test_what_the_listing_says_of_a_model_is_part_of_its_identity(change):
    card = {"id": "base", "root": "a", "created": 1_600_000_000, "meta": {"size": 1}}
    assert identity_of(card).digest == identity_of(card).digest
    assert identity_of(card).digest != identity_of(card | change).digest


def test_a_time_of_creation_that_is_the_time_of_the_request_changes_nothing():
    now = int(time.time())
    fresh = {"id": "base", "permission": [{"id": "random-1"}], "created": now}
    assert identity_of(fresh).digest == identity_of({**fresh, "created": now - 1, "permission": []}).digest


def test_a_name_that_the_server_does_not_list_is_warned_of(caplog):
    assert identity_of({"id": "other"}).parts["listed"] == "no"
    assert "does not list base (it lists: other)" in caplog.text


@pytest.mark.parametrize("fault", [Status(500), Status(404), Garbage("Internal Server Error")], ids=str)
def test_a_server_without_a_listing_still_has_an_identity(fault):
    with FaultyServer(faults=lambda arrival: fault) as server:
        parts = server_identity(parse_openai(f"openai:base@{server.url}/", "--model")).parts
    assert parts == {
        "server": server.url, "name": "base", "template": "server", "precision": "server", "listed": "unknown",
    }  # fmt: skip
    assert len(server.seen) == 1


def test_an_identity_needs_a_server_that_answers():
    with FaultyServer() as server:
        pass
    with pytest.raises(EngineError, match="gave no answer in 3 tries"):
        server_identity(ServedModel("base", server.url))


def test_scores_run_through_the_engine(tmp_path):
    with FaultyServer(lambda path, body: echo_answer(PARIS, [0, -1, -2, -3, -4])) as server:
        engine = Engine("identity", backend(server), AnswerCache(tmp_path / "answers.sqlite"))
        [(index, score)] = engine.answer([ScoreRequest(Prompt(text="The capital is"), " Paris")])
    assert (index, isinstance(score, Score), score.logprob) == (0, True, -7.0)
