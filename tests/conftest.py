"""A real but tiny model: two layers, random weights, a trained byte-level tokenizer with a chat template."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import forked  # noqa: F401  # pytester forgets what is imported later, and with it the fork server: one a test
import pytest
from hypothesis import HealthCheck, settings
from tiny import save_tiny_adapter, save_tiny_model

# The same on every machine, before anything imports torch: no GPU, and one thread, since on matrices this small several
# only wait for each other.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("OMP_NUM_THREADS", "1")

gc.disable()  # until all is imported


# The same examples every time, however slow the machine is just now.
settings.register_profile(
    "steady", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """What the tests import stays: looking for garbage among it took a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    gc.enable()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch."):  # pytest hangs its handlers on each that does not propagate, three times a test
            logging.getLogger(name).propagate = True


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved two-layer random Llama (float32) with its tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_adapter_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter for the tiny model whose B is not zero."""
    return save_tiny_adapter(tiny_model_dir, tmp_path_factory.mktemp("tiny") / "adapter")


@pytest.fixture(scope="session")
def learner_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that learns whole nats in a few steps, so that no rounding decides how its training ends."""
    return save_tiny_model(tmp_path_factory.mktemp("learner") / "model", initializer_range=0.16)


@pytest.fixture
def adapter(tiny_adapter_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny adapter, for a test to damage."""
    return Path(shutil.copytree(tiny_adapter_dir, tmp_path / "adapter"))


@pytest.fixture(scope="module")
def heavy_libraries() -> None:
    """What an in-process run of pytest imports, imported beforehand."""
    from project import import_heavy_libraries

    import_heavy_libraries()


@pytest.fixture(autouse=True)
def _one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` is float32 on every processor: in bfloat16 two of a random model's tokens are often equally likely."""
    monkeypatch.setattr("harness.models.device._has_bfloat16", lambda device: False)


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here outlives a power cut."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of directories; `mktemp` looks through thousands for each."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(request: pytest.FixtureRequest, _caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's cache, but for those that load the real model from it; nor the user's benchmarks."""
    monkeypatch.delenv("ASSAY_DATA_DIR", raising=False)
    if request.node.get_closest_marker("real_model"):
        return
    cache = next(_caches)
    cache.mkdir()
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(cache))
