"""One self-contained HTML file from a stored run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from harness.records import count_outcomes
from harness.report import curves, interval_plot
from harness.report.details import details
from harness.report.embed import island
from harness.report.facts import glance, identities, sensitive_tasks
from harness.report.gate_table import suites
from harness.report.headline import SYMBOLS, WORDS, headline
from harness.report.page import asset, content_policy, environment
from harness.report.pairs import metric_facts, pair_samples
from harness.report.panels import added_panels
from harness.runs.run import Run

_SHOWN_ELSEWHERE = ("schema", "run", "status", "started", "finished", "duration_s", "profile")


def render_html(run: Run) -> str:
    """The report of a run as one HTML document that needs no network."""
    samples = run.read_samples()
    facts = metric_facts(samples, run.verdicts)
    pairs = pair_samples(samples, facts)
    sensitive = sensitive_tasks(run.manifest)
    style, script = asset("report.css"), asset("report.js")
    training: Mapping[str, Any] = run.training or {}
    template = environment().get_template("report.html.j2")
    return template.render(
        run=run,
        headline=headline(run),
        counts=count_outcomes(run.verdicts),
        words=WORDS,
        symbols=SYMBOLS,
        glance=glance(run),
        identities=identities(run.manifest),
        suites=suites(run.verdicts),
        panels=curves.panels(run.training),
        chart=curves,
        added=list(added_panels(run)),
        plot_width=interval_plot.WIDTH,
        recipe=details(_as_object(training.get("recipe"), "recipe")),
        training_summary=details(_as_object(training.get("summary"), "summary")),
        pairs=len(pairs),
        samples=len(samples),
        island=island(pairs, facts, sensitive=sensitive),
        veiled=[task for task in facts if task in sensitive],
        manifest=details({k: v for k, v in run.document.items() if k not in _SHOWN_ELSEWHERE}),
        style=Markup(style),
        script=Markup(script),
        markup=Markup,
        policy=content_policy(style, script),
    )


def _as_object(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return {} if value is None else {name: value}
