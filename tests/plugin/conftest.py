from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project, import_heavy_libraries, one_thread


@pytest.fixture(scope="module")
def _imported() -> Iterator[None]:
    import_heavy_libraries()
    with one_thread():
        yield


@pytest.fixture
def project(_imported: None, pytester: pytest.Pytester, tiny_model_dir: Path, tiny_adapter_dir: Path) -> Project:
    """A project that gates the tiny adapter on the tiny model."""
    return Project(pytester, tiny_model_dir, tiny_adapter_dir)
