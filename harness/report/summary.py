"""A Markdown summary for a CI job page or a pull-request comment."""

from __future__ import annotations

from itertools import accumulate

from harness.records import Outcome, Verdict
from harness.report.concerns import by_severity
from harness.report.facts import glance, identities
from harness.report.gate_table import gate_row
from harness.report.headline import headline
from harness.report.text import NOTHING, markdown
from harness.runs.run import Run

MARKER = "<!-- adapter-assay -->"
"""First line of every summary: a CI job finds its own comment by it and updates it in place."""

_MAX_TABLE = 45_000  # what stands around it may take 18,000 once escaped
_ICONS: dict[str, str] = {"pass": "\u2705", "fail": "\u274c", "undecided": "\u26a0\ufe0f"}
_HEAD = "| | gate | base | candidate | difference | interval | n | reason |\n|---|---|---:|---:|---:|---|---:|---|"


def render_summary(run: Run) -> str:
    """The summary of a run; stays under the 65,536 characters of a GitHub comment."""
    head = headline(run)
    lines = [MARKER, f"## {_ICONS[head.tone]} {head.title}", ""]
    if head.interrupted:
        lines += ["> **INTERRUPTED**: this run is not whole and cannot serve as evidence or as a baseline.", ""]
    lines += [markdown(head.why, 600), ""]
    lines += [f"**{one.role}** {_code(one.name)} {_code(one.digest[:12])}  " for one in identities(run.manifest)]
    lines += ["", *_gates(sorted(run.verdicts, key=lambda v: (by_severity(v), v.suite, v.gate))), ""]
    lines += [f"- {name}: {markdown(text)}" for name, text in glance(run)]
    lines += [f"- run: {_code(run.id)}", ""]
    return "\n".join(lines)


def _gates(verdicts: list[Verdict]) -> list[str]:
    if not verdicts:
        return []
    rows = [_row(verdict) for verdict in verdicts]
    shown = sum(length <= _MAX_TABLE for length in accumulate(map(len, rows)))
    more = [f"\n{len(rows) - shown:,} more gates are in the report."] if shown < len(rows) else []
    return [_HEAD, *rows[:shown], *more]


def _row(verdict: Verdict) -> str:
    row = gate_row(verdict)
    cells = (
        f"{row.symbol} {_word(verdict.outcome)}",
        markdown(row.name, 120) + (f"<br>{markdown(row.rule, 80)}" if row.rule else ""),
        row.base,
        row.candidate,
        row.difference,
        row.interval or NOTHING,
        row.n,
        markdown(row.reason, 200) + _to_do(verdict),
    )
    return f"| {' | '.join(cells)} |"


def _to_do(verdict: Verdict) -> str:
    shown = verdict.remedy and verdict.outcome in ("fail", "error")
    return f"<br>**What to do:** {markdown(verdict.remedy, 200)}" if shown else ""


def _word(outcome: Outcome) -> str:
    return f"**{outcome}**" if outcome in ("fail", "error") else outcome


def _code(text: str) -> str:
    return f"<code>{markdown(text, 120)}</code>" if text else ""
