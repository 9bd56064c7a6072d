"""One self-contained HTML file from a stored run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report import curves, whisker
from harness.report.details import details
from harness.report.embed import island
from harness.report.facts import glance, identities
from harness.report.gate_table import suites
from harness.report.headline import SYMBOLS, WORDS, headline
from harness.report.pairs import metric_facts, pair_samples
from harness.report.text import printable
from harness.runs.outcome import count_outcomes
from harness.runs.store import Run

_SHOWN_ELSEWHERE = ("schema", "run", "status", "started", "finished", "duration_s", "profile")


def render_html(run: Run) -> str:
    """The report of a run as one HTML document that needs no network.

    Raises:
        RunError: the samples of the run cannot be read.
    """
    samples = run.read_samples()
    facts = metric_facts(samples, run.verdicts)
    pairs = pair_samples(samples, facts)
    style, script = _asset("report.css"), _asset("report.js")
    training: Mapping[str, Any] = run.training or {}
    template = _environment().get_template("report.html.j2")
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
        whisker_width=whisker.WIDTH,
        recipe=details(_as_object(training.get("recipe"), "recipe")),
        training_summary=details(_as_object(training.get("summary"), "summary")),
        pairs=len(pairs),
        samples=len(samples),
        island=island(pairs, facts),
        manifest=details({k: v for k, v in run.manifest.items() if k not in _SHOWN_ELSEWHERE}),
        style=Markup(style),
        script=Markup(script),
        markup=Markup,
        policy=_policy(style, script),
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    return printable(value) if type(value) is str else value


def _asset(name: str) -> str:
    return files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A Content-Security-Policy under which only our own style and script run, and nothing is fetched."""
    return (
        f"default-src 'none'; style-src 'sha256-{_sha(style)}'; script-src 'sha256-{_sha(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _as_object(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return {} if value is None else {name: value}
