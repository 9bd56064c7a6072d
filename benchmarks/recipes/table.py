"""The page of docs that says what became of each recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.gating import ROOT
from benchmarks.recipes.kept import Measured
from benchmarks.recipes.running import as_written, method_of, recipe_digest, recipe_names

PAGE = ROOT / "docs" / "reference" / "recipes-run.md"
_HEAD = """# What became of each recipe

<!-- generated: python -m benchmarks.recipes -->

`make recipes` trains every recipe of `fixtures/recipes/` on the embedded model (SmolLM2-135M), on CPUs, and puts what it makes to
the gates that ship, at small sizes. A gate is *undecided* where so few items leave it open. Figures held out are of the first and
the last evaluation of the training. Minutes are of training and of gates, on a machine of two cores that did other things too.
A base called tiny is two random layers (`--tiny`), where minutes forbid more: there data and log are gated alone.
"""
_COLUMNS = ("recipe", "method", "base", "steps", "minutes", "held out", "passed", "undecided", "failed", "digest")
_NOT_RUN = "not run yet"
_CHANGED = "changed since"


def page(rows: Mapping[str, Measured]) -> str:
    """The page, of every recipe that ships."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *(_row(name, rows.get(name)) for name in recipe_names())]
    return "\n".join([_HEAD, *lines, "", *_made_with(rows)]).rstrip() + "\n"


def _row(name: str, row: Measured | None) -> str:
    recipe = as_written(name)
    if row is None:
        return _line([f"`{name}`", method_of(recipe), "", _NOT_RUN, *[""] * (len(_COLUMNS) - 4)])
    changed = "" if row.recipe_digest == recipe_digest(recipe) else f" ({_CHANGED})"
    return _line([
        f"`{name}`{changed}",
        row.method,
        row.base,
        str(row.steps),
        f"{row.training_s / 60:.1f} + {row.gates_s / 60:.1f}",
        ", ".join(f"{key} {first:.2f} → {last:.2f}" for key, (first, last) in row.held_out.items()),
        str(len(row.passed)),
        str(len(row.undecided)),
        ", ".join(f"`{gate}`" for gate in (*row.failed, *(f"{gate} (error)" for gate in row.unmeasured))),
        f"`{row.digest[:12]}`",
    ])  # fmt: skip


def _made_with(rows: Mapping[str, Measured]) -> list[str]:
    """Days and versions; rows may be of several."""
    made: dict[tuple[str, str], list[str]] = {}
    for row in rows.values():
        versions = ", ".join(f"{library} {number}" for library, number in sorted(row.versions.items()))
        made.setdefault((row.date, versions), []).append(f"`{row.name}`")
    return [f"{date}, with {versions}: {', '.join(names)}.\n" for (date, versions), names in sorted(made.items())]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
