"""Merging whole models by mergekit, run as a program: its own configuration, with each model it names found and checked first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError, ModelError

METHOD = "merge_method"
_PROGRAM = "mergekit-yaml"
_SEED = "0"
# Their `base_model` is one of those that are merged; that of others is what the changes are from.
_BASE_IS_MERGED = ("slerp", "nearswap", "arcee_fusion")
# What names a model where it is a text.
_KEYS = ("model", "base_model")


@dataclass(frozen=True)
class Reference:
    """A model as mergekit's configuration names it, perhaps with an adapter on it (`MODEL+ADAPTER`)."""

    text: str

    @property
    def model(self) -> str:
        """Directory or hub id."""
        return self.text.partition("+")[0]

    @property
    def adapter(self) -> str | None:
        """Directory or hub id of the adapter on it."""
        return self.text.partition("+")[2] or None


def references(document: Mapping[str, Any], place: str) -> Sequence[Reference]:
    """The models that a configuration names, each once.

    Raises:
        ConfigError: it names none, or one otherwise than by a text; or its method takes no base.
    """
    found = dict.fromkeys(_named(document, place))
    if not found:
        raise ConfigError(f"{place} names no model to merge", "list them under `models:`, as mergekit has it")
    if document.get(METHOD) == "linear" and document.get("base_model") is not None:
        raise ConfigError(
            f"{place}: merge_method linear averages its models and takes no base_model",
            "take it out, or list it under `models:`; task_arithmetic adds changes to a base",
        )
    return [Reference(text) for text in found]


def merged_ones(document: Mapping[str, Any], found: Sequence[Reference]) -> Sequence[Reference]:
    """Those whose abilities a merge is to keep: all but the model that changes are taken from."""
    base = document.get("base_model")
    if base is None or document.get(METHOD) in _BASE_IS_MERGED:
        return found
    return [one for one in found if one.text != base]


def _named(part: Any, place: str) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in _KEYS and value is not None:
                if not isinstance(value, str):
                    raise ConfigError(f"{place}: {key} is {value!r}", "name it by a text: a directory or a hub id")
                yield value
            else:
                yield from _named(value, place)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for one in part:
            yield from _named(one, place)


def find_mergekit() -> Path:
    """The program: beside this interpreter, or on PATH from an environment of its own.

    Raises:
        ConfigError: it is not installed.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(_PROGRAM, path=places)
    if found is None:
        raise ConfigError(
            f"this recipe is one of mergekit's ({METHOD}), and {_PROGRAM} is not installed",
            "pip install 'adapter-assay[mergekit]', or put one of another environment on PATH",
        )
    return Path(found)


def run_mergekit(
    document: Mapping[str, Any],
    directory_of: Callable[[Reference], Path],
    directory: Path,
    *,
    place: str,
    trust_remote_code: bool = False,
) -> Sequence[str]:
    """Merge into an empty directory.

    Args:
        directory_of: where a model lies that the configuration names, its adapter merged into it.

    Returns:
        The command.

    Raises:
        ConfigError: mergekit is not installed.
        ModelError: it failed; its last words are in the message.
    """
    program = find_mergekit()
    found = {one.text: str(directory_of(one).resolve()) for one in references(document, place)}
    config = directory.parent / "mergekit.yaml"
    config.write_text(yaml.safe_dump(_with_paths(document, found)), encoding="utf-8")
    command = [_PROGRAM, config.name, directory.name, "--random-seed", _SEED, "--no-write-model-card", "--quiet"]
    command += ["--trust-remote-code"] if trust_remote_code else []
    done = subprocess.run(
        [str(program), *command[1:]],
        cwd=directory.parent,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        raise ModelError(
            f"{place}: mergekit could not merge: {last.strip()}",
            "correct the recipe, which is mergekit's own configuration; all models need one architecture and one size",
        )
    # that which it wrote names directories that are gone by now
    (directory / "mergekit_config.yml").write_text(yaml.safe_dump(dict(document)), encoding="utf-8")
    return command


def mergekit_version(program: Path) -> str:
    """The version of a mergekit, which may lie in an environment of its own."""
    python = program.with_name("python")
    asked = [str(python), "-c", "import importlib.metadata as m; print(m.version('mergekit'))"]
    if not python.is_file():
        return "unknown"
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _with_paths(part: Any, found: Mapping[str, str]) -> Any:
    """The configuration with directories in the place of names, wherever one stands (a tokenizer's source is one too)."""
    if isinstance(part, Mapping):
        return {key: _with_paths(value, found) for key, value in part.items()}
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_with_paths(one, found) for one in part]
    return found.get(part, part) if isinstance(part, str) else part
