"""What plugins add to a finished run: panels that are escaped and cannot break the report, exporters that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plugged import plug_in

from harness.errors import RunError
from harness.records import Manifest, Verdict
from harness.report import render_html
from harness.report.panels import ReportPanel
from harness.runs import Run, RunWriter, load_run
from harness.runs.exporters import RunExporter


def finish(root: Path) -> Run:
    return load_run(
        RunWriter.create(root, "r").finish(Manifest(), [Verdict("suite/gate", "pass", "all is well")], "complete")
    )


def show(monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    panel = ReportPanel("more", "More <of> it", content)
    plug_in(monkeypatch, register_report_panels=lambda register: register(panel))


def test_a_panel_shows_facts_and_tables_and_no_markup_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [{"row": "<script>alert(1)</script>"}]
    show(monkeypatch, lambda run: {"gates": len(run.verdicts), "rows": rows})
    page = render_html(finish(tmp_path))
    assert '<h2 id="panel-more-title">More &lt;of&gt; it</h2>' in page
    assert "<dt>gates</dt><dd><bdi>1</bdi></dd>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>alert" not in page


def test_a_panel_without_content_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    show(monkeypatch, lambda run: None)
    assert "panel-more" not in render_html(finish(tmp_path))


def test_a_panel_that_fails_says_so_in_a_report_that_is_made_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    show(monkeypatch, lambda run: {"share": 1 / 0})
    page = render_html(finish(tmp_path))
    assert "ZeroDivisionError: division by zero" in page and "all is well" in page


def test_an_exporter_that_fails_is_named_and_the_run_can_be_finished_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(run: Run, directory: Path) -> None:
        raise ConnectionError("no route to host")

    plug_in(monkeypatch, register_run_exporters=lambda register: register(RunExporter("upload", fails)))
    with pytest.raises(
        RunError, match=r"exporter 'upload' failed .* ConnectionError: no route to host\n.*ASSAY_DISABLE"
    ):
        finish(tmp_path)
    monkeypatch.undo()
    assert RunWriter.open(tmp_path, "r").finish(Manifest(), [], "complete") == tmp_path / "r"
