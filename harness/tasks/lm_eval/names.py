"""The names that lm-eval's definitions have, read without lm-eval: what is misspelt is told at pytest collection."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.errors import TaskError, did_you_mean
from harness.paths import cache_dir, write_atomic

# A key and what it names: a text, a list in one line, or one of lines. More names than there are do no harm: lm-eval finds
# out. It has 14,000 files, and parsing them takes half a minute.
_NAMING = re.compile(
    rb"""^[ -]*["']?(?:task|group|tag|class_name)["']?[ ]*:[ ]*([^\n]*)((?:\n(?:[ \t]*[-#][^\n]*|[ \t\r]*))*)""",
    re.MULTILINE,
)
_NAME = re.compile(rb"""[^\s"'\[\],#-][^\s"'\[\],#]*""")


def stock_names() -> Collection[str]:
    """Names of lm-eval's own tasks, groups and tags, and perhaps of more; kept in the cache directory."""
    return _read_names(cache_dir() / f"lm-eval-{version('lm_eval')}-names.json")


def check_definition(task: str, definition: str, include_path: Path | None) -> None:
    """Refuse what no file defines.

    Raises:
        TaskError: there is no such YAML file, directory or name.
    """
    if definition.endswith((".yaml", ".yml")):
        if not Path(definition).is_file():
            raise TaskError(f"task {task!r}: no task definition in {definition}", "give the path of a YAML file")
        return
    if include_path is not None and not include_path.is_dir():
        raise TaskError(
            f"task {task!r}: no such directory of task definitions: {include_path}", "give a directory of YAML files"
        )
    if include_path is not None and definition in _names_below(include_path):
        return
    if definition not in stock_names():
        remedy = f"{did_you_mean(definition, sorted(stock_names()))}`lm_eval ls tasks` lists the names"
        raise TaskError(f"task {task!r}: lm-eval knows no task, group or tag {definition!r}", remedy)


@lru_cache(maxsize=1)
def _read_names(stored: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(stored.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        package = find_spec("lm_eval")
        [root] = (package and package.submodule_search_locations) or [""]
        names = _names_below(Path(root) / "tasks")
        write_atomic(stored, json.dumps(sorted(names)))
        return names


def _names_below(root: Path) -> frozenset[str]:
    """Files without an ending are what others include."""
    names: set[bytes] = set()
    for directory, _, files in os.walk(root):
        for file in files:
            if "yaml" in file or "yml" in file or "." not in file:
                for value, lines in _NAMING.findall((Path(directory) / file).read_bytes()):
                    names.update(_NAME.findall(value + lines))
    return frozenset(name.decode(errors="replace") for name in names)
