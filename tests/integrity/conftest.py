"""Torch on one thread: on matrices this small, several only wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from project import one_thread


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
