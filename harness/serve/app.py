"""What `assay serve` answers to a request. It knows nothing of sockets.

A page of another site must neither read a run nor promote one. The first would need a name of its own that points here (DNS
rebinding), so only requests to a loopback name are answered. The second takes the session's secret cookie, its token in the
form, and an origin that is this server. A report in the directory may be another's work: it is shown in a sandbox, an origin
of its own, that can ask nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from harness.compare.runs import RunsCompared
from harness.errors import AssayError, RunError
from harness.report.comparison.html import render_comparison
from harness.runs.baselines import DEFAULT_NAME, NamedRun, promote, require_complete
from harness.runs.run import load_run
from harness.runs.storage import Store
from harness.serve.index import RunIndex
from harness.serve.page import Filters, error_page, list_page, policy

_log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "assay-serve"
REPORT = "report.html"
_LARGEST_FORM = 10_000
_MOST_RUNS = 26
_HTML = "text/html; charset=utf-8"
_SANDBOX = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Request:
    """A request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    """The pages over the runs of a directory.

    Attributes:
        compare: holds runs against the first of them.
        promotion: the session's secret, for those who may promote runs; None where nobody may.
    """

    index: RunIndex
    store: Store
    compare: Callable[[Sequence[NamedRun]], RunsCompared]
    promotion: str | None = None

    def respond(self, request: Request) -> Response:
        """Answer a request; what was asked wrongly is answered with what to do."""
        try:
            if not _is_loopback(request.headers.get("host", "")):
                problem = f"this server answers to {', '.join(LOOPBACK)}, not to {request.headers.get('host', '')!r}"
                return _failure(HTTPStatus.MISDIRECTED_REQUEST, RunError(problem, "open the address it printed"))
            return self._route(request)
        except AssayError as error:
            return _failure(HTTPStatus.BAD_REQUEST, error)
        except Exception as error:  # one page that cannot be made must not end the others
            _log.exception("%s %s", request.method, request.target)
            return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, RunError(f"{type(error).__name__}: {error}"))

    def _route(self, request: Request) -> Response:
        try:
            address = urlsplit(request.target)
        except ValueError as error:
            raise RunError(f"{request.target!r} is no address: {error}", "go back to the list of runs") from error
        query = parse_qs(address.query)
        match request.method, [unquote(part) for part in address.path.split("/")[1:]]:
            case "GET", [""]:
                return self._enter(query) if "token" in query else self._list(request, query)
            case "GET", ["runs", name]:
                return self._report(name)
            case "GET", ["compare"]:
                return self._comparison(query.get("run", []))
            case "POST", ["promote"]:
                return self._promote(request)
            case "GET", ["favicon.ico"]:
                return Response(HTTPStatus.NO_CONTENT)
        return _failure(HTTPStatus.NOT_FOUND, RunError("there is no such page", "go back to the list of runs"))

    def _enter(self, query: Mapping[str, Sequence[str]]) -> Response:
        """The address that was printed: its token becomes a cookie, and leaves the address bar."""
        if self.promotion is None or not secrets.compare_digest(query["token"][-1].encode(), self.promotion.encode()):
            return _failure(
                HTTPStatus.FORBIDDEN, RunError("this token is not of this session", "open what was printed")
            )
        cookie = f"{COOKIE}={self.promotion}; HttpOnly; SameSite=Strict; Path=/"
        return Response(HTTPStatus.SEE_OTHER, headers={"Location": "/", "Set-Cookie": cookie})

    def _list(self, request: Request, query: Mapping[str, Sequence[str]]) -> Response:
        names, note = self._baselines()
        token = self.promotion if self._may_promote(request) else None
        page = query.get("page", ["1"])[-1]
        text = list_page(
            self.index.runs(),
            filters=Filters.of(query),
            page=int(page) if page.isascii() and page.isdecimal() and len(page) < 9 else 1,
            baselines=names,
            place=str(self.index.root),
            promotion=token,
            note=note,
        )
        return _page(text)

    def _baselines(self) -> tuple[dict[str, list[str]], str]:
        names: dict[str, list[str]] = {}
        unreadable: list[AssayError] = []
        try:
            for baseline in self.store.baselines(unreadable.append):
                names.setdefault(baseline.run, []).append(baseline.name)
        except AssayError as error:
            unreadable.append(error)
        return names, "; ".join(error.problem for error in unreadable)

    def _report(self, name: str) -> Response:
        path = self.index.path(name)
        if path is None:
            return _failure(HTTPStatus.NOT_FOUND, _no_run(name))
        file = path / REPORT
        # a run from elsewhere may hold a link to anything
        if not file.is_file() or file.resolve().parent != path.resolve():
            remedy = f"write it: `assay report {path}`"
            return _failure(HTTPStatus.NOT_FOUND, RunError(f"the run {name} has no {REPORT}", remedy))
        headers = {
            "Content-Type": _HTML,
            "Content-Security-Policy": _SANDBOX,
            "Cross-Origin-Opener-Policy": "unsafe-none",  # browsers show nothing of a sandboxed page that has another
        }
        return Response(HTTPStatus.OK, file.read_bytes(), headers)

    def _comparison(self, names: Sequence[str]) -> Response:
        chosen = list(dict.fromkeys(names))
        if not 2 <= len(chosen) <= _MOST_RUNS:
            raise RunError(
                f"a comparison takes 2 to {_MOST_RUNS} runs, and {len(chosen)} were ticked", "go back and tick two"
            )
        called, _ = self._baselines()
        found = [self._complete_run(name, called) for name in chosen]
        found.sort(key=lambda one: (one.run.manifest.started, one.run.id))
        return _page(render_comparison(self.compare(found)), "default-src 'none'; style-src 'unsafe-inline'")

    def _complete_run(self, name: str, called: Mapping[str, Sequence[str]]) -> NamedRun:
        path = self.index.path(name)
        if path is None:
            raise _no_run(name)
        run = load_run(path)
        require_complete(run, "it holds a part of the evidence")
        return NamedRun(run, called.get(run.id, [name])[0])

    def _promote(self, request: Request) -> Response:
        if self.promotion is None:
            problem = "this server only shows runs"
            remedy = "start it with --allow-promote, or run `assay baseline set RUN`"
            return _failure(HTTPStatus.FORBIDDEN, RunError(problem, remedy))
        form = parse_qs(request.body.decode("utf-8", "replace")) if len(request.body) <= _LARGEST_FORM else {}
        own_origin = request.headers.get("origin") == f"http://{request.headers.get('host')}"
        token = form.get("token", [""])[-1]
        if (
            not own_origin
            or not self._may_promote(request)
            or not secrets.compare_digest(token.encode(), self.promotion.encode())
        ):
            return _failure(
                HTTPStatus.FORBIDDEN,
                RunError(
                    "a run is promoted from the list of this server only",
                    "open the address it printed, and click there",
                ),
            )
        name = form.get("run", [""])[-1]
        path = self.index.path(name)
        if path is None:
            raise _no_run(name)
        baseline = form.get("name", [DEFAULT_NAME])[-1]
        promote(load_run(path), self.store, baseline, force=form.get("reason", [""])[-1].strip() or None)
        _log.info("baseline %s: run %s", baseline, name)
        return Response(HTTPStatus.SEE_OTHER, headers={"Location": f"/?text={quote(name, safe='')}"})

    def _may_promote(self, request: Request) -> bool:
        try:
            cookie: SimpleCookie = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return False
        held = cookie[COOKIE].value if COOKIE in cookie else ""
        return self.promotion is not None and secrets.compare_digest(held.encode(), self.promotion.encode())


def new_token() -> str:
    """The secret of a session."""
    return secrets.token_urlsafe(24)


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine; the port may be that of a tunnel."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname in LOOPBACK and parts.netloc == host and parts.username is None
    except ValueError:
        return False


def _no_run(name: str) -> RunError:
    return RunError(f"there is no run {name!r} here", "go back to the list of runs")


def _page(text: str, rules: str | None = None) -> Response:
    headers = {"Content-Type": _HTML, "Content-Security-Policy": f"{rules or policy()}; frame-ancestors 'none'"}
    return Response(HTTPStatus.OK, text.encode("utf-8", "replace"), headers)


def _failure(status: HTTPStatus, error: AssayError) -> Response:
    page = _page(error_page(error))
    return Response(status, page.body, page.headers)


def with_fixed_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """What every answer says, and this one."""
    return {**_HEADERS, **headers}
