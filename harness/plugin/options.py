"""Command-line options, their `--assay-...` aliases and ini twins, made from the fields of `Options`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
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
        """Where pytest keeps the value."""
        return "assay_" + self.name.replace("-", "_")


def _options() -> tuple[Option, ...]:
    schema = Options.model_json_schema()["properties"]
    # those that say what to measure stand first in --help
    names = [
        *(name for name in Options.model_fields if name not in PlainOptions.model_fields),
        *PlainOptions.model_fields,
    ]
    return tuple(_option(name, schema[name]) for name in names)


def _option(name: str, schema: Mapping[str, Any]) -> Option:
    """An option out of its part of the JSON schema."""
    choices = tuple(schema["enum"]) if "enum" in schema else None
    metavar = next((one.name for one in Options.model_fields[name].metadata if isinstance(one, Metavar)), None)
    flag = schema.get("type") == "boolean"
    return Option(name.replace("_", "-"), schema["description"], metavar, choices, flag)


OPTIONS = _options()


def add_options(parser: pytest.Parser) -> None:
    """Register the options. A short name another plugin has taken keeps its alias only."""
    group = parser.getgroup("assay", "adapter-assay: may this adapter be released?")
    for option in OPTIONS:
        short, alias = f"--{option.name}", f"--assay-{option.name}"
        arguments: dict[str, object] = {"dest": option.dest, "default": None, "help": option.help}
        if option.flag:
            arguments["action"] = "store_true"
        else:
            arguments |= {"metavar": option.metavar, "choices": option.choices}
        names = [alias] if option.name in _ALIAS_ONLY else [short, alias]
        try:
            group.addoption(*names, **arguments)
        except (ValueError, argparse.ArgumentError):
            group.addoption(alias, **arguments)
        kind: type = bool if option.flag else str
        parser.addini(option.dest, f"default of {alias}: {option.help}", type=kind, default=None)


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this pytest session: command line, then ini file, then assay.yaml, then defaults.

    Raises:
        ConfigError: a value is unknown or the configuration file is malformed.
    """
    values = {option.dest.removeprefix("assay_"): _value(config, option.dest) for option in OPTIONS}
    named = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    beside_tests = [*(path for path in named if path.is_dir()), *(path.parent for path in named)]
    places = [*beside_tests, Path.cwd(), config.rootpath]
    found = find_config(values.pop("config"), places)
    values["strict"] = values["strict"] or bool(config.getini("strict"))
    return make_settings(found, **values)


def _value(config: pytest.Config, dest: str) -> Any:
    try:
        return config.getoption(dest) or config.getini(dest) or None
    except pytest.UsageError as exc:  # of a flag in the ini file
        raise ConfigError(f"{dest}: {exc}", "choose true or false") from exc
