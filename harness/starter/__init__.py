"""What `assay init` makes of a table: a task, its gates, a recipe, held-out rows and a CI workflow that run as they are."""

from __future__ import annotations

from harness.starter.project import Start, start_project

__all__ = ["Start", "start_project"]
