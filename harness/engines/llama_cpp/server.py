"""A llama.cpp server for one model: started when it is first asked, the same for all who ask, ended with this process."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import logging
import os
import secrets
import select
import subprocess
import sys
import threading
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.spec import ServedModel
from harness.engines.llama_cpp.spec import GgufModel
from harness.engines.server.client import open_client
from harness.errors import ConfigError, EngineError
from harness.paths import cache_dir

if TYPE_CHECKING:
    from openai import OpenAI

log = logging.getLogger(__name__)

PACKAGE = "xllamacpp"
_WORKER = Path(__file__).with_name("worker.py")
_LOGS_KEPT = 20
_START_TIMEOUT_S = 600.0  # a large model is read from a slow disk
_END_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 600.0
_MOST_BYTES = 256 << 20  # the log-probabilities of a whole vocabulary
_RESTARTS = 1
_TAIL_CHARS = 400
_LIVING: set[subprocess.Popen[bytes]] = set()


def llama_cpp_version() -> str:
    """The version of what runs GGUF files.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            "GGUF files are run by llama.cpp, which is not installed", "pip install 'adapter-assay[llama-cpp]'"
        )
    return f"{PACKAGE} {version(PACKAGE)}"


@cache
def server_of(model: GgufModel, slots: int) -> LlamaCppServer:
    """The one server of this process for a model."""
    return LlamaCppServer(model, slots)


class LlamaCppServer:
    """A server process on a port of loopback that is free; what it says goes to a file in the cache's `llama-cpp/`.

    It ends with this process, however that ends. One that dies is started again, once.

    Args:
        slots: requests that it answers at once.
    """

    def __init__(self, model: GgufModel, slots: int) -> None:
        self._model = model
        self._slots = slots
        self._starts = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: OpenAI | None = None
        self.log_file: Path | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server's process, once it was started."""
        return self._process

    @property
    def client(self) -> OpenAI:
        """A client of the running server; starts it where it does not run.

        Raises:
            ConfigError: llama.cpp is not installed.
            EngineError: it does not start, or died again after it was started again.
        """
        with self._lock:
            if self._client is None or self._process is None or self._process.poll() is not None:
                if self._starts > _RESTARTS:
                    raise self._failed("died again after it was started again")
                if self._starts:
                    log.warning("llama.cpp's server died and is started again; what it said last: %s", self._tail())
                self._starts += 1
                self._client = open_client(
                    ServedModel(self._model.path.name, self._start()),
                    timeout_s=_ANSWER_TIMEOUT_S,
                    most_bytes=_MOST_BYTES,
                )
            return self._client

    def stop(self) -> None:
        """End the process; a later request starts it again, as if for the first time."""
        with self._lock:
            if self._process is not None:
                _end(self._process)
            self._process = self._client = None
            self._starts = 0

    def _start(self) -> str:
        llama_cpp_version()
        model = self._model
        settings = {
            "model": str(model.path),
            "loras": [(str(lora.path), lora.scale) for lora in model.loras],
            "template": None if model.template is None else model.template.read_text(encoding="utf-8"),
            "context": model.context_tokens,
            "slots": self._slots,
            "threads": _threads(),
        }
        self.log_file = _new_log()
        with self.log_file.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream
            )
        self._process = process
        _LIVING.add(process)
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        address = _address(process)
        if address is None:
            _end(process)
            raise self._failed("does not start")
        return address

    def _failed(self, how: str) -> EngineError:
        return EngineError(
            f"llama.cpp's server for {self._model.path.name} {how}: {self._tail()}",
            f"all that it said is in {self.log_file}; see that the file is whole, that this version of llama.cpp "
            "knows its architecture, and that there is memory for it (a shorter ?context=TOKENS takes less)",
        )

    def _tail(self) -> str:
        """The last errors in its log, or its last words."""
        if self.log_file is None:
            return ""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line.split(" E ", 1)[1] for line in lines if " E " in line]
        return "; ".join(errors or lines[-3:])[-_TAIL_CHARS:]


def _threads() -> int:
    """As torch counts them: as the environment says, else one for each processor that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _address(process: subprocess.Popen[bytes]) -> str | None:
    """Where it listens, once the model is loaded; None where it ends before or takes too long."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], _START_TIMEOUT_S)
    line = process.stdout.readline() if readable else b""
    return str(json.loads(line)["address"]) if line else None


@atexit.register
def _end_all() -> None:
    for process in list(_LIVING):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
    _LIVING.discard(process)


def _new_log() -> Path:
    directory = cache_dir() / "llama-cpp"
    directory.mkdir(parents=True, exist_ok=True)
    for old in sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime)[: -_LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    return directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.log"


def stop_all() -> None:
    """End every server of this process."""
    server_of.cache_clear()
    _end_all()
