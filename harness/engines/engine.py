"""What the tasks talk to: requests in, answers out, computed only where the cache has none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.digests import digest_json
from harness.engines.asking import Asking
from harness.engines.cache.answers import AnswerCache, answer_key
from harness.engines.requests import Answer, Answers, GenerateRequest, Generation, Request, seed_of
from harness.errors import EngineError

Watch = Callable[[int, float], None]
"""Called with (answers computed of those asked for now, seconds that took so far)."""


@dataclass(frozen=True)
class Batch:
    """Requests computed together.

    Attributes:
        indices: of the requests, among those that were planned.
        run: computes them, yielding (index, answer) as they finish.
    """

    indices: Sequence[int]
    run: Callable[[], Answers]


class Backend(Protocol):
    """Something that computes answers."""

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """Batches that together answer every request once, decided by the requests alone."""
        ...


class _Redrawn:
    """A backend whose draws are others than those that the requests' seeds give."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        return self._backend.plan(
            [
                replace(one, seed=seed_of("again", one.seed))
                if isinstance(one, GenerateRequest) and one.temperature > 0
                else one
                for one in requests
            ]
        )


class Engine:
    """Answers requests for one model.

    Batches are planned over all requests, cached or not, and a batch with a missing answer is
    computed whole: in bfloat16 an answer can depend on its batch, and a resumed run must equal an
    uninterrupted one.

    Args:
        asking: how requests are put to the model, and what of its answers the tasks are given; None leaves both as they are.
        base_digest: as for `answer_key`.

    Attributes:
        computed: answers this engine computed.
        cached: answers it took from the cache.
        seconds: spent computing, loading the model not included.
        watch: told of each answer as it is computed; its batch is yielded later, when it is whole.
    """

    def __init__(
        self,
        identity_digest: str,
        backend: Backend,
        cache: AnswerCache,
        *,
        asking: Asking | None = None,
        base_digest: str | None = None,
    ) -> None:
        self.identity_digest = identity_digest
        self._base_digest = base_digest
        self.computed = 0
        self.cached = 0
        self.seconds = 0.0
        self.watch: Watch = lambda computed, seconds: None
        self._backend = backend
        self._cache = cache
        self._asking = asking

    @property
    def way(self) -> str:
        """How its backend computes, if that has several ways and has computed; else empty."""
        return str(getattr(self._backend, "way", ""))

    def again(self) -> Engine:
        """The same model, to be asked all over: by other seeds where answers are drawn, and with answers that are kept apart
        from those of the first time.
        """
        identity = digest_json(["again", self.identity_digest])
        return Engine(
            identity, _Redrawn(self._backend), self._cache, asking=self._asking, base_digest=self._base_digest
        )

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterator[tuple[int, Generation]]:
        """Completions, as (index, answer), each index once, in no promised order."""
        for index, answer in self.answer(requests):
            if isinstance(answer, Generation):
                yield index, answer

    def answer(self, requests: Sequence[Request]) -> Answers:
        """Answers to requests of any kinds, as (index, answer), each index once, in no promised order."""
        if self._asking is None:
            yield from self._answer(requests)
            return
        for index, answer in self._answer([self._asking.sent(request) for request in requests]):
            yield index, self._asking.received(requests[index], answer)

    def _answer(self, requests: Sequence[Request]) -> Answers:
        indices: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            indices.setdefault(answer_key(self.identity_digest, request, self._base_digest), []).append(index)
        known = self._cache.get(list(indices))
        for key, answer in known.items():
            self.cached += len(indices[key])
            yield from ((index, answer) for index in indices[key])
        if len(known) < len(indices):
            yield from self._compute(requests, indices, known)

    def _compute(self, requests: Sequence[Request], indices: dict[str, list[int]], known: dict[str, Answer]) -> Answers:
        keys = list(indices)
        unique = [requests[indices[key][0]] for key in keys]
        computed, seconds = 0, 0.0
        for batch in self._backend.plan(unique):
            missing = {i for i in batch.indices if keys[i] not in known}
            if not missing:
                continue
            started, fresh = time.perf_counter(), {}
            for i, answer in batch.run():
                fresh[keys[i]] = answer
                if i in missing:
                    computed += len(indices[keys[i]])
                    self.watch(computed, seconds + time.perf_counter() - started)
            seconds += time.perf_counter() - started
            self.seconds += time.perf_counter() - started
            if len(fresh) < len(batch.indices):
                raise EngineError(
                    f"{len(batch.indices) - len(fresh)} of {len(batch.indices)} requests got no answer",
                    "report this bug",
                )
            self._cache.put(self.identity_digest, {key: answer for key, answer in fresh.items() if key not in known})
            for i in sorted(missing):
                self.computed += len(indices[keys[i]])
                yield from ((index, fresh[keys[i]]) for index in indices[keys[i]])
