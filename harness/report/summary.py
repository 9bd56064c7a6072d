"""A Markdown summary for a CI job page or a pull-request comment."""

from __future__ import annotations

import re
from itertools import accumulate

from harness.records import Verdict
from harness.report.concerns import worst_first
from harness.report.facts import glance, identities
from harness.report.gate_table import gate_row
from harness.report.headline import headline
from harness.report.standing import word
from harness.report.text import NOTHING, markdown
from harness.runs.run import Run

MARKER = "<!-- adapter-assay -->"
"""First line of every summary: a CI job finds its own comment by it and updates it in place."""

_MAX_TABLE = 45_000  # what stands around it may take 18,000 once escaped
_ICONS: dict[str, str] = {"pass": "\u2705", "fail": "\u274c", "undecided": "\u26a0\ufe0f"}
_CODE = re.compile(r"&#96;(.+?)&#96;")
"""A backtick as `markdown` escapes it, and what stands before the next."""
_HEAD = "| | gate | base | candidate | difference | interval | n | reason |\n|---|---|---:|---:|---:|---|---:|---|"


def render_summary(run: Run) -> str:
    """The summary of a run; stays under the 65,536 characters of a GitHub comment."""
    head = headline(run)
    lines = [MARKER, f"## {_ICONS[head.tone]} {head.title}", ""]
    if head.interrupted:
        lines += ["> **INTERRUPTED**: this run is not whole and cannot serve as evidence or as a baseline.", ""]
    lines += [markdown(head.why, 600), ""]
    lines += [f"**{one.role}** {_code(one.name)} {_code(one.digest[:12])}  " for one in identities(run.manifest)]
    lines += ["", *_gates(sorted(run.verdicts, key=lambda v: (worst_first(v), v.suite, v.gate))), ""]
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
        f"{row.symbol} {_word(verdict)}",
        markdown(row.name, 120) + (f"<br>{markdown(row.rule, 80)}" if row.rule else ""),
        row.base,
        row.candidate,
        row.difference,
        row.interval or NOTHING,
        row.n,
        _prose(row.reason) + (f"<br>**{_prose(row.standing)}**" if row.standing else "") + _to_do(verdict),
    )
    return f"| {' | '.join(cells)} |"


def _to_do(verdict: Verdict) -> str:
    shown = verdict.remedy and verdict.outcome in ("fail", "error")
    return f"<br>**What to do:** {_prose(verdict.remedy)}" if shown else ""


def _prose(text: str) -> str:
    """Text of ours in which what stands between two backticks is code."""
    told = markdown(text, 200)
    return _CODE.sub(r"<code>\1</code>", told)


def _word(verdict: Verdict) -> str:
    told = word(verdict)
    return f"**{told}**" if verdict.bearing in ("fail", "error") else told


def _code(text: str) -> str:
    return f"<code>{markdown(text, 120)}</code>" if text else ""
