"""A real but tiny model: two layers, random weights, a trained byte-level tokenizer with a chat template."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import save_tiny_adapter, save_tiny_model


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved two-layer random Llama (float32) with its tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_adapter_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter for the tiny model whose B is not zero."""
    return save_tiny_adapter(tiny_model_dir, tmp_path_factory.mktemp("tiny") / "adapter")


@pytest.fixture
def adapter(tiny_adapter_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny adapter, for a test to damage."""
    return Path(shutil.copytree(tiny_adapter_dir, tmp_path / "adapter"))


@pytest.fixture(scope="module")
def heavy_libraries() -> Iterator[None]:
    """What an in-process run of pytest imports, imported beforehand, on one thread."""
    from project import import_heavy_libraries, one_thread

    import_heavy_libraries()
    with one_thread():
        yield


@pytest.fixture(autouse=True)
def _own_cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test touches the user's cache, but for those that load the real model from it; nor the user's benchmarks."""
    monkeypatch.delenv("ASSAY_DATA_DIR", raising=False)
    if request.node.get_closest_marker("real_model"):
        return
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
