"""Command-line options, their `--assay-...` aliases and ini twins."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.config import find_config
from harness.settings import Settings, make_settings


@dataclass(frozen=True)
class Option:
    """One option: `--NAME`, `--assay-NAME` and the ini key `assay_NAME`."""

    name: str
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    flag: bool = False

    @property
    def dest(self) -> str:
        """Where pytest keeps the value."""
        return "assay_" + self.name.replace("-", "_")


OPTIONS = (
    Option("model", "base model: smollm2-135m, a local directory or a hub id", "BASE"),
    Option("adapter", "adapter under test: a local directory, a hub id or recipe:NAME", "ADAPTER"),
    Option("profile", "sizes and strictness: smoke, release, or one of assay.yaml", "NAME"),
    Option("dtype", "precision (auto: bfloat16 where the hardware has it)", choices=("auto", "float32", "bfloat16", "float16")),
    Option("quantization", "quantization of the base while measuring", choices=("none", "nf4", "int8")),
    Option("device", "auto, cpu, cuda, cuda:N or mps", "DEVICE"),
    Option("inconclusive", "what an inconclusive gate does to its test (default: as the profile says)", choices=("fail", "warn")),
    Option("reports-dir", "where run directories are written (default: reports/ beside assay.yaml)", "DIR"),
    Option("data-dir", "local copies of benchmarks: mmlu/, gsm8k/ ... (default: $ASSAY_DATA_DIR, else the hub)", "DIR"),
    Option("sequential", "ask large benchmarks in random order and stop as soon as a gate is decided", flag=True),
    Option("tasks", "further tasks that must not get worse: names of assay.yaml or lm-eval, separated by commas", "A,B"),
    Option("chat-template", "put lm-eval's tasks as conversations, each few-shot example a turn", flag=True),
    Option("baseline", "released adapter to hold the candidate against too: a baseline's name, a run id, a path or a URL", "RUN"),
    Option("baseline-store", "where baselines are kept: a directory or a URL like s3://... (default: with the runs)", "STORE"),
    Option("strict", "fail where a gate of the baseline is missing from this run, as --strict asks too", flag=True),
    Option("judge", "model that judges open answers: openai:NAME@URL, a directory, a hub id or smollm2-135m", "JUDGE"),
    Option("judge-budget", "most to spend on new judgements: tokens, or 5USD where `judge:` has prices; a hard stop", "N"),
    Option("keep-going", "measure on where the integrity suite has failed, in place of skipping what costs more", flag=True),
    Option("config", "configuration file (default: the nearest assay.yaml)", "FILE"),
    Option("trust-remote-code", "run Python code out of the model's repository", flag=True),
)  # fmt: skip


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
        # --config is too common a word to take, and --strict is pytest's: it asks for all strictness there is
        names = [alias] if option.name in ("config", "strict") else [short, alias]
        try:
            group.addoption(*names, **arguments)
        except (ValueError, argparse.ArgumentError):
            group.addoption(alias, **arguments)
        parser.addini(option.dest, f"default of {alias}: {option.help}", default=None)


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this pytest session: command line, then ini file, then assay.yaml, then defaults.

    Raises:
        ConfigError: a value is unknown or the configuration file is malformed.
    """
    values: dict[str, Any] = {option.dest.removeprefix("assay_"): _value(config, option) for option in OPTIONS}
    named = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    beside_tests = [*(path for path in named if path.is_dir()), *(path.parent for path in named)]
    places = [*beside_tests, Path.cwd(), config.rootpath]
    found = find_config(values.pop("config"), places)
    values["strict"] |= bool(config.getini("strict"))
    return make_settings(found, **values)


def _value(config: pytest.Config, option: Option) -> str | bool | None:
    given = config.getoption(option.dest) or config.getini(option.dest) or None
    if option.flag:
        return str(given) in ("True", "true", "1", "yes")
    return None if given is None else str(given)
