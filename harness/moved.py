"""Names that moved, still found where suites copied by an earlier `assay init` look for them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pkgutil import resolve_name


def moved(
    package: str, names: Mapping[str, str], otherwise: Callable[[str], object] | None = None
) -> Callable[[str], object]:
    """A package's `__getattr__`: name -> `module:attribute` or module that it stands for now.

    Args:
        otherwise: finds the names that did not move.
    """

    def find(name: str) -> object:
        if name not in names:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        location = names[name].replace(":", ".")
        warnings.warn(f"{package}.{name} is {location} now: import it from there", FutureWarning, stacklevel=2)
        return resolve_name(names[name])

    return find
