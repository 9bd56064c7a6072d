"""What the tasks talk to: requests in, answers out, computed only where the cache has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from harness.engines.answer_cache import AnswerCache, answer_key
from harness.engines.requests import Answer, GenerateRequest, Generation, Request, Score, ScoreRequest
from harness.errors import EngineError


class Backend(Protocol):
    """Something that computes answers."""

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """Which requests to compute together; depends on the requests alone."""
        ...

    def run(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Answers of one planned batch, as they finish."""
        ...


class Engine:
    """Answers requests for one model.

    Batches are planned over all requests, cached or not, and a batch with a missing answer is
    computed whole: in bfloat16 an answer can depend on its batch, and a resumed run must equal an
    uninterrupted one.

    Attributes:
        computed: answers this engine computed.
        cached: answers it took from the cache.
    """

    def __init__(self, identity_digest: str, backend: Backend, cache: AnswerCache) -> None:
        self.identity_digest = identity_digest
        self.computed = 0
        self.cached = 0
        self._backend = backend
        self._cache = cache

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterator[tuple[int, Generation]]:
        """Completions, as (index, answer), each index once, in no promised order."""
        for index, answer in self._answers(requests):
            if isinstance(answer, Generation):
                yield index, answer

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, Score]]:
        """Log-likelihoods, as (index, answer), each index once, in no promised order."""
        for index, answer in self._answers(requests):
            if isinstance(answer, Score):
                yield index, answer

    def _answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        places: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            places.setdefault(answer_key(self.identity_digest, request), []).append(index)
        known = self._cache.get(list(places))
        for key, answer in known.items():
            self.cached += len(places[key])
            yield from ((index, answer) for index in places[key])
        if len(known) < len(places):
            yield from self._compute(requests, places, known)

    def _compute(
        self, requests: Sequence[Request], places: dict[str, list[int]], known: dict[str, Answer]
    ) -> Iterator[tuple[int, Answer]]:
        keys = list(places)
        unique = [requests[places[key][0]] for key in keys]
        for batch in self._backend.plan(unique):
            missing = {i for i in batch if keys[i] not in known}
            if not missing:
                continue
            fresh: dict[str, Answer] = {}
            for place, answer in self._backend.run([unique[i] for i in batch]):
                fresh[keys[batch[place]]] = answer
            if len(fresh) < len(batch):
                raise EngineError(f"{len(batch) - len(fresh)} of {len(batch)} requests got no answer", "report this bug")
            self._cache.put({key: answer for key, answer in fresh.items() if key not in known})
            for i in sorted(missing):
                self.computed += len(places[keys[i]])
                yield from ((index, fresh[keys[i]]) for index in places[keys[i]])
