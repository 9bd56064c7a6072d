"""Command-line options, their `--assay-...` aliases and ini twins, made from the fields of `Options`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.config import find_config
from harness.config.options import Metavar, Options, PlainOptions
from harness.config.settings import Settings, make_settings
from harness.errors import ConfigError

# --config is too common a word to take, and --strict is pytest's: it asks for all strictness there is
_ALIAS_ONLY = ("config", "strict")


@dataclass(frozen=True)
class Option:
    """One option: `--NAME`, `--assay-NAME` and the ini key `assay_NAME`."""

    name: str
    help: str
    metavar: str | None
    choices: tuple[str, ...] | None
    flag: bool

    @property
    def dest(self) -> str:
        """Where pytest keeps the value, and its key in the ini file."""
        return "assay_" + self.name.replace("-", "_")

    @property
    def alias(self) -> str:
        """The name that no other plugin takes."""
        return f"--assay-{self.name}"

    @property
    def names(self) -> list[str]:
        """All names on the command line, the alias last."""
        return [self.alias] if self.name in _ALIAS_ONLY else [f"--{self.name}", self.alias]


def _options() -> tuple[Option, ...]:
    schema = Options.model_json_schema()["properties"]
    plain = PlainOptions.model_fields
    # those that say what to measure stand first in --help
    fields = {**{name: field for name, field in Options.model_fields.items() if name not in plain}, **plain}
    return tuple(
        Option(
            name.replace("_", "-"),
            help=schema[name]["description"],
            metavar=next((one.name for one in field.metadata if isinstance(one, Metavar)), None),
            choices=tuple(schema[name]["enum"]) if "enum" in schema[name] else None,
            flag=schema[name].get("type") == "boolean",
        )
        for name, field in fields.items()
    )


OPTIONS = _options()


def add_options(parser: pytest.Parser) -> None:
    """Register the options. A short name another plugin has taken keeps its alias only."""
    group = parser.getgroup("assay", "adapter-assay: may this adapter be released?")
    for option in OPTIONS:
        arguments: dict[str, object] = {"dest": option.dest, "default": None, "help": option.help}
        if option.flag:
            arguments["action"] = "store_true"
        else:
            arguments |= {"metavar": option.metavar, "choices": option.choices}
        try:
            group.addoption(*option.names, **arguments)
        except (ValueError, argparse.ArgumentError):
            group.addoption(option.alias, **arguments)
        kind: type = bool if option.flag else str
        parser.addini(option.dest, f"default of {option.alias}: {option.help}", type=kind, default=None)


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this pytest session: command line, then ini file, then assay.yaml, then defaults.

    Raises:
        ConfigError: a value is unknown or the configuration file is malformed.
    """
    values = {option.dest.removeprefix("assay_"): _value(config, option.dest) for option in OPTIONS}
    named = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    beside_tests = [*(path for path in named if path.is_dir()), *(path.parent for path in named)]
    found = find_config(values.pop("config"), [*beside_tests, Path.cwd(), config.rootpath])
    values["strict"] = values["strict"] or bool(config.getini("strict"))
    return make_settings(found, **values)


def _value(config: pytest.Config, dest: str) -> Any:
    try:
        return config.getoption(dest) or config.getini(dest) or None
    except pytest.UsageError as exc:  # of a flag in the ini file
        raise ConfigError(f"{dest}: {exc}", "choose true or false") from exc
