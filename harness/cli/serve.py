"""`assay serve`: the runs of a directory in a browser."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from harness.cli.runs import STORE_HELP
from harness.errors import RunError
from harness.runs.storage import open_store

_PORT = 8765
_EPILOG = "listens on 127.0.0.1 alone; from another machine, `ssh -L 8765:localhost:8765 HOST`. Ctrl-C ends it"


def add_serve_command(commands: Any) -> None:
    """Add `serve` to the commands of `assay`."""
    serve = commands.add_parser("serve", help="show the runs in a browser: list, filter, compare", epilog=_EPILOG)
    serve.add_argument("reports_dir", metavar="DIR", nargs="?", help="the runs (default: reports/)")
    serve.add_argument("--port", type=_port, default=_PORT, help=f"default: {_PORT}; 0 takes any free one")
    serve.add_argument(
        "--allow-promote", action="store_true", help="whoever opens the address printed may promote runs"
    )
    serve.add_argument("--store", help=STORE_HELP.format("with the runs"))
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text:.20} is no port: they go from 0 to {(1 << 16) - 1}")
    return number


def _serve(arguments: argparse.Namespace) -> None:
    from harness.cli.runs import compared_by, settings_of
    from harness.serve.app import App, new_token
    from harness.serve.index import RunIndex
    from harness.serve.server import RunServer

    settings = settings_of(arguments)
    root: Path = settings.reports_dir
    if not root.is_dir():
        raise RunError(f"{root} is no directory", "give the directory that holds the runs: `assay serve DIR`")
    token = new_token() if arguments.allow_promote else None
    app = App(
        RunIndex(root),
        open_store(settings.store, to_write=token is not None),
        partial(compared_by, settings.config),
        token,
    )
    server = RunServer(app, arguments.port)
    print(f"runs of {root}: {server.url}", flush=True)
    server.serve_until_interrupted()
