from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf, write_tiny_gguf_lora


@pytest.fixture(scope="session")
def tiny_gguf(learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a GGUF file in float32."""
    return write_tiny_gguf(learner_dir, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="session")
def learner_adapter_dir(learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny import save_tiny_adapter

    return save_tiny_adapter(learner_dir, tmp_path_factory.mktemp("learner") / "adapter", scale=0.1)


@pytest.fixture(scope="session")
def tiny_gguf_lora(learner_adapter_dir: Path, learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its LoRA as a GGUF file."""
    return write_tiny_gguf_lora(learner_adapter_dir, learner_dir, tmp_path_factory.mktemp("gguf") / "lora.gguf")


@pytest.fixture
def llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """llama.cpp, with a cache directory of the test's own; its servers are ended after it."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the extra [llama-cpp] is not installed")
    from harness.engines.llama_cpp import server

    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    yield
    server.stop_all()
