"""One self-contained HTML file from a stored run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from harness.records import count_outcomes
from harness.report import curves, interval_plot, slice_bars
from harness.report.answers_shown import answers_shown
from harness.report.concerns import concerns, ranks
from harness.report.details import details
from harness.report.embed import island
from harness.report.facts import first_facts, glance, identities, sensitive_tasks
from harness.report.gate_table import anchors, gates_by_concern
from harness.report.headline import SYMBOLS, headline
from harness.report.page import asset, content_policy, environment
from harness.report.pairs import metric_facts, pair_samples
from harness.report.panels import added_panels
from harness.report.problems import problems, set_aside, unmeasured
from harness.report.strip import WORDS, strip
from harness.report.text import printable
from harness.report.trade_off import front_of
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
    found, places = concerns(run.verdicts), anchors(run.verdicts)
    template = environment().get_template("report.html.j2")
    return template.render(
        run=run,
        headline=headline(run),
        counts=count_outcomes(run.verdicts),
        words=WORDS,
        symbols=SYMBOLS,
        strip=strip(found, places),
        problems=problems(found, places),
        set_aside=set_aside(found, places),
        unmeasured=unmeasured(run),
        front=front_of(run),
        first_facts=first_facts(run.manifest),
        glance=glance(run),
        identities=identities(run.manifest),
        concerns=gates_by_concern(found, places),
        shown=answers_shown(samples, sensitive=sensitive),
        panels=curves.panels(run.training),
        chart=curves,
        added=list(added_panels(run)),
        plot_width=interval_plot.WIDTH,
        slice_width=slice_bars.WIDTH,
        as_hash=as_hash,
        recipe=details(_as_object(training.get("recipe"), "recipe")),
        training_summary=details(_as_object(training.get("summary"), "summary")),
        pairs=len(pairs),
        samples=len(samples),
        island=island(pairs, facts, sensitive=sensitive, ranks=ranks(found)),
        sampled=frozenset(facts),
        veiled=[task for task in facts if task in sensitive],
        manifest=details({k: v for k, v in run.document.items() if k not in _SHOWN_ELSEWHERE}),
        style=Markup(style),
        script=Markup(script),
        markup=Markup,
        policy=content_policy(style, script),
    )


def as_hash(**filters: str) -> str:
    """The link to the samples that these filters leave."""
    return f"#samples?{urlencode({name: printable(value) for name, value in filters.items()})}"


def _as_object(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return {} if value is None else {name: value}
