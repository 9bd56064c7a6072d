from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from harness.engines import AnswerCache, Batch, Engine, GenerateRequest, Generation, Prompt, ScoreRequest, answer_key
from harness.errors import EngineError


class CountingBackend:
    """Answers with the prompt's text; keeps what it was asked, two requests a batch."""

    def __init__(self, *, dies_in_batch: int | None = None) -> None:
        self.batches: list[list[str]] = []
        self._dies_in_batch = dies_in_batch

    def plan(self, requests):
        parts = [range(i, min(i + 2, len(requests))) for i in range(0, len(requests), 2)]
        return [Batch(part, partial(self._run, requests, part)) for part in parts]

    def _run(self, requests, indices):
        if len(self.batches) == self._dies_in_batch:
            raise KeyboardInterrupt
        self.batches.append([requests[i].prompt.text for i in indices])
        for i in reversed(indices):
            yield i, Generation(requests[i].prompt.text.upper(), "eos", 1, 1, 0.0)


@pytest.fixture
def cache(tmp_path: Path) -> AnswerCache:
    return AnswerCache(tmp_path / "answers.sqlite")


def requests(*texts: str) -> list[GenerateRequest]:
    return [GenerateRequest(Prompt(text=text)) for text in texts]


def test_second_time_nothing_is_computed_and_answers_are_marked_cached(cache):
    backend = CountingBackend()
    first = dict(Engine("model", backend, cache).generate(requests("a", "b", "c")))
    engine = Engine("model", backend, cache)
    second = dict(engine.generate(requests("a", "b", "c")))
    assert first == second
    assert len(backend.batches) == 2
    assert (engine.cached, engine.computed) == (3, 0)
    assert all(a.cached for a in second.values())


def test_another_model_never_gets_these_answers(cache):
    backend = CountingBackend()
    list(Engine("model", backend, cache).generate(requests("a")))
    list(Engine("retrained", backend, cache).generate(requests("a")))
    assert backend.batches == [["a"], ["a"]]


@pytest.mark.parametrize(
    "change", [{"max_new_tokens": 9}, {"stop": ("x",)}, {"temperature": 0.5}, {"seed": 3}, {"prompt": Prompt.chat("a")}]
)
def test_whatever_changes_the_request_changes_its_key(change):
    plain = {"prompt": Prompt(text="a")}
    assert answer_key("m", GenerateRequest(**plain)) != answer_key("m", GenerateRequest(**{**plain, **change}))


def test_a_killed_run_keeps_its_finished_batches_and_recomputes_whole_ones(cache):
    texts = ("a", "b", "c", "d", "e", "f")
    with pytest.raises(KeyboardInterrupt):
        list(Engine("m", CountingBackend(dies_in_batch=2), cache).generate(requests(*texts)))
    backend = CountingBackend()
    resumed = dict(Engine("m", backend, cache).generate(requests(*texts)))
    assert backend.batches == [["e", "f"]]
    assert [resumed[i].text for i in range(6)] == ["A", "B", "C", "D", "E", "F"]


def test_a_batch_with_one_answer_missing_is_computed_as_it_was_planned(cache):
    list(Engine("m", CountingBackend(), cache).generate(requests("b")))
    backend = CountingBackend()
    list(Engine("m", backend, cache).generate(requests("a", "b", "c", "d")))
    assert backend.batches == [["a", "b"], ["c", "d"]]


def test_equal_requests_are_computed_once_and_each_gets_its_answer(cache):
    backend = CountingBackend()
    found = dict(Engine("m", backend, cache).generate(requests("a", "a", "a")))
    assert backend.batches == [["a"]]
    assert sorted(found) == [0, 1, 2]


def test_a_torn_or_foreign_row_is_a_miss_and_computed_again(cache, tmp_path):
    list(Engine("m", CountingBackend(), cache).generate(requests("a", "b")))
    keys = [answer_key("m", r) for r in requests("a", "b")]
    torn, foreign = (bytes.fromhex(key) for key in keys)
    db = sqlite3.connect(tmp_path / "answers.sqlite")
    db.execute("UPDATE answers SET answer = (SELECT answer FROM answers WHERE key = ?) WHERE key = ?", (torn, foreign))
    db.execute("UPDATE answers SET answer = substr(answer, 1, length(answer) - 3) WHERE key = ?", (torn,))
    db.commit()
    assert cache.get(keys) == {}
    again = dict(Engine("m", CountingBackend(), cache).generate(requests("a", "b")))
    assert [again[i].text for i in (0, 1)] == ["A", "B"]
    assert len(cache.get(keys)) == 2


def test_a_backend_that_loses_an_answer_is_an_error(cache):
    class Lossy(CountingBackend):
        def _run(self, requests, indices):
            yield from list(super()._run(requests, indices))[:-1]

    with pytest.raises(EngineError, match="1 of 2 requests got no answer"):
        list(Engine("m", Lossy(), cache).generate(requests("a", "b")))


def test_score_and_generate_of_the_same_text_do_not_collide():
    assert answer_key("m", ScoreRequest(Prompt(text="a"), "b")) != answer_key("m", GenerateRequest(Prompt(text="a")))


def test_when_all_is_cached_the_backend_is_not_even_asked_for_a_plan(cache):
    class Unused:
        def plan(self, requests):
            raise AssertionError("planning loads the model")

    list(Engine("m", CountingBackend(), cache).generate(requests("a", "b")))
    again = dict(Engine("m", Unused(), cache).generate(requests("b", "a")))
    assert [again[i].text for i in (0, 1)] == ["B", "A"]
