"""Reports from a stored run alone: HTML, Markdown and JUnit. No torch, no model."""

from harness.report.html import render_html
from harness.report.junit import render_junit
from harness.report.summary import MARKER, render_summary

__all__ = ["MARKER", "render_html", "render_junit", "render_summary"]
