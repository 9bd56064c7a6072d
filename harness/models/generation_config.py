"""The rules beside a model's weights by which `generate`, and servers that read the same file, choose among its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.config.decoding import acting
from harness.errors import ModelError
from harness.json_files import read_json_object

GENERATION_CONFIG = "generation_config.json"
_OF_TEXT = ("decoder", "generator", "text_config")


def rules_file(directory: Path) -> Path:
    """The file that the rules stand in: where there is no generation_config.json, transformers reads those of config.json."""
    own = directory / GENERATION_CONFIG
    return own if own.is_file() else directory / "config.json"


def decoding_rules(directory: Path) -> Mapping[str, Any]:
    """What the file in a directory has that changes greedy answers; nothing where there is none.

    Raises:
        ModelError: it cannot be read.
    """
    path = rules_file(directory)
    said = read_json_object(path, ModelError, "restore the file from its source") if path.is_file() else {}
    of_text: Mapping[str, Any] = next((said[part] for part in _OF_TEXT if isinstance(said.get(part), dict)), {})
    return {**acting(of_text if path.name != GENERATION_CONFIG else {}), **acting(said)}
