"""A trained adapter on disk: what it consists of, what it came from, and whether it is still whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.digests import digest_file

PROVENANCE_FILE = "provenance.json"
RECIPE_FILE = "recipe.json"
_PROVENANCE_SCHEMA = 1
_REQUIRED = frozenset({"adapter_model.safetensors", "adapter_config.json", "training_log.json", RECIPE_FILE})


def seal(directory: Path, recipe: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Write `recipe.json`, then `provenance.json` with the digest of every other file."""
    (directory / RECIPE_FILE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    document = {"schema": _PROVENANCE_SCHEMA, **provenance, "files": _digests(directory)}
    (directory / PROVENANCE_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def flaw(directory: Path) -> str | None:
    """What is wrong with a sealed adapter ("adapter_model.safetensors differs from its digest"), or None."""
    try:
        sealed = json.loads((directory / PROVENANCE_FILE).read_text(encoding="utf-8"))["files"]
        found = _digests(directory)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{PROVENANCE_FILE} cannot be read ({error})"
    if missing := sorted((_REQUIRED | set(sealed)) - set(found)):
        return f"{missing[0]} is missing"
    changed = sorted(name for name, digest in found.items() if sealed.get(name) != digest)
    return f"{changed[0]} differs from its digest" if changed else None


def _digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): digest_file(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != PROVENANCE_FILE
    }
