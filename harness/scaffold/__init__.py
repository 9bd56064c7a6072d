"""What comes with the package and is copied into projects: suites, fixtures, the commented assay.yaml, a CI workflow."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import ConfigError

_HERE = Path(__file__).resolve().parent
WORKFLOW = Path(".github") / "workflows" / "assay.yml"


def write_scaffold(directory: Path) -> list[Path]:
    """Copy all of them into `directory`, as `assay init --full` does.

    Returns:
        What was written, files and directories.

    Raises:
        ConfigError: one of them exists already; nothing is written then.
    """
    sources = {Path(name): shipped(name) for name in ("suites", "fixtures", "assay.yaml")}
    sources[WORKFLOW] = _HERE / "workflow.yml"
    taken = [str(directory / name) for name in sources if (directory / name).exists()]
    if taken:
        raise ConfigError(f"{', '.join(taken)} would be overwritten", "run `assay init --full` in another directory")
    written = [directory / name for name in sources]
    for target, source in zip(written, sources.values(), strict=True):
        copy_new(source, target)
    return written


def copy_new(source: Path, target: Path) -> None:
    """Copy a file or directory to a place that must not exist.

    Raises:
        ConfigError: it does, or cannot be written to.
    """
    check_new(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    except OSError as exc:
        raise ConfigError(f"{target} cannot be written: {exc}", "give a directory that may be written to") from exc


def write_new(target: Path, content: str) -> None:
    """Write a file that must not exist.

    Raises:
        ConfigError: it does, or cannot be written to.
    """
    check_new(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{target} cannot be written: {exc}", "give a directory that may be written to") from exc


def check_new(target: Path) -> None:
    """Refuse a place that is taken.

    Raises:
        ConfigError: it exists.
    """
    if target.exists():
        raise ConfigError(f"{target} exists already", "give a directory that does not exist yet")


def shipped(name: str) -> Path:
    """Where a file or directory that comes with the package lies.

    In an installed wheel the files lie beside this module, in a source checkout at its top.
    """
    return next(path for path in (_HERE / name, _HERE.parents[1] / name) if path.exists())
