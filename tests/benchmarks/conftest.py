"""The zoo, for the tests of its parts."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


class Zoo:
    """The modules of `benchmarks.zoo`, which is no part of the package."""

    def __getattr__(self, name: str) -> ModuleType:
        return importlib.import_module(f"benchmarks.zoo.{name}")


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Zoo:
    monkeypatch.syspath_prepend(str(ROOT))
    return Zoo()
