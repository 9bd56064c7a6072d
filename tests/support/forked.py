"""Processes of pytest forked from one that has the heavy libraries, in place of started ones that import them each time."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from execnet import gateway_io
from execnet.gateway_base import ExecModel, Popen2IO
from separate import DEADLINE_S, forkserver


def run_pytest(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """As `pytester.runpytest_subprocess`; distributions on the PYTHONPATH of now are found."""
    started = time.perf_counter()
    files = pytester.path / "stdout.txt", pytester.path / "stderr.txt"
    process = forkserver().Process(target=_run_pytest, args=(*files, arguments, pytester.path, dict(os.environ)))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode is not None, "it hangs"
    output, errors = (file.read_text().splitlines() for file in files)
    return pytest.RunResult(process.exitcode, output, errors, time.perf_counter() - started)


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """While open, a run of pytest in this process forks its `-n` workers: as separate as ever, and there at once."""
    with mock.patch.object(gateway_io, "Popen2IOMaster", _ForkedIO):
        yield


class _ForkedIO(Popen2IO):
    """Stands in for execnet's `Popen2IOMaster`: a pipe to the standard input of a process, one from its output."""

    def __init__(self, args: Sequence[str], execmodel: ExecModel) -> None:
        child_input, to_child = os.pipe()
        from_child, child_output = os.pipe()
        ends = Connection(child_input, writable=False), Connection(child_output, readable=False)
        self._process = forkserver().Process(target=_interpret, args=(*ends, args[-1], Path.cwd(), dict(os.environ)))
        self._process.start()
        for end in ends:
            end.close()
        super().__init__(os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb"), execmodel=execmodel)

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _interpret(stdin: Connection, stdout: Connection, code: str, directory: Path, environ: Mapping[str, str]) -> None:
    """What `python -c CODE` does."""
    os.dup2(stdin.fileno(), 0)
    os.dup2(stdout.fileno(), 1)
    stdin.close()
    stdout.close()
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    _settle(directory, environ)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(code, namespace)


def _run_pytest(
    stdout: Path, stderr: Path, arguments: Sequence[str], directory: Path, environ: Mapping[str, str]
) -> None:
    for number, file in enumerate((stdout, stderr), start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
    _settle(directory, environ)
    ours = str(Path(__file__).parent)  # a started process would not have it; a worker of xdist has it twice
    sys.path[:] = [*environ.get("PYTHONPATH", "").split(os.pathsep), *(one for one in sys.path if one != ours)]
    raise SystemExit(int(pytest.main([*arguments])))


def _settle(directory: Path, environ: Mapping[str, str]) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    random.seed()  # forks would draw the same numbers
    gc.freeze()  # looking for garbage among the libraries would copy all their pages
