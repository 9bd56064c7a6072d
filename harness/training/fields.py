"""Checks of one mapping of a recipe; every complaint names file, key, value and what would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from harness.errors import RecipeError


class Fields:
    """A mapping read key by key. `where` is the dotted path of the mapping, "" at the top."""

    def __init__(self, file: str, where: str, value: Any, known: Iterable[str]) -> None:
        self._file, self._where = file, where
        if not isinstance(value, Mapping):
            raise RecipeError(f"{self.at('')} is {value!r}, not a mapping", "write `key: value` lines under it")
        self._values = value
        known = list(known)
        for key in value:
            if key not in known:
                raise RecipeError(f"{self.at(str(key))}: unknown key {key!r}", _suggestion(str(key), known))

    def at(self, key: str) -> str:
        """File and dotted key, for a message."""
        return f"{self._file}: {'.'.join(part for part in (self._where, key) if part) or 'the recipe'}"

    def get(self, key: str, types: type | tuple[type, ...], default: Any = None) -> Any:
        """The value, type-checked; `default` where the key is absent or null."""
        value = self._values.get(key)
        if value is None:
            return default
        wanted = types if isinstance(types, tuple) else (types,)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            self.reject(key, f"expected {' or '.join(t.__name__ for t in wanted)}")
        return value

    def require(self, key: str, types: type | tuple[type, ...]) -> Any:
        """The value, type-checked.

        Raises:
            RecipeError: the key is absent, null or of another type.
        """
        if self._values.get(key) is None:
            raise RecipeError(f"{self.at(key)} is missing", f"add `{key}:`")
        return self.get(key, types)

    def reject(self, key: str, expected: str, remedy: str = "") -> None:
        """Raise a RecipeError about this key's value."""
        value = self._values.get(key)
        raise RecipeError(f"{self.at(key)} is {value!r} ({type(value).__name__}); {expected}", remedy or "change it")


def _suggestion(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    listing = ", ".join(sorted(known)) if len(known) <= 20 else "see the documentation of the installed TRL and PEFT"
    return f"known keys: {listing}"
