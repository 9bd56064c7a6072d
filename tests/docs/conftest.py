from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT
from project import Project


@pytest.fixture
def project(heavy_libraries: None, pytester: pytest.Pytester, tiny_model_dir: Path, tiny_adapter_dir: Path) -> Project:
    """A project that gates the tiny adapter on the tiny model."""
    return Project(pytester, tiny_model_dir, tiny_adapter_dir)


@pytest.fixture(scope="session")
def help_text() -> str:
    """What `pytest --help` prints with the plugin."""
    command = [sys.executable, "-m", "pytest", "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def known_options(help_text: str) -> set[str]:
    """Every option of it, long and short."""
    return set(re.findall(r"(?<![\w-])--?\w[\w-]*", help_text))
