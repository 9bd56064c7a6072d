"""Command-line options, their `--assay-...` aliases and ini twins, made from the fields of `Options`.

The aliases are there in every session. The short names are common words that other plugins and people's conftest.py want
as well: they are added once all of those are loaded, where they are still free.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.config.options import Options, PlainOptions, choices
from harness.errors import ConfigError, empty_value

if TYPE_CHECKING:
    from harness.config.settings import Settings

# --config is too common a word to take, and --strict is pytest's: it asks for all strictness there is
_ALIAS_ONLY = ("config", "strict")
TAKEN: pytest.StashKey[Mapping[str, str]] = pytest.StashKey()
"""Short names that are another's in this session -> what to say in their place."""

_GROUP = ("assay", "adapter-assay: may this adapter be released?")


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
    def short(self) -> str | None:
        """The name that it has where no other plugin takes it."""
        return None if self.name in _ALIAS_ONLY else f"--{self.name}"

    @property
    def names(self) -> list[str]:
        """All names on the command line, the alias last."""
        return [name for name in (self.short, self.alias) if name is not None]

    @property
    def arguments(self) -> dict[str, Any]:
        """How argparse is to take it."""
        if self.flag:
            return {"dest": self.dest, "default": None, "action": "store_true"}
        return {"dest": self.dest, "default": None, "metavar": self.metavar, "choices": self.choices}


def _options() -> tuple[Option, ...]:
    plain = fields(PlainOptions)
    # those that say what to measure stand first in --help
    resolved = [field for field in fields(Options) if field.name not in {one.name for one in plain}]
    return tuple(
        Option(
            field.name.replace("_", "-"),
            help=field.metadata["help"],
            metavar=field.metadata["metavar"],
            choices=choices().get(field.name),
            flag=field.default is False,
        )
        for field in (*resolved, *plain)
    )


OPTIONS = _options()


def add_options(parser: pytest.Parser) -> None:
    """Register the options by their aliases, and their ini twins."""
    group = parser.getgroup(*_GROUP)
    for option in OPTIONS:
        group.addoption(option.alias, help=option.help, **option.arguments)
        kind: type = bool if option.flag else str
        parser.addini(option.dest, f"default of {option.alias}: {option.help}", type=kind, default=None)


def add_short_names(parser: pytest.Parser, config: pytest.Config) -> None:
    """Register the short names that no plugin and no conftest.py has taken, and note which those have."""
    group = parser.getgroup(*_GROUP)
    taken = {name for one in parser._groups for option in one.options for name in option.names()}
    for option in OPTIONS:
        if option.short is not None and option.short not in taken:
            group.addoption(option.short, help=f"short for {option.alias}", **option.arguments)
    config.stash[TAKEN] = {
        option.short: option.alias for option in OPTIONS if option.short is not None and option.short in taken
    }


def find_conftests(early_config: pytest.Config, parser: pytest.Parser, arguments: Sequence[str]) -> None:
    """Let pytest look for conftest.py where the arguments say, before it knows the short names: the value in
    `--model smollm2-135m` is no place to look."""
    by_short = {option.short: option for option in OPTIONS if option.short is not None}
    spelt_out = [
        f"{by_short[name].alias}{equals}{value}" if name in by_short else argument
        for argument in arguments
        for name, equals, value in [argument.partition("=")]
    ]
    try:
        known = parser.parse_known_args(spelt_out, namespace=copy.copy(early_config.option))
    except pytest.UsageError:  # told when the arguments are parsed for good
        return
    early_config.known_args_namespace.file_or_dir = known.file_or_dir


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this pytest session: command line, then ini file, then assay.yaml, then defaults.

    Raises:
        ConfigError: a value is unknown or the configuration file is malformed.
    """
    from harness.config import find_config
    from harness.config.settings import make_settings

    for option in OPTIONS:
        if config.getoption(option.dest) in ("", []):  # argparse makes a list of nothing of `--`
            raise empty_value(f"--{option.name}")
    values = {option.dest.removeprefix("assay_"): _value(config, option.dest) for option in OPTIONS}
    named = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    beside_tests = [*(path for path in named if path.is_dir()), *(path.parent for path in named)]
    found = find_config(values.pop("config"), [*beside_tests, Path.cwd(), config.rootpath])
    values["strict"] = values["strict"] or bool(config.getini("strict"))
    return make_settings(found, **values)


def _value(config: pytest.Config, dest: str) -> Any:
    try:
        configured = config.getini(dest)
    except pytest.UsageError as exc:  # of a flag in the ini file
        raise ConfigError(f"{dest}: {exc}", "choose true or false") from exc
    if isinstance(configured, str) and not configured.strip():
        raise empty_value(f"{dest} in {config.inipath}")
    return config.getoption(dest) or configured or None
