"""What every HTML file of ours is made with: templates that escape, own style and script, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report.text import printable


@cache
def environment() -> Environment:
    """The templates, each compiled once; what they show is escaped and made printable."""
    made = Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalize,
    )
    made.filters["code_spans"] = code_spans
    return made


def code_spans(text: str) -> Markup:
    """Text with what stands between two backticks as code, and all of it escaped."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # the last backtick opens nothing
        parts[-2:] = ["`".join(parts[-2:])]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if nth % 2 and part else escape(part) for nth, part in enumerate(parts)
    )


def _finalize(value: object) -> object:
    return printable(value) if type(value) is str else value


def asset(name: str) -> str:
    """The text of a style sheet or script."""
    return files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def content_policy(style: str, script: str = "", *, forms: str = "'none'") -> str:
    """A Content-Security-Policy under which only our own style and script run, and nothing is fetched.

    Args:
        forms: where forms may lead.
    """
    return (
        f"default-src 'none'; style-src 'sha256-{_sha(style)}'; script-src 'sha256-{_sha(script)}'; "
        f"base-uri 'none'; form-action {forms}"
    )


def _sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
