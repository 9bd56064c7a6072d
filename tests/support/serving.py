"""`transformers serve` on loopback, in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from separate import forkserver

from harness.config.spec import ServedModel

START_TIMEOUT_S = 120.0


@contextlib.contextmanager
def transformers_serve(model: Path, *, dtype: str, log: Path) -> Iterator[ServedModel]:
    """Serve the model in this directory until the block ends; skips where that cannot be done here.

    Args:
        log: file for what the server writes.
    """
    if not (importlib.util.find_spec("fastapi") and importlib.util.find_spec("uvicorn")):
        pytest.skip("the extra transformers[serving] is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--device", "cpu", "--dtype", dtype, "--host", "127.0.0.1", "--port", str(port)]
    process = forkserver().Process(target=_serve, args=([str(model), *options], log))
    process.start()
    try:
        if not _healthy(f"http://127.0.0.1:{port}/health", process):
            pytest.skip(f"transformers serve did not start: {log.read_text()[-500:]}")
        yield ServedModel(str(model), f"http://127.0.0.1:{port}/v1")
    finally:
        process.terminate()
        process.join(10)
        if process.exitcode is None:
            process.kill()
            process.join()


def _serve(arguments: Sequence[str], log: Path) -> None:
    """What the command `transformers serve` does."""
    from huggingface_hub import constants
    from transformers.cli.transformers import app

    output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    constants.HF_HUB_OFFLINE = True
    sys.argv = ["transformers", "serve", *arguments]
    app()


def _healthy(url: str, process: ForkServerProcess) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.is_alive():
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):  # the second where another process has taken the port
            time.sleep(0.05)
    return False
