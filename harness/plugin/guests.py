"""Beside other people's plugins, options and fixtures."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from harness.errors import ConfigError
from harness.plugin.options import TAKEN

_APART = (
    "it runs each test in a process or thread apart, where models are loaded anew and what is measured is lost",
    "run without it, or in parallel by pytest-xdist: -n 2",
)
_UNFIT: Mapping[str, tuple[str, str, str]] = {
    "forked": ("--forked of pytest-forked", *_APART),
    "workers": ("--workers of pytest-parallel", *_APART),
    "tests_per_worker": ("--tests-per-worker of pytest-parallel", *_APART),
}
"""Options of other plugins under which no gate can be measured: name -> how it is given, why not, and what to do."""


def check_other_plugins(config: pytest.Config) -> None:
    """Refuse what gates can not be measured under.

    Raises:
        ConfigError: such an option is given.
    """
    for name, (option, why, remedy) in _UNFIT.items():
        if config.getoption(name, None):
            raise ConfigError(f"{option} does not go with gates: {why}", remedy)


def clashes(config: pytest.Config, items: Sequence[pytest.Item]) -> Sequence[str]:
    """What a project calls by a name of the suites, where tests that gate may meet it."""
    return [*_options(config), *_fixtures(items)]


def _options(config: pytest.Config) -> Iterator[str]:
    given = {argument.partition("=")[0] for argument in config.invocation_params.args}
    for short, alias in config.stash.get(TAKEN, {}).items():
        if short in given:
            yield f"{short} is an option of this project here: it tells the gates nothing; say {alias} to them"


def _fixtures(items: Sequence[pytest.Item]) -> Iterator[str]:
    package = f"{__package__}."
    told = set()
    for item in items:
        found = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
        for name, definitions in found.items():
            ours = [one.func.__module__.startswith(package) for one in definitions]
            if any(ours) and not all(ours) and name not in told:
                told.add(name)
                place = _place(next(one.func for one, own in zip(definitions, ours, strict=True) if not own))
                if ours[-1]:
                    yield f"the fixture {name!r} is the one of adapter-assay, and {place} has another: rename it"
                else:
                    yield (
                        f"the fixture {name!r} of {place} stands in for the one of adapter-assay; if that is not meant, "
                        "rename it, or keep the suites in a directory of their own"
                    )


def _place(function: Callable[..., object]) -> str:
    """Where it is defined, as far as it says."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{os.path.relpath(code.co_filename)}:{code.co_firstlineno}" if code is not None else function.__module__
