"""Which task definitions there are: lm-eval's own, indexed once a version, and the user's."""

from __future__ import annotations

import contextlib
import difflib
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yaml import YAMLError

from harness.errors import TaskError
from harness.json_files import keep_json, kept_json
from harness.paths import cache_dir

if TYPE_CHECKING:
    from lm_eval.tasks._index import Entry

Index = dict[str, "Entry"]


def find_entry(name: str, include_path: Path | None) -> tuple[Entry, Index]:
    """A task, group or tag by its name, or a YAML file by its path, and the index that its members are found in."""
    own, entry = _own_entry(name, include_path)
    if entry is not None and _is_complete(entry.name, own):
        return entry, own
    index = {**stock_index(), **own}
    entry = entry or index.get(name)
    if entry is None:
        close = difflib.get_close_matches(name, index, n=5)
        hint = f"similar names: {', '.join(close)}" if close else "`lm_eval ls tasks` lists the names"
        raise TaskError(f"lm-eval knows no task, group or tag {name!r}", hint)
    return entry, index


def stock_index() -> Index:
    """lm-eval's own definitions by name.

    lm-eval reads 14,000 YAML files for this, several seconds; the result is kept in the cache directory.
    """
    return _read_index(cache_dir() / f"lm-eval-{version('lm_eval')}-tasks.json")


@lru_cache(maxsize=1)
def _read_index(stored: Path) -> Index:
    import lm_eval.tasks
    from lm_eval.tasks._index import Entry, Kind

    root = Path(lm_eval.tasks.__file__).parent
    rows = kept_json(stored)
    if rows is None:
        rows = _index_rows(root)
        keep_json(stored, rows)
    return {
        name: Entry(name, Kind[kind], root / path if path else None, tags=set(tags))
        for name, (kind, path, tags) in rows.items()
    }


@cache
def _index_rows(root: Path) -> dict[str, list[Any]]:
    """As `TaskIndex.build` finds them, but what 13,000 files include is read once."""
    from lm_eval.tasks._index import TaskIndex
    from lm_eval.tasks._yaml_loader import load_yaml

    @cache
    def definition(path: Path) -> dict[str, Any]:
        own: dict[str, Any] = load_yaml(path, resolve_func=False, recursive=False)
        included = own.pop("include", [])
        merged: dict[str, Any] = {}
        for one in [included] if isinstance(included, str) else included:
            merged |= {key: value for key, value in definition(path.parent / one).items() if key != "task_list"}
        return merged | own

    entries: Index = {}
    for path in sorted(root.glob("**/*.yaml"), key=Path.as_posix):
        with contextlib.suppress(Exception):  # as lm-eval does: it is left out
            TaskIndex.process_cfg(definition(path), path, entries)
    return {
        name: [e.kind.name, e.yaml_path and str(e.yaml_path.relative_to(root)), sorted(e.tags)]
        for name, e in entries.items()
    }


def _is_complete(name: str, own: Index) -> bool:
    """All members of the user's task, group or tag are the user's own."""
    entry = own.get(name)
    if entry is None:
        return False
    if entry.kind.name != "GROUP":
        return True
    members = (entry.cfg or {}).get("task") or []
    return all(_is_complete(m if isinstance(m, str) else m.get("task") or m.get("group", ""), own) for m in members)


def _own_entry(name: str, include_path: Path | None) -> tuple[Index, Entry | None]:
    from lm_eval.tasks._index import TaskIndex

    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        remedy = "give the path of a YAML file with a `task:` or a `group:`"
        try:
            entry = TaskIndex.entry_from_path(path)
        except (ValueError, YAMLError) as error:
            raise TaskError(f"{path} defines no task: {error}", remedy) from None
        if entry is None:
            raise TaskError(f"no task definition in {path}", remedy)
        return TaskIndex.build([path.resolve().parent]), entry
    if include_path is None:
        return {}, None
    if not include_path.is_dir():
        raise TaskError(f"no such directory of task definitions: {include_path}", "give a directory of YAML files")
    own = TaskIndex.build([include_path])
    return own, own.get(name)
