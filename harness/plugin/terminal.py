"""The verdicts at the end of pytest's output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.plugin.state import State
    from harness.records import Manifest

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "error": "red"}


def write_summary(reporter: pytest.TerminalReporter, state: State) -> None:
    """One line a verdict, worst last where the eye is and with its remedy, then what was cached and where the report lies."""
    from harness.errors import printable
    from harness.records import WORST_FIRST
    from harness.report.facts import (
        describe_baseline,
        describe_not_measured,
        describe_sequential,
        describe_unused_limits,
        describe_unused_severities,
    )
    from harness.report.history import last_runs
    from harness.report.standing import describe_idle_waivers, standing
    from harness.report.text import one_line

    def tell(text: str, **markup: bool) -> None:
        reporter.write_line(printable(text), **markup)

    reporter.ensure_newline()
    if state.verdicts:
        reporter.section("release gates", sep="=")
        for verdict in sorted(state.verdicts, key=lambda v: (-WORST_FIRST.index(v.bearing), v.outcome != v.bearing)):
            colour = _COLOURS[verdict.outcome] if verdict.counts else "yellow"
            reporter.write(f"{verdict.outcome.upper():<13}", **{colour: True})
            tell(f"{verdict.gate}: {verdict.reason}")
            if told := standing(verdict):
                tell(f"{'':<13}  {one_line(told, 1000)}", yellow=True)
            if verdict.remedy and verdict.outcome in ("fail", "error"):
                tell(f"{'':<13}  remedy: {verdict.remedy}")
    if missed := describe_not_measured(state.skipped):
        tell(f"not measured: {missed}", yellow=True)
    if (manifest := state.manifest) is not None and state.run_directory is not None:
        if baseline := describe_baseline(manifest.baseline):
            tell(f"baseline: {baseline}")
        if unused := describe_unused_limits(manifest.unused_limits):
            tell(f"limits: {unused}", yellow=True)
        if unused := describe_unused_severities(manifest.unused_severities):
            tell(f"severities: {unused}", yellow=True)
        if idle := describe_idle_waivers(manifest.waivers, [verdict.gate for verdict in state.verdicts]):
            tell(f"waivers: {idle}", yellow=True)
        if saved := describe_sequential(manifest.sequential):
            tell(f"sequential: {saved}")
        if before := last_runs(state.run_directory):
            tell(before)
        tell(_answers(manifest))
        tell(f"report: {_relative(state.run_directory / 'report.html')}")
    if state.usage_error:
        tell(f"ERROR: {state.usage_error}", red=True)
    if state.write_error:
        tell(f"the run could not be written: {state.write_error}", red=True, bold=True)


def _answers(manifest: Manifest) -> str:
    answers, training = manifest.answers, manifest.training
    text = f"answers: {answers.cached} from the cache, {answers.computed} computed"
    if training:
        text += f"; adapter {'from the cache' if training.from_cache else 'trained now'}"
    if manifest.peak_memory_gib is not None:
        text += f"; peak memory {manifest.peak_memory_gib} GiB"
    return f"{text}; {manifest.duration_s} s"


def _relative(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
