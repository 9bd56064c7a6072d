"""What a run left out without pytest calling it deselected: files that were never collected."""

from __future__ import annotations

import pytest


def narrowed_by(config: pytest.Config) -> list[str]:
    """The arguments that narrowed this session to a part of the suites; empty where none did.

    Those are files and tests named instead of directories, `--ignore`, `--ignore-glob`, `--lf` and `--sw`. What the
    project's own `addopts` and `testpaths` say holds for every run, and so is no part of one. `-k`, `-m` and `--deselect`
    are counted by what they deselect.
    """
    given = [
        *(_narrowing_paths(config) if config.args_source is config.ArgsSource.ARGS else ()),
        *_options(config, "--ignore", "ignore"),
        *_options(config, "--ignore-glob", "ignore_glob"),
        *(flag for flag, name in (("--lf", "lf"), ("--sw", "stepwise")) if config.getoption(name, False)),
    ]
    standing = config.getini("addopts")
    return [argument for argument in given if argument not in standing and argument.partition("=")[2] not in standing]


def _narrowing_paths(config: pytest.Config) -> list[str]:
    directory = config.invocation_params.dir
    return [path for path in config.args if "::" in path or (directory / path).is_file()]


def _options(config: pytest.Config, flag: str, name: str) -> list[str]:
    return [f"{flag}={value}" for value in config.getoption(name, None) or ()]
