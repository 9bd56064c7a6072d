"""The server engine against a real server: `transformers serve` on loopback, alone and behind a faulty proxy."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer, random_faults
from serving import transformers_serve

from harness.config.spec import ServedModel
from harness.engines import ChoiceRequest, GenerateRequest, Generation, Prompt, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.server import NoLogprobsError, RetryPolicy, ServerBackend, server_identity
from harness.errors import EngineError
from harness.models.loading import LoadedModel

pytestmark = pytest.mark.real_process

QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.1)
WORDS = ["hi", "12345", "Answer with one word.", "Please call the function.", "birds sing", "fox", "seven", "Paris"]


@pytest.fixture(scope="module")
def served(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedModel]:
    """The tiny model, served in float32 until the module ends."""
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    with transformers_serve(tiny_model_dir, dtype="float32", log=log) as model:
        yield model


def requests() -> list[GenerateRequest]:
    """The words as conversations and as raw text."""
    return [GenerateRequest(p, max_new_tokens=12) for w in WORDS for p in (Prompt.chat(w), Prompt(text=w))]


def run(backend, asked) -> list[Generation]:
    found = {}
    for batch in backend.plan(asked):
        for index, answer in batch.run():
            assert index not in found
            found[index] = dataclasses.replace(answer, latency_s=0.0)
    return [found[i] for i in range(len(asked))]


@pytest.fixture(scope="module")
def in_process(tiny_loaded: LoadedModel) -> list[Generation]:
    """What the local engine answers."""
    return run(LocalBackend(lambda: tiny_loaded, adapter=False), requests())


def test_greedy_answers_equal_the_local_engines(served, in_process):
    answers = run(ServerBackend(served, retry=QUICK), requests())
    assert answers == in_process
    assert len({answer.text for answer in answers}) > 4


def test_behind_a_faulty_proxy_nothing_is_lost_and_nothing_changes(served, in_process):
    def forward(path: str, body: dict) -> dict:
        data = json.dumps(body).encode()
        upstream = urllib.request.Request(
            served.url.removesuffix("/v1") + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(upstream, timeout=30) as response:
            return json.loads(response.read())

    with FaultyServer(forward, random_faults(0.3, seed=5)) as proxy:
        behind = ServedModel(served.name, proxy.url)
        assert run(ServerBackend(behind, retry=QUICK, timeout_s=10.0), requests()) == in_process
    assert sum(seen.fault is not None for seen in proxy.seen) >= 3


def test_stop_texts_that_this_server_leaves_in_are_cut(served, in_process):
    request, whole = next((r, a) for r, a in zip(requests(), in_process, strict=True) if a.text[1:2].isalpha())
    stop = whole.text[1]  # one letter: this server finds longer ones across the prompt's end
    [cut] = run(ServerBackend(served, retry=QUICK), [dataclasses.replace(request, stop=(stop,))])
    assert (cut.text, cut.stop_reason) == (whole.text[: whole.text.index(stop)], "stop")


def test_scores_are_refused_since_it_drops_echo_and_logprobs(served):
    with pytest.raises(EngineError, match="gives no log-probabilities of the prompt"):
        run(ServerBackend(served, retry=QUICK), [ScoreRequest(Prompt(text="The quick brown fox"), " jumps")])


def test_choices_are_refused_since_it_drops_the_logprobs_of_what_it_writes_too(served):
    with pytest.raises(NoLogprobsError, match="gives no log-probabilities of what it writes"):
        run(ServerBackend(served, retry=QUICK), [ChoiceRequest(Prompt.chat("Which?"), ("1", "2"))])


def test_another_name_is_refused_by_the_server(served):
    other = ServedModel("another", served.url)
    with pytest.raises(EngineError, match=r"HTTP 400: .*pinned to"):
        run(ServerBackend(other, retry=QUICK), requests()[:1])


def test_its_identity_does_without_the_listing(served):
    parts = server_identity(served).parts
    assert (parts["server"], parts["name"]) == (served.url, served.name)
    assert parts["listed"] in ("unknown", "no")  # a 500 without a hub cache; with one, it lists that
