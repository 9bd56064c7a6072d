"""The user's configuration: `assay.yaml`, or `[tool.assay]` in pyproject.toml. Imports nothing heavy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.config.checks import check_keys, check_type, mapping, read_section, read_task_sections
from harness.config.profiles import BUILT_IN_PROFILES, Inconclusive, Profile, read_profiles
from harness.config.sections import (
    AUTO,
    DataRules,
    Forgetting,
    Integrity,
    Judging,
    Margins,
    OverfittingRules,
    Safety,
    Serving,
    TrainingRules,
)
from harness.errors import ConfigError
from harness.yaml_text import parse_yaml

__all__ = [
    "AUTO",
    "BUILT_IN_PROFILES",
    "FILE_NAME",
    "Config",
    "DataRules",
    "Forgetting",
    "Inconclusive",
    "Integrity",
    "Judging",
    "Margins",
    "OverfittingRules",
    "Profile",
    "Safety",
    "Serving",
    "TrainingRules",
    "find_config",
    "load_config",
]

FILE_NAME = "assay.yaml"


@dataclass(frozen=True)
class Config:
    """What the file says.

    Attributes:
        root: directory of the file; relative paths in it start here.
        data_dir: local copies of benchmarks.
        store: where baselines are kept, a directory or URL; None keeps them with the runs.
        tasks: name -> specification, validated when the task is built.
        task_margins, task_overfitting: task -> the section, with what its `tasks:` changes for that task.
    """

    root: Path
    model: str | None = None
    recipe: str | None = None
    profile: str | None = None
    data_dir: Path | None = None
    store: str | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    margins: Margins = field(default_factory=Margins)
    task_margins: Mapping[str, Margins] = field(default_factory=dict)
    integrity: Integrity = field(default_factory=Integrity)
    training: TrainingRules = field(default_factory=TrainingRules)
    overfitting: OverfittingRules = field(default_factory=OverfittingRules)
    task_overfitting: Mapping[str, OverfittingRules] = field(default_factory=dict)
    serving: Serving = field(default_factory=Serving)
    data: DataRules = field(default_factory=DataRules)
    forgetting: Forgetting = field(default_factory=Forgetting)
    safety: Safety = field(default_factory=Safety)
    judge: Judging = field(default_factory=Judging)
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def model_spec(self, text: str) -> str:
        """A model named in this file or a recipe, wherever pytest is started: a directory beside it by its full path."""
        beside = self.root / text
        return str(beside) if beside.is_dir() else text

    def margins_of(self, task: str) -> Margins:
        """The limits of the gates on that task: those of `margins:`, and what `margins.tasks` changes of them."""
        return self.task_margins.get(task, self.margins)

    def overfitting_of(self, task: str) -> OverfittingRules:
        """The limits of what answers to that task may have become, likewise."""
        return self.task_overfitting.get(task, self.overfitting)

    def get_profile(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.profiles:
            raise ConfigError(f"--profile={name} is unknown", f"choose one of: {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


def find_config(explicit: str | None, places: Sequence[Path]) -> Config:
    """The configuration named by the user, or the first found in `places` or above them; else an empty one.

    Raises:
        ConfigError: the named file does not exist, or a file is malformed.
    """
    if explicit is not None:
        path = Path(explicit)
        if not path.is_file():
            raise ConfigError(f"--assay-config={explicit}: no such file", "give the path of an assay.yaml")
        return load_config(path)
    for place in places:
        for directory in (place, *place.parents):
            if (directory / FILE_NAME).is_file():
                return load_config(directory / FILE_NAME)
            project = directory / "pyproject.toml"
            if project.is_file() and "assay" in _read(project):
                return load_config(project)
    return Config(root=places[0], profiles=BUILT_IN_PROFILES)


def load_config(path: Path) -> Config:
    """Read and validate one file.

    Raises:
        ConfigError: unknown key, wrong type, or not YAML; the message names file and key.
    """
    document = _read(path)
    where = str(path)
    if path.suffix == ".toml":
        if "assay" not in document:
            raise ConfigError(f"{path} has no [tool.assay] table", f"add one, or write {FILE_NAME}")
        document = mapping(document["assay"], f"{path}: tool.assay")
    known = {f.name for f in fields(Config)} - {"root", "task_margins", "task_overfitting"}
    check_keys(document, known, where)
    for key in ("model", "recipe", "profile", "data_dir", "store"):
        check_type(document.get(key), str, f"{where}: {key}")
    tasks = {
        str(name): mapping(spec, f"{where}: tasks.{name}")
        for name, spec in mapping(document.get("tasks"), f"{where}: tasks").items()
    }
    root = path.resolve().parent
    margins, task_margins = read_task_sections(Margins, document.get("margins"), f"{where}: margins")
    overfitting, task_overfitting = read_task_sections(
        OverfittingRules, document.get("overfitting"), f"{where}: overfitting"
    )
    return Config(
        root=root,
        model=document.get("model"),
        recipe=document.get("recipe"),
        profile=document.get("profile"),
        data_dir=root / document["data_dir"] if document.get("data_dir") else None,
        store=document.get("store"),
        tasks=tasks,
        margins=margins,
        task_margins=task_margins,
        integrity=read_section(Integrity, document.get("integrity"), f"{where}: integrity"),
        training=read_section(TrainingRules, document.get("training"), f"{where}: training"),
        overfitting=overfitting,
        task_overfitting=task_overfitting,
        serving=read_section(Serving, document.get("serving"), f"{where}: serving"),
        data=read_section(DataRules, document.get("data"), f"{where}: data"),
        forgetting=read_section(Forgetting, document.get("forgetting"), f"{where}: forgetting"),
        safety=read_section(Safety, document.get("safety"), f"{where}: safety"),
        judge=read_section(Judging, document.get("judge"), f"{where}: judge"),
        profiles=read_profiles(document.get("profiles"), f"{where}: profiles"),
    )


def _read(path: Path) -> dict[str, Any]:
    """The file's mapping; of a pyproject.toml its `tool` table."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text).get("tool", {}) if path.suffix == ".toml" else None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be parsed: {exc}", "fix the syntax at the place named") from exc
    if document is None:
        document = parse_yaml(text, str(path), ConfigError)
    return mapping(document, str(path))
