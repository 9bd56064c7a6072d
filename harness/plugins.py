"""Loads plugins, what ships and what other distributions bring alike, and keeps what they register by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

import pluggy

from harness import hookspecs
from harness.errors import AssayError, ConfigError, first_line, nearest

DISABLE_VARIABLE = "ASSAY_DISABLE_PLUGINS"
"""Set to anything but 0, it leaves the plugins of other distributions out."""

_SHIPPED_BY = "adapter-assay"
_SHIPPED = "harness.shipped"


class Named(Protocol):
    """Something that is asked for by its name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Everything that plugins register by one hook; they are loaded when it is first looked at.

    Args:
        hook: of `harness.hookspecs`.
        noun: what one entry is called in messages.
        error: raised for a name that is not there.
    """

    def __init__(self, hook: str, noun: str, error: type[AssayError] = ConfigError) -> None:
        self._hook = hook
        self._noun = noun
        self._error = error
        self._manager: pluggy.PluginManager | None = None
        self._entries: dict[str, T] = {}
        self._owners: dict[str, str] = {}

    def get(self, name: str, *, problem: str = "") -> T:
        """The entry of that name.

        Args:
            problem: says where the name was asked for, as in "task 'pets': kind is 'clasification'".

        Raises:
            AssayError: of the registry's own kind, with the nearest names.
        """
        entries = self._loaded()
        if name not in entries:
            raise self._error(problem or f"there is no {self._noun} {name!r}", nearest(name, list(entries)))
        return entries[name]

    def names(self) -> list[str]:
        """In the order they were registered, what ships first."""
        return list(self._loaded())

    def __contains__(self, name: object) -> bool:
        return name in self._loaded()

    def __iter__(self) -> Iterator[T]:
        return iter(self._loaded().values())

    def _loaded(self) -> dict[str, T]:
        manager = plugin_manager()
        if self._manager is not manager:
            self._entries, self._owners = {}, {}
            self._manager = manager  # a hook may look at what was registered before it
            plugins = dict(manager.list_name_plugin())
            for owner, plugin in plugins.items():
                others = [other for other in plugins.values() if other is not plugin]
                call = manager.subset_hook_caller(self._hook, others)
                try:
                    call(register=partial(self._register, owner))
                except Exception as exc:
                    self._manager = None
                    if isinstance(exc, AssayError):
                        raise
                    raise _broken(owner, f"{self._hook} failed: {first_line(exc)}") from exc
        return self._entries

    def _register(self, owner: str, entry: T) -> None:
        if entry.name in self._entries:
            raise ConfigError(
                f"{self._noun} {entry.name!r} of {owner} is there already, from {self._owners[entry.name]}",
                f"uninstall one of the two, or set {DISABLE_VARIABLE}=1 to do without other distributions' plugins",
            )
        self._entries[entry.name] = entry
        self._owners[entry.name] = owner


@cache
def plugin_manager() -> pluggy.PluginManager:
    """The plugins of this process, loaded when first asked for.

    Raises:
        ConfigError: a plugin cannot be loaded; the message names its distribution.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(import_module(_SHIPPED), _SHIPPED_BY)
    for point in _installed():
        owner = f"{' '.join(_distribution(point))} ({point.value})"
        try:
            manager.register(point.load(), owner)
            manager.check_pending()  # a hook that does not exist, as a misspelt one does not
        except Exception as exc:
            raise _broken(owner, first_line(exc)) from exc
    return manager


def plugin_versions() -> dict[str, str]:
    """Name -> version of the other distributions whose plugins are in use: results depend on them."""
    return dict(_distribution(point) for point in _installed())


def _installed() -> list[EntryPoint]:
    if os.environ.get(DISABLE_VARIABLE, "0") != "0":
        return []
    return sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: (*_distribution(point), point.name))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist is not None else ("an unknown distribution", "")


def _broken(owner: str, problem: str) -> ConfigError:
    return ConfigError(
        f"the plugin of {owner} is broken: {problem}",
        f"update or uninstall that distribution, or set {DISABLE_VARIABLE}=1 to do without plugins",
    )
