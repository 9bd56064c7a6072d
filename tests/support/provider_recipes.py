"""A provider on loopback, and recipes that it trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_server import Fault, FaultyServer, no_faults
from provider_server import MODEL, Provider

from harness.config.spec import ServedModel
from harness.engines.server.retry import RetryPolicy
from harness.training import Recipe, load_recipe
from harness.training.provider import TunedModel, api, job, tune

KEY = "sk-a-secret-that-stays-here"
MakeServed = Callable[..., Recipe]
Serve = Callable[..., FaultyServer]
Train = Callable[..., TunedModel]


def rows(count: int = 12) -> list[dict[str, Any]]:
    """Conversations of one question and its answer."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Weather in city {i}?"},
                {"role": "assistant", "content": f"get_weather {i}"},
            ]
        }
        for i in range(count)
    ]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment, and no waiting."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(job, "_LEAST_WAIT_S", 0.001)
    for policy in ("FIRST", "PATIENCE"):
        monkeypatch.setattr(api, policy, RetryPolicy(tries=4, first_wait_s=0.001, longest_wait_s=0.002))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that a provider answers by."""
    with ExitStack() as stack:

        def start(provider: Provider, faults: Callable[[int], Fault | None] = no_faults) -> FaultyServer:
            return stack.enter_context(FaultyServer(provider, faults))

        yield start


@pytest.fixture
def make_served(tmp_path: Path) -> MakeServed:
    """Write rows and a recipe of method openai; keywords replace its keys, as `whole` does; `trainer` and `limits` add."""

    def make(
        sent: list[dict[str, Any]] | None = None,
        *,
        count: int = 12,
        url: str = "https://api.example.com/v1",
        trainer: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        whole: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Recipe:
        lines = [json.dumps(row) + "\n" for row in (rows(count) if sent is None else sent)]
        (tmp_path / "train.jsonl").write_text("".join(lines))
        document = {
            "base": f"openai:{MODEL}@{url}",
            "method": "openai",
            "data": {"train": {"path": "train.jsonl"}},
            "trainer": {"n_epochs": 2, **(trainer or {})},
            "limits": {"tokens": 100_000, **(limits or {})},
            **changes,
            **(whole or {}),
        }
        (tmp_path / "served.yaml").write_text(yaml.safe_dump(document))
        return load_recipe(tmp_path / "served.yaml", root=tmp_path)

    return make


@pytest.fixture
def train(make_served: MakeServed, tmp_path: Path) -> Train:
    """Train a recipe on a server, with its state kept in one place."""

    def run(server: FaultyServer, recipe: Recipe | None = None) -> TunedModel:
        served = ServedModel(MODEL, server.url)
        return tune(recipe or make_served(url=server.url), served=served, cache_dir=tmp_path / "adapters")

    return run
