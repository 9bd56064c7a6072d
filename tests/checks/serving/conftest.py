from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROWS, TASK
from tiny import save_tiny_adapter

from harness.config import Config
from harness.config.settings import make_settings
from harness.session import Session


@pytest.fixture(scope="package")
def adapters(learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The approved one, and one of another training."""
    root = tmp_path_factory.mktemp("adapters")
    return {
        name: save_tiny_adapter(learner_dir, root / name, scale=0.1, seed=seed)
        for name, seed in (("approved", 1), ("other", 9))
    }


@pytest.fixture(scope="package")
def session(
    learner_dir: Path, adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """What is measured here: base and candidate in float32, their answers to ten prompts and those of safety."""
    root = tmp_path_factory.mktemp("project")
    (root / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    config = Config(root=root, tasks={"pets": TASK})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield Session(make_settings(config, model=str(learner_dir), adapter=str(adapters["approved"]), dtype="float32"))
