"""`transformers serve` on loopback, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.config.spec import ServedModel

START_TIMEOUT_S = 120.0


@contextlib.contextmanager
def transformers_serve(model: Path, *, dtype: str, log: Path) -> Iterator[ServedModel]:
    """Serve the model in this directory until the block ends; skips where that cannot be done here.

    Args:
        log: file for what the server writes.
    """
    command = Path(sys.executable).parent / "transformers"
    if not (command.is_file() and importlib.util.find_spec("fastapi") and importlib.util.find_spec("uvicorn")):
        pytest.skip("the extra transformers[serving] is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--device", "cpu", "--dtype", dtype, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [command, "serve", model, *options],
            stdout=stream, stderr=stream, env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
    try:
        if not _healthy(f"http://127.0.0.1:{port}/health", process):
            pytest.skip(f"transformers serve did not start: {log.read_text()[-500:]}")
        yield ServedModel(str(model), f"http://127.0.0.1:{port}/v1")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
