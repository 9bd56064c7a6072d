"""The names that lm-eval's definitions have, and their files, read without lm-eval: what is misspelt is told at collection."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.errors import TaskError, did_you_mean
from harness.json_files import keep_json, kept_json
from harness.paths import cache_dir

# A key and what it names: a text, a list in one line, or one of lines. More names than there are do no harm: lm-eval finds
# out. It has 14,000 files, and parsing them takes half a minute.
_NAMING = re.compile(
    rb"""^[ -]*["']?(?:task|group|tag|class_name)["']?[ ]*:[ ]*([^\n]*)((?:\n(?:[ \t]*[-#][^\n]*|[ \t\r]*))*)""",
    re.MULTILINE,
)
_NAME = re.compile(rb"""[^\s"'\[\],#-][^\s"'\[\],#]*""")


def stock_names() -> Collection[str]:
    """Names of lm-eval's own tasks, groups and tags, and perhaps of more; kept in the cache directory."""
    return stock_files().keys()


def stock_files() -> Mapping[str, Sequence[str]]:
    """The same, each with the files that name it, below `stock_root`."""
    return _read_files(cache_dir() / f"lm-eval-{version('lm_eval')}-files.json")


def stock_root() -> Path:
    """Where lm-eval's own definitions are."""
    package = find_spec("lm_eval")
    [root] = (package and package.submodule_search_locations) or [""]
    return Path(root) / "tasks"


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
    if include_path is not None and definition in files_below(include_path):
        return
    if definition not in stock_names():
        remedy = f"{did_you_mean(definition, sorted(stock_names()))}`lm_eval ls tasks` lists the names"
        raise TaskError(f"task {task!r}: lm-eval knows no task, group or tag {definition!r}", remedy)


@lru_cache(maxsize=1)
def _read_files(stored: Path) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] | None = kept_json(stored)
    if found is None:
        found = _stock_files()
        keep_json(stored, found)
    return found


@lru_cache(maxsize=1)
def _stock_files() -> Mapping[str, Sequence[str]]:
    return files_below(stock_root())


def files_below(root: Path) -> Mapping[str, Sequence[str]]:
    """Name -> the files that name it; those without an ending are what others include."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for directory, _, files in os.walk(root):
        for file in files:
            if "yaml" in file or "yml" in file or "." not in file:
                path = Path(directory) / file
                for value, lines in _NAMING.findall(path.read_bytes()):
                    for name in _NAME.findall(value + lines):
                        found[name.decode(errors="replace")].add(path.relative_to(root).as_posix())
    return {name: sorted(files) for name, files in found.items()}
