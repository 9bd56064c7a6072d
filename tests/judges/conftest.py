"""A judge's engine over a scripted server, with an answer cache of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_server import FaultyServer

from harness.config.spec import ServedModel
from harness.engines import AnswerCache
from harness.engines.server import RetryPolicy, ServerBackend
from harness.judges.engine import JudgeEngine

QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.1)


@pytest.fixture
def judge_engine(tmp_path: Path) -> Callable[..., JudgeEngine]:
    """Makes an engine that asks a server; engines of one test share one cache."""

    def make(server: FaultyServer, *, concurrency: int = 8, timeout_s: float = 20.0, **settings) -> JudgeEngine:
        served = ServedModel("judge", server.url)
        backend = ServerBackend(served, concurrency=concurrency, timeout_s=timeout_s, retry=QUICK)
        return JudgeEngine("a" * 64, backend, AnswerCache(tmp_path / "answers.sqlite"), **settings)

    return make
