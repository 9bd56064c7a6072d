"""What `--model` and `--adapter` may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ConfigError

EMBEDDED_NAME = "smollm2-135m"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class ModelSpec:
    """`value` is the embedded model's name, an absolute path, or a hub id, by `kind`."""

    kind: Literal["embedded", "local", "hub"]
    value: str


@dataclass(frozen=True)
class AdapterSpec:
    """`value` is an absolute path, a hub id, or a recipe's name or path, by `kind`."""

    kind: Literal["local", "hub", "recipe"]
    value: str


def parse_model_spec(text: str) -> ModelSpec:
    """Read a `--model` value.

    Raises:
        ConfigError: it is neither the embedded model, an existing directory, nor shaped like a hub id.
    """
    if text == EMBEDDED_NAME:
        return ModelSpec("embedded", text)
    kind, value = _directory_or_hub(text, option="--model", also=f"`{EMBEDDED_NAME}`, ")
    return ModelSpec(kind, value)


def parse_adapter_spec(text: str) -> AdapterSpec:
    """Read an `--adapter` value.

    Raises:
        ConfigError: it is neither `recipe:NAME`, an existing directory, nor shaped like a hub id.
    """
    if text.startswith("recipe:"):
        name = text.removeprefix("recipe:")
        if not name:
            raise ConfigError("--adapter=recipe: names no recipe", "write recipe:NAME, for example recipe:tool-calls-qlora")
        return AdapterSpec("recipe", name)
    kind, value = _directory_or_hub(text, option="--adapter", also="`recipe:NAME`, ")
    return AdapterSpec(kind, value)


def _directory_or_hub(text: str, *, option: str, also: str) -> tuple[Literal["local", "hub"], str]:
    path = Path(text).expanduser()
    if path.is_dir():
        return "local", str(path.resolve())
    if path.exists():
        raise ConfigError(f"{option}={text} is a file", "name the directory that holds it")
    if text.startswith(("/", ".", "~")) or text.count("/") > 1 or not _HUB_ID.fullmatch(text):
        raise ConfigError(f"{option}={text}: no such directory", f"use {also}a local directory or a hub id (owner/name)")
    return "hub", text
