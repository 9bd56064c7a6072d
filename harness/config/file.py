"""The user's configuration: `assay.yaml`, or `[tool.assay]` in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, Strict, model_validator

from harness.config.base import Named, Section, TemplateArgs, Text, Tokens
from harness.config.candidate import Candidate, beside
from harness.config.checking import check, location
from harness.config.data_thresholds import DataThresholds
from harness.config.overfitting_thresholds import OverfittingThresholds
from harness.config.policy import WaiverEntry, check_waivers
from harness.config.profiles import BUILT_IN_PROFILES, Profile, ProfileSizes, all_profiles
from harness.config.sections import AUTO, Forgetting, Integrity, Judging, Safety, Serving
from harness.config.thresholds import Thresholds
from harness.config.training_thresholds import TrainingThresholds
from harness.config.yaml_text import read_yaml
from harness.errors import ConfigError
from harness.paths import read_text_file
from harness.records import Severity

FILE_NAME = "assay.yaml"


class ConfigFile(Section):
    """What is gated, and how strictly. Relative paths start at the file."""

    model: Text | None = None
    """base model, as `--model` takes it"""
    candidate: Text | Candidate | None = None
    """what is on trial where no option names it: as `--candidate` takes it, or its parts"""
    shipped: Text | Candidate | None = None
    """what ships of it, as `--shipped` takes it, or its parts; null is that of `serving: merged:`, if any"""
    template: Text | None = None
    """chat template of the candidate, as `--template` takes it: base, adapter or a file. A base without one is asked by it too"""
    template_args: TemplateArgs = Field(default={})
    """further arguments of the chat templates of both, such as enable_thinking"""
    system_prompt: Text | None = None
    """put before every conversation that brings no system prompt, to base and candidate alike"""
    reasoning: Text = AUTO
    """how thoughts are told from answers, as `--reasoning` takes it: auto, none, or what stands around them, OPEN,CLOSE"""
    reasoning_tokens: Tokens = 2048
    """tokens that a thought may take, beside those of the answer"""
    recipe: Text | None = None
    """trained when no candidate is named: NAME of fixtures/recipes/NAME.yaml, or the path of a recipe"""
    profile: Text | None = None
    """taken without --profile; null takes smoke"""
    data_dir: Text | None = None
    """directory with local copies of benchmarks"""
    store: Text | None = None
    """where baselines are kept, a directory or a URL; null keeps them with the runs"""
    tasks: Named[Named[Any]] = Field(default={})
    """task -> its kind, data and gates; checked by the kind when the task is built"""
    margins: Thresholds = Field(default_factory=Thresholds)
    """limits of the gates that are not a task's own"""
    severities: Named[Severity] = Field(default={})
    """gate, or pattern with *, -> what it means where it does not pass: `critical` blocks, `supporting` blocks unless waived,
    `advisory` is told and never blocks. Gates of the integrity suite are critical, all others supporting"""
    waivers: Annotated[tuple[WaiverEntry, ...], Strict(False)] = ()
    """failures that somebody answers for, until a day"""
    required: Annotated[tuple[Text, ...], Strict(False)] = ()
    """gates, or patterns with *, without which no run passes: deselected, skipped or removed, they fail it"""
    integrity: Integrity = Field(default_factory=Integrity)
    """what the integrity suite lets be"""
    training: TrainingThresholds = Field(default_factory=TrainingThresholds)
    """what a training log may show"""
    overfitting: OverfittingThresholds = Field(default_factory=OverfittingThresholds)
    """what training rows may have done to answers"""
    serving: Serving = Field(default_factory=Serving)
    """how the candidate will be served"""
    data: DataThresholds = Field(default_factory=DataThresholds)
    """what training data may hold"""
    forgetting: Forgetting = Field(default_factory=Forgetting)
    """what forgetting is measured on"""
    safety: Safety = Field(default_factory=Safety)
    """what safety is measured on, and by whom"""
    judge: Judging = Field(default_factory=Judging)
    """who judges open answers"""
    profiles: Named[ProfileSizes] = Field(default={})
    """profile -> sizes; those of smoke and release change the built-in ones"""

    @model_validator(mode="after")
    def _waivers_can_hold(self) -> ConfigFile:
        check_waivers(self.waivers, self.severities)
        return self


class Config(ConfigFile):
    """What the file says, with all profiles, and where it lies."""

    root: Path
    """directory of the file"""
    file: Path = Path(FILE_NAME)
    """the file; where there is none, the one there would be"""
    profiles: Mapping[str, Profile] = BUILT_IN_PROFILES
    """the built-in profiles and the file's"""

    def path_or_name(self, text: str) -> str:
        """A model named in this file or a recipe, wherever pytest is started: what lies beside it by its full path."""
        return beside(self.root, text)

    def margins_of(self, task: str) -> Thresholds:
        """The limits of the gates on that task: those of `margins:`, and what `margins.tasks` changes of them."""
        return self.margins.of(task)

    def overfitting_of(self, task: str) -> OverfittingThresholds:
        """The limits of what answers to that task may have become, likewise."""
        return self.overfitting.of(task)

    def get_profile(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.profiles:
            raise ConfigError(f"--profile={name} is unknown", f"choose one of: {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


def find_config(explicit: str | None, starts: Sequence[Path]) -> Config:
    """The configuration named by the user, or the first found in `starts` or above them; else an empty one.

    Raises:
        ConfigError: the named file does not exist, or a file is malformed.
    """
    if explicit is not None:
        path = Path(explicit)
        if not path.is_file():
            raise ConfigError(f"--assay-config={explicit}: no such file", "give the path of an assay.yaml")
        return load_config(path)
    for start in starts:
        for directory in (start, *start.parents):
            if (directory / FILE_NAME).is_file():
                return load_config(directory / FILE_NAME)
            project = directory / "pyproject.toml"
            if project.is_file() and "assay" in _read(project):
                return load_config(project)
    return Config(root=starts[0])


def load_config(path: Path) -> Config:
    """Read and validate one file.

    Raises:
        ConfigError: unknown key, wrong type, or not YAML; the message names file and key.
    """
    document = _read(path)
    if path.suffix == ".toml":
        if "assay" not in document:
            raise ConfigError(f"{path} has no [tool.assay] table", f"add one, or write {FILE_NAME}")
        document = document["assay"]
    said = check(ConfigFile, document, location(str(path)), ConfigError)
    given = {key: getattr(said, key) for key in said.model_fields_set}
    return Config(**{**given, "root": path.resolve().parent, "file": path, "profiles": all_profiles(said.profiles)})


def _read(path: Path) -> Any:
    """The file's document; of a pyproject.toml its `tool` table."""
    if path.suffix != ".toml":
        return read_yaml(path, ConfigError, "make it readable, or name another by --assay-config")
    try:
        return tomllib.loads(read_text_file(path, ConfigError, "make it readable")).get("tool", {})
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} cannot be parsed: {exc}", "fix the syntax at the place named") from exc
