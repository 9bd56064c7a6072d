"""The same model asked all over: other draws, the same greedy answers, and nothing of the first time overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.engines import AnswerCache, Batch, Engine, Generation, Request
from harness.engines.requests import Answers, GenerateRequest, Prompt, Score, ScoreRequest, seed_of


class Recorder:
    """Answers with the seed it was asked by."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        def run() -> Answers:
            for index, request in enumerate(requests):
                self.asked.append(request)
                if isinstance(request, GenerateRequest):
                    yield index, Generation(str(request.seed), "eos", 1, 1, 0.0)
                else:
                    yield index, Score(-1.0, True, 1, 1, 0.0)

        return [Batch(range(len(requests)), run)]


DRAWN = GenerateRequest(Prompt.chat("q"), temperature=0.7, seed=5)
GREEDY = GenerateRequest(Prompt.chat("q"), seed=5)
SCORED = ScoreRequest(Prompt.chat("q"), "a")


def texts(engine: Engine, *requests: Request) -> list[str]:
    found = dict(engine.answer(requests))
    return [getattr(found[i], "text", "") for i in range(len(requests))]


def test_draws_are_others_and_the_rest_is_asked_as_before(tmp_path: Path) -> None:
    backend = Recorder()
    first = Engine("me", backend, AnswerCache(tmp_path / "answers"))
    again = first.again()
    assert texts(first, DRAWN, GREEDY, SCORED) == ["5", "5", ""]
    assert texts(again, DRAWN, GREEDY, SCORED) == [str(seed_of("again", 5)), "5", ""]
    assert backend.asked[4:] == [GREEDY, SCORED]
    assert (first.computed, again.computed) == (3, 3)


def test_each_time_finds_its_own_answers_in_the_cache(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers")
    first = Engine("me", Recorder(), cache)
    told = texts(first, DRAWN), texts(first.again(), DRAWN)
    later = Engine("me", Recorder(), cache)
    again = later.again()
    assert (texts(later, DRAWN), texts(again, DRAWN)) == told
    assert (later.computed, again.computed) == (0, 0)
    assert again.identity_digest == first.again().identity_digest != first.identity_digest


def test_seeds_of_other_names_differ_and_fit_31_bits() -> None:
    seeds = [seed_of("item", k) for k in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of("item", 0) == seeds[0]
