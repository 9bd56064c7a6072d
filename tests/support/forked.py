"""Processes of ours forked from one that has the heavy libraries, in place of started ones that import them each time."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
    ended = run(partial(_pytest, arguments), pytester.path)
    output, errors = ended.output.splitlines(), ended.errors.splitlines()
    return pytest.RunResult(ended.code, output, errors, time.perf_counter() - started)


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit code, and what it wrote to standard output and standard error."""

    code: int
    output: str
    errors: str


def run(program: Callable[[], int], directory: Path, *, site: Path | None = None) -> Ended:
    """A program in a process of its own that starts in `directory`.

    Args:
        program: found by its name in a module of this directory.
        site: where another `harness` is installed, in place of ours.
    """
    files = directory / "stdout.txt", directory / "stderr.txt"
    process = forkserver().Process(target=_run, args=(*files, program, directory, dict(os.environ), site))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode is not None, "it hangs"
    return Ended(process.exitcode, *(file.read_text() for file in files))


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


def _run(
    stdout: Path,
    stderr: Path,
    program: Callable[[], int],
    directory: Path,
    environ: Mapping[str, str],
    site: Path | None,
) -> None:
    for number, file in enumerate((stdout, stderr), start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
    _settle(directory, environ)
    ours = str(Path(__file__).parent)  # a started process would not have it; a worker of xdist has it twice
    sys.path[:] = [*environ.get("PYTHONPATH", "").split(os.pathsep), *(one for one in sys.path if one != ours)]
    if site is not None:
        sys.path.insert(0, str(site))
        for name in [name for name in sys.modules if name.partition(".")[0] == "harness"]:
            del sys.modules[name]
    ended = program()
    assert site is None or sys.modules["harness"].__file__ == str(site / "harness" / "__init__.py")
    raise SystemExit(ended)


def _pytest(arguments: Sequence[str]) -> int:
    return int(pytest.main([*arguments]))


def assay(commands: Sequence[str]) -> int:
    """These commands in one process, up to the first that fails."""
    from harness.cli import main

    return next(filter(None, (main(command.split()) for command in commands)), 0)


def _settle(directory: Path, environ: Mapping[str, str]) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    random.seed()  # forks would draw the same numbers
    gc.freeze()  # looking for garbage among the libraries would copy all their pages
