"""What is generated: the address of each page, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from generator import commands, fixtures, gates, integrity, metrics, options, recipes, schema, sources, tasks, zoo

_CONFIGURATION = """The file beside your suites, or `[tool.assay]` in `pyproject.toml`. An unknown key is an error that names
the nearest known one. `assay schema` prints this as JSON Schema, for your editor.
"""


def configuration() -> str:
    """The keys of assay.yaml."""
    return schema.page("assay.yaml", sources.schema(), _CONFIGURATION)


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/options.md": options.page,
    "reference/commands.md": commands.page,
    "reference/configuration.md": configuration,
    "reference/recipes.md": recipes.page,
    "reference/tasks.md": tasks.page,
    "reference/fixtures.md": fixtures.page,
    "reference/metrics.md": metrics.page,
    "reference/gates.md": gates.page,
    "reference/integrity.md": integrity.page,
    "reference/zoo.md": zoo.page,
}
