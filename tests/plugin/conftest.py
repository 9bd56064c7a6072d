from __future__ import annotations

from pathlib import Path

import pytest
from project import Project


@pytest.fixture
def project(heavy_libraries: None, pytester: pytest.Pytester, tiny_model_dir: Path, tiny_adapter_dir: Path) -> Project:
    """A project that gates the tiny adapter on the tiny model."""
    return Project(pytester, tiny_model_dir, tiny_adapter_dir)
