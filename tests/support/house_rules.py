"""The distribution that docs/extending.md builds, made of that page's own blocks and installed into a directory."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The page's code blocks of a language."""
    return [text for kind, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == language]


def modules() -> dict[str, str]:
    """File -> source, as the first line of each block names it."""
    return {text.splitlines()[0].removeprefix("# "): text for text in blocks("python")}


def configuration() -> dict[str, Any]:
    """The page's assay.yaml."""
    [text] = blocks("yaml")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def install(site: Path) -> None:
    """Lay the distribution out in `site` as an installer would: its package, and the metadata that its pyproject gives."""
    for name, source in modules().items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(source)
    project = tomllib.loads(blocks("toml")[0])["project"]
    install_metadata(site, project["name"], project["version"], project["entry-points"]["adapter_assay"])


def install_metadata(site: Path, name: str, version: str, points: dict[str, str]) -> None:
    """The metadata of a distribution with these entry points."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{key} = {value}\n" for key, value in points.items())
    (info / "entry_points.txt").write_text(f"[adapter_assay]\n{lines}")
