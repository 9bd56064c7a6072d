from __future__ import annotations

from pathlib import Path

import pytest

from harness.models.loading import LoadedModel, LoadOptions, load_model


@pytest.fixture(scope="session")
def tiny_loaded(tiny_model_dir: Path, tiny_adapter_dir: Path) -> LoadedModel:
    """The tiny model in float32 with its adapter attached."""
    return load_model(tiny_model_dir, LoadOptions(dtype="float32", device="cpu"), adapter=tiny_adapter_dir)
