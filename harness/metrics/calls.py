"""How near one call's arguments are to another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def same_value(given: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same, types included.

    "3" is not 3, true is not 1 and 3.0 is not 3, but an integer may stand where a fraction is wanted (2 for 2.0), as
    in the Berkeley Function-Calling Leaderboard's AST match.
    """
    if isinstance(wanted, dict):
        return isinstance(given, dict) and same_arguments(given, wanted)
    if isinstance(wanted, list):
        if not isinstance(given, list) or len(given) != len(wanted):
            return False
        return all(same_value(g, w) for g, w in zip(given, wanted, strict=True))
    if type(wanted) is float:
        return type(given) in (int, float) and given == wanted
    return type(given) is type(wanted) and bool(given == wanted)


def same_arguments(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two calls have the same argument names and values; order does not matter."""
    return given.keys() == wanted.keys() and all(same_value(given[name], wanted[name]) for name in wanted)


def argument_f1(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """Harmonic mean of the share of given arguments that are right and of wanted ones that were given; 1 if none is
    given and none wanted.
    """
    if not given and not wanted:
        return 1.0
    right = sum(name in given and same_value(given[name], value) for name, value in wanted.items())
    return 2 * right / (len(given) + len(wanted))
