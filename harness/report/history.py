"""The history of a task as text: a table of its last runs, and one line for the end of the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from harness.compare.history import Measure, Step, history
from harness.errors import AssayError
from harness.report.concerns import TASK, concerns
from harness.report.details import label
from harness.report.findings import change, metric_words, short_name, value
from harness.report.headline import SYMBOLS
from harness.report.text import NOTHING, moment, one_line, table_text
from harness.runs.run import earlier_runs, load_run

_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_SHOWN = 5


def history_table(steps: Sequence[Step]) -> str:
    """Runs down, metrics across: outcome, value and the change from the run before; a small picture of each at the end."""
    measures = list(dict.fromkeys(measure for step in steps for measure in step.points))
    head = ("run", "started", "adapter", *(metric_words(one.metric) for one in measures), "")
    rows = []
    for before, step in zip([None, *steps], steps, strict=False):
        other = f"other {', '.join(step.differing)}: no change told" if step.differing else ""
        cells = (_cell(before, step, one) for one in measures)
        run = step.run
        rows.append((run.id, moment(run.manifest.started), run.manifest.adapter.name, *cells, other))
    pictures = ("", "", "", *(sparkline([_value(step, one) for step in steps]) for one in measures), "")
    return table_text([head, *rows, *([pictures] if len(steps) > 1 else [])])


def sparkline(values: Sequence[float | None]) -> str:
    """A bar for each value between the lowest and the highest; a space where there is none."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)

    def bar(number: float | None) -> str:
        if number is None or not math.isfinite(number):
            return " "
        return _BARS[round((number - low) / span * (len(_BARS) - 1)) if span else len(_BARS) // 2]

    return "".join(map(bar, values))


def last_runs(directory: Path) -> str:
    """`intents, accuracy over the last runs: 83%, 85%, now 57% ▇█▁`; empty without an earlier run that compares."""
    try:
        run = load_run(directory)
        leading = next(one for one in concerns(run.verdicts) if one.name == TASK).leading
        if leading is None or not leading.task or not leading.metric:
            return ""
        steps = history([*earlier_runs(run), run], leading.task)
    except (AssayError, OSError):  # what a run before holds must not spoil the end of this one
        return ""
    measure = Measure(leading.task, leading.metric)
    values: list[float] = []
    for step in steps:
        values = [] if step.differing else values
        if (found := _value(step, measure)) is not None:
            values.append(found)
    if len(values) < 2 or _value(steps[-1], measure) is None:
        return ""
    shown = values[-_SHOWN:]
    told = [value(one, measure.metric) for one in shown]
    name = one_line(f"{label(measure.task)}, {short_name(measure.metric)}", 80)
    return f"last runs: {name} {', '.join(told[:-1])}, now {told[-1]} {sparkline(shown)}"


def _cell(before: Step | None, step: Step, measure: Measure) -> str:
    point = step.points.get(measure)
    if point is None:
        return NOTHING
    told = NOTHING if point.value is None else value(point.value, measure.metric)
    last = None if before is None or step.differing else _value(before, measure)
    moved = "" if last is None or point.value in (None, last) else f"  {change(point.value - last, measure.metric)}"
    return f"{SYMBOLS[point.outcome]} {told}{moved}"


def _value(step: Step, measure: Measure) -> float | None:
    point = step.points.get(measure)
    return None if point is None else point.value
