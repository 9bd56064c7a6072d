"""The page of fixtures, out of their docstrings and signatures."""

from __future__ import annotations

from generator import sources
from generator.markdown import prose

_HEAD = """# Fixtures

What a test may take. `pytest --fixtures` lists them too. Those that cost (an adapter trained, answers computed) are made
once a run, when a test first takes them; a fixture without its data skips the test and says what is missing.

"""


def page() -> str:
    """Every fixture with its docstring; those a user's test takes first."""
    return _HEAD + "\n".join(f"## {name}\n\n{prose(fixture.__doc__)}\n" for name, fixture in _ordered())


_FIRST = ("compare", "gate", "evaluate", "base", "candidate", "adapter", "margins", "judge", "assay")


def _ordered() -> list[tuple[str, object]]:
    known = sources.fixtures()
    return [(name, known[name]) for name in (*_FIRST, *sorted(set(known) - set(_FIRST)))]
