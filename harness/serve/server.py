"""The pages of `assay serve` over HTTP, on this machine's loopback address and no other."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from harness.errors import ConfigError
from harness.serve.app import App, Request, Response, with_fixed_headers

_log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
_IDLE_S = 30
_LARGEST_BODY = 20_000


class RunServer(ThreadingHTTPServer):
    """Serves an app; a request is answered in a thread of its own."""

    daemon_threads = True

    def __init__(self, app: App, port: int) -> None:
        self.app = app
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"cannot listen on {ADDRESS}:{port}: {reason}", "give another port: --port N") from error

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever closes a page that is still being sent is no error; the app has told of all others."""
        _log.debug("the connection of %s was lost", client_address, exc_info=True)

    @property
    def url(self) -> str:
        """Where the list is; for those who may promote, with the session's token."""
        entry = f"?token={self.app.promotion}" if self.app.promotion else ""
        return f"http://{ADDRESS}:{self.server_port}/{entry}"

    def serve_until_interrupted(self) -> None:
        """Answer until Ctrl-C. The runs are read meanwhile, so that the first page need not wait for all of them."""
        Thread(target=self.app.index.runs, daemon=True).start()
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: RunServer
    server_version, sys_version = "assay", ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("GET", body=False)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            self._send(Response(HTTPStatus.LENGTH_REQUIRED))
        elif int(length) > _LARGEST_BODY:
            self._send(Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
        else:
            self._answer("POST", self.rfile.read(int(length)))

    def _answer(self, method: str, content: bytes = b"", *, body: bool = True) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if len(self.headers.get_all("Host") or ()) != 1:
            headers["host"] = ""  # which of several is meant must not be a matter of who reads them
        self._send(self.server.app.respond(Request(method, self.path, headers, content)), body=body)

    def _send(self, response: Response, *, body: bool = True) -> None:
        self.send_response(response.status)
        for name, value in with_fixed_headers(response.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if body:
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        _log.debug(format, *args)
