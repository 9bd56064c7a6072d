"""`assay serve` over a socket of its own, and as a person clicks through it."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from made_runs import MANIFEST, first, make_run

from harness.cli import main
from harness.compare.runs import compare_runs
from harness.runs.storage import open_store
from harness.serve.app import App
from harness.serve.index import RunIndex
from harness.serve.server import RunServer

TOKEN = "the-token"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    for nth, (name, right) in enumerate((("r1", 50), ("r2", 51), ("r3-worse", 12)), 1):
        make_run(made, name, first(right), manifest=MANIFEST | {"started": f"2026-01-0{nth}T00:00:00+00:00"})
    (made / "torn").mkdir()
    (made / "torn" / "manifest.json").write_text("{")
    return made


@pytest.fixture
def serving(root: Path) -> Iterator[Any]:
    """Starts a server over the runs; it ends with the test."""
    servers = []

    def started(promotion: str | None = None) -> RunServer:
        server = RunServer(App(RunIndex(root), open_store(str(root)), partial(compare_runs, margin=0.02), promotion), 0)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(server: RunServer, method: str, target: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request(method, target, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def test_it_listens_on_the_loopback_address_alone(serving: Any) -> None:
    server = serving()
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"
    assert serving(TOKEN).url.endswith(f"/?token={TOKEN}")


def test_requests_are_answered_with_what_keeps_them_private(serving: Any) -> None:
    server = serving()
    answer = ask(server, "GET", "/")
    assert answer.status == 200 and b"r3-worse" in answer.read()
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Python" not in answer.headers["Server"]
    head = ask(server, "HEAD", "/")
    assert head.status == 200 and head.read() == b""
    assert ask(server, "GET", "/", Host="evil.example").status == 421
    assert ask(server, "DELETE", "/runs/r1").status == 501


def test_a_body_without_an_honest_length_is_refused(serving: Any) -> None:
    server = serving(TOKEN)
    assert ask(server, "POST", "/promote", Content_Length="-1").status == 411
    assert ask(server, "POST", "/promote", Content_Length="1000000").status == 413


def test_a_port_that_is_taken_and_a_directory_that_is_not_there_are_misuse(
    serving: Any, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(root), "--port", str(serving().server_port)]) == 2
    assert "give another port" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["serve", str(root), "--port", "99999"])
    assert stopped.value.code == 2
    assert main(["serve", str(root / "none")]) == 2
    assert "is no directory" in capsys.readouterr().err


@pytest.fixture
def click(serving: Any) -> Iterator[Any]:
    """Opens the list; what a page logged as an error fails the test."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium or google-chrome")
    troubles: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def opened(server: RunServer, width: int = 1400) -> Any:
            page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
            page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.goto(server.url)
            return page

        yield opened
        browser.close()
    assert troubles == []


def test_runs_are_listed_filtered_opened_and_compared_by_clicking(serving: Any, click: Any) -> None:
    page = click(serving())
    assert page.locator("#list tbody tr").count() == 4 and page.locator("summary").count() == 0
    page.get_by_label("Outcome").select_option("fail")
    page.get_by_role("button", name="Show").click()
    assert page.locator("#list tbody th").all_inner_texts()[0].startswith("r3-worse")
    assert "outcome=fail" in page.url
    page.get_by_role("link", name="Clear").click()
    for name in ("r3-worse", "r1"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare the ticked").click()
    assert page.inner_text("h1").endswith("1 regression against r1")
    page.go_back()
    page.get_by_role("link", name="r1", exact=True).click()
    page.wait_for_selector("#samples form:not([hidden])")
    page.fill("#samples input[type=search]", "Question 7?")
    page.wait_for_url("**text=Question**")
    assert page.evaluate("self.origin") == "null"  # it can ask this server for nothing


def test_a_run_is_promoted_by_clicking(serving: Any, click: Any, root: Path) -> None:
    page = click(serving(TOKEN), width=420)
    assert "token" not in page.url and page.evaluate("document.documentElement.scrollWidth") == 420
    row = page.locator("#list tbody tr", has_text="r2")
    row.get_by_text("Promote").click()
    row.get_by_label("Name").fill("v2")
    row.get_by_role("button", name="Make it the baseline").click()
    assert page.locator("#list .chip", has_text="v2").count() == 1
    assert open_store(str(root)).named_baseline("v2").run == "r2"
