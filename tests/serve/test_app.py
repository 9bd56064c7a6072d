"""What `assay serve` answers, to those who may ask and to those who may not."""

from __future__ import annotations

import shutil
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from made_runs import MANIFEST, first, make_run

from harness.compare.runs import compare_runs
from harness.runs.storage import open_store
from harness.serve.app import COOKIE, App, Request, Response
from harness.serve.index import RunIndex

HOST = "127.0.0.1:8765"
TOKEN = "the-token-of-this-session"
HOSTILE = "<script>alert(1)</script>\u202eevil"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that passed, one that failed, one that was interrupted, and one from elsewhere that means harm."""
    root = tmp_path_factory.mktemp("runs")
    for name, right in (("r1", 50), ("r2", 51), ("r3-worse", 12)):
        make_run(root, name, first(right), manifest=MANIFEST | {"started": f"2026-01-0{name[1]}T00:00:00+00:00"})
    make_run(root, "r4-cut", first(50), status="interrupted")
    make_run(root, "foreign", first(50), manifest=MANIFEST | {"adapter": {"name": HOSTILE}, "profile": HOSTILE})
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "reports"))


def app_of(root: Path, promotion: str | None = None) -> App:
    return App(RunIndex(root), open_store(str(root)), partial(compare_runs, margin=0.02), promotion)


def get(app: App, target: str, **headers: str) -> Response:
    return app.respond(Request("GET", target, {"host": HOST, **headers}))


def text(response: Response) -> str:
    return response.body.decode()


def post(app: App, form: dict[str, str], **headers: str) -> Response:
    own = {"host": HOST, "origin": f"http://{HOST}", "cookie": f"{COOKIE}={TOKEN}"}
    kept = {name: value for name, value in {**own, **headers}.items() if value}
    return app.respond(Request("POST", "/promote", kept, urlencode(form).encode()))


def test_the_list_shows_every_run_and_what_is_broken(root: Path) -> None:
    (root / "r2" / "manifest.json").write_text("{")
    page = text(get(app_of(root), "/"))
    assert "5 of 5" in page and "1 unreadable" in page
    assert 'href="/runs/r1"' in page and 'href="/runs/r2"' not in page
    ticks = [name for name in ("r1", "r2", "r3-worse", "r4-cut", "foreign") if f'name="run" value="{name}"' in page]
    assert ticks == ["r1", "r3-worse", "foreign"]  # what is broken or was cut short cannot be compared


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("outcome=fail", {"r3-worse"}),
        ("outcome=incomplete", {"r4-cut"}),
        ("text=R1", {"r1"}),
        ("task=quiz&outcome=pass&profile=smoke", {"r1", "r2"}),
        ("task=none", set()),
        (f"profile={quote(HOSTILE)}", {"foreign"}),
        ("page=9&text=r1", {"r1"}),
        ("page=x&text=r1", {"r1"}),
    ],
)
def test_filters_stand_in_the_address(root: Path, query: str, left: set[str]) -> None:
    page = text(get(app_of(root), f"/?{query}"))
    assert {name for name in ("r1", "r2", "r3-worse", "r4-cut", "foreign") if f'href="/runs/{name}"' in page} == left


def test_long_lists_have_pages_that_keep_the_filters(root: Path) -> None:
    for nth in range(100):
        (root / f"torn{nth}").mkdir()
        (root / f"torn{nth}" / "manifest.json").write_text("{")
    app = app_of(root)
    page = text(get(app, "/?text=r"))
    assert 'href="?text=r&amp;page=2"' in page and "1 of 2" in page
    assert "105 of 105" in page and 'rel="prev"' in text(get(app, "/?text=r&page=2"))


def test_what_a_foreign_run_says_stays_text(root: Path) -> None:
    page = text(get(app_of(root), "/"))
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page and "\u202e" not in page


def test_the_pages_run_nothing_and_may_not_be_framed(root: Path) -> None:
    policy = get(app_of(root), "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy


def test_a_report_is_its_file_in_a_sandbox(root: Path) -> None:
    answer = get(app_of(root), "/runs/r1")
    assert answer.body == (root / "r1" / "report.html").read_bytes()
    rules = answer.headers["Content-Security-Policy"]
    assert rules.startswith("sandbox ") and "allow-same-origin" not in rules and "default-src 'none'" in rules


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc", "%2e%2e", "..", "r1%2f..%2fr2", "r9", "baselines", "", "r1%00", "r1/report.html"]
)
def test_what_is_no_listed_run_is_not_found(root: Path, name: str) -> None:
    assert get(app_of(root), f"/runs/{name}").status == HTTPStatus.NOT_FOUND


def test_what_is_no_address_is_told(root: Path) -> None:
    assert get(app_of(root), "//[").status == HTTPStatus.BAD_REQUEST


def test_a_report_that_is_a_link_out_of_its_run_or_is_not_there_is_not_shown(root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("secret")
    (root / "foreign" / "report.html").unlink()
    (root / "foreign" / "report.html").symlink_to(secret)
    (root / "r1" / "report.html").unlink()
    app = app_of(root)
    for name in ("foreign", "r1"):
        answer = get(app, f"/runs/{name}")
        assert answer.status == HTTPStatus.NOT_FOUND and b"secret" not in answer.body
    assert "assay report" in text(answer)


def test_runs_that_were_ticked_are_compared_the_oldest_first(root: Path) -> None:
    answer = get(app_of(root), "/compare?run=r3-worse&run=r1")
    assert answer.status == HTTPStatus.OK and "1 regression against r1" in text(answer)
    assert "No regression against r1" in text(get(app_of(root), "/compare?run=r2&run=r1"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("run=r1", "takes 2 to 26 runs, and 1 were ticked"),
        ("run=r1&run=r1", "and 1 were ticked"),
        ("", "and 0 were ticked"),
        ("run=r1&run=..%2fr2", "there is no run"),
        ("run=r1&run=r4-cut", "was interrupted"),
    ],
)
def test_what_cannot_be_compared_says_why(root: Path, query: str, said: str) -> None:
    answer = get(app_of(root), f"/compare?{query}")
    assert answer.status == HTTPStatus.BAD_REQUEST and said in text(answer)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "", "127.0.0.1.evil.example", "localhost@evil", "["]
)
def test_a_name_that_is_not_this_machine_is_refused(root: Path, host: str) -> None:
    assert get(app_of(root), "/", host=host).status == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "localhost:9999", "[::1]:8765"])
def test_this_machine_is_answered_through_a_tunnel_too(root: Path, host: str) -> None:
    assert get(app_of(root), "/", host=host).status == HTTPStatus.OK


def test_nothing_is_promoted_unless_it_was_allowed(root: Path) -> None:
    app = app_of(root)
    answer = post(app, {"run": "r1", "token": TOKEN, "name": "main"})
    assert answer.status == HTTPStatus.FORBIDDEN and "--allow-promote" in text(answer)
    assert app.store.baselines() == []
    assert 'action="/promote"' not in text(get(app, "/", cookie=f"{COOKIE}={TOKEN}"))


def test_who_opens_the_printed_address_may_promote(root: Path) -> None:
    app = app_of(root, TOKEN)
    assert TOKEN not in text(get(app, "/"))  # whoever else is on this machine sees the list alone
    assert get(app, "/?token=guessed").status == HTTPStatus.FORBIDDEN
    entered = get(app, f"/?token={TOKEN}")
    assert entered.headers["Location"] == "/" and "HttpOnly; SameSite=Strict" in entered.headers["Set-Cookie"]
    assert f'value="{TOKEN}"' in text(get(app, "/", cookie=f"{COOKIE}={TOKEN}"))
    assert post(app, {"run": "r1", "token": TOKEN, "name": "main"}).status == HTTPStatus.SEE_OTHER
    assert [(b.name, b.run) for b in app.store.baselines()] == [("main", "r1")]
    page = text(get(app, "/"))
    assert '<span class="chip">main</span>' in page and 'href="/compare?run=r1&amp;run=r2"' in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:8888"},
        {"cookie": ""},
        {"cookie": f"{COOKIE}=guessed"},
        {"token": "guessed"},
        {"token": ""},
    ],
)
def test_another_site_cannot_promote(root: Path, wrong: dict[str, str]) -> None:
    app = app_of(root, TOKEN)
    form = {"run": "r1", "name": "main", "token": wrong.get("token", TOKEN)}
    answer = post(app, form, **{name: value for name, value in wrong.items() if name != "token"})
    assert answer.status == HTTPStatus.FORBIDDEN
    assert app.store.baselines() == []


def test_reading_an_address_never_promotes(root: Path) -> None:
    app = app_of(root, TOKEN)
    asked = urlencode({"run": "r1", "token": TOKEN, "name": "main"})
    headers = {"cookie": f"{COOKIE}={TOKEN}", "origin": f"http://{HOST}"}
    assert get(app, f"/promote?{asked}", **headers).status == HTTPStatus.NOT_FOUND
    assert app.store.baselines() == []


def test_a_run_that_failed_is_promoted_for_a_reason_only(root: Path) -> None:
    app = app_of(root, TOKEN)
    refused = post(app, {"run": "r3-worse", "token": TOKEN, "name": "main", "reason": " "})
    assert refused.status == HTTPStatus.BAD_REQUEST and "has the outcome fail" in text(refused)
    assert post(app, {"run": "r3-worse", "token": TOKEN, "name": "main", "reason": "in production"}).status == 303
    [baseline] = app.store.baselines()
    assert baseline.forced == "in production"


def test_a_baseline_that_cannot_be_read_is_told_above_the_list(root: Path) -> None:
    (root / "baselines").mkdir()
    (root / "baselines" / "main.json").write_text("{")
    answer = get(app_of(root), "/")
    assert answer.status == HTTPStatus.OK and "the baseline main" in text(answer) and 'href="/runs/r1"' in text(answer)
