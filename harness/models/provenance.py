"""What was made of weights here, and the record beside it: of what, how, by which versions, and the digest of each file."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__
from harness.digests import digest_file
from harness.errors import ConfigError

_PACKAGES = ("torch", "transformers", "peft", "safetensors")


@contextlib.contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """An empty directory to fill. Once that is done it becomes `output`; where it fails nothing is left behind.

    Raises:
        ConfigError: `output` exists.
    """
    refuse_existing(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        yield made
        refuse_existing(output)  # an empty directory that came up meanwhile would be replaced
        made.rename(output)


def refuse_existing(output: Path) -> None:
    """Raise a ConfigError where a directory that is to be made is there."""
    if output.exists():
        raise ConfigError(f"{output} exists already", "give a directory that does not exist yet")


def write_record(
    directory: Path,
    name: str,
    facts: Mapping[str, Any],
    *,
    packages: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write what is known of the files in a directory beside them.

    Args:
        name: of the record.
        packages: further ones that made them, where they are installed; `versions` are those of other programs.
    """
    installed = {one: found for one in (*_PACKAGES, *packages) if (found := _version(one)) is not None}
    document = {
        "schema": 1,
        "made_by": f"adapter-assay {__version__}",
        **facts,
        "versions": {**installed, **(versions or {})},
        "files": {path.name: digest_file(path) for path in sorted(directory.iterdir()) if path.is_file()},
    }
    (directory / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
