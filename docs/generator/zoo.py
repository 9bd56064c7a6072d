"""The page of planted faults: every adapter of the zoo, what is wrong with it, and the gate that must see it."""

from __future__ import annotations

from typing import Any

from generator import sources
from generator.markdown import code, table

_HEAD = """# The zoo's adapters

What `python -m benchmarks.zoo` puts to the gates, in its order; [the zoo of planted faults](../explanation/zoo.md) says how
and why. One of the gates named must reject the adapter; a `*` stands for any text. A healthy adapter none may reject.

"""
_SECTIONS = {
    "main": ("Adapters", "Trained for it, or a copy of the first healthy one to which something was done."),
    "release": (
        "What ships of a healthy adapter",
        "With `--release`: made of the first healthy one, and put beside it.",
    ),
    "methods": ("By the method of a training", "With `--methods`: on a small base of its own, rightly and wrongly."),
}


def page() -> str:
    """A table for each part of the zoo."""
    parts = [_HEAD]
    for name, exhibits in sources.zoo().items():
        title, about = _SECTIONS[name]
        faults = sum(not one.healthy for one in exhibits)
        parts.append(
            f"## {title} {{: #{name} }}\n\n{about} {faults} faults and {len(exhibits) - faults} healthy ones.\n\n"
        )
        rows = [(code(one.name), one.about, _due(one)) for one in exhibits]
        parts += [table(("adapter", "what it is", "gate that must catch it"), rows), "\n"]
    return "".join(parts)


def _due(exhibit: Any) -> str:
    caught, spared = (map(code, gates) for gates in (exhibit.caught_by, exhibit.spares))
    return " or ".join(caught) + "".join(f"; not {gate}" for gate in spared)
