"""Trains a recipe in several processes, all of which end with the one that asked for it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import RecipeError
from harness.training.configs import share_of_step
from harness.training.launch import Launch
from harness.training.launched import Failure, Job
from harness.training.log import TrainingLog
from harness.training.recipe import Recipe

BUILD_TIMEOUT_S = 600.0
"""How long another process may take to compile what DeepSpeed needs."""
_POLL_S = 0.2
_GRACE_S = 20.0


def fit_launched(
    recipe: Recipe, *, launch: Launch, base_path: str, work_dir: Path, adapter_dir: Path, start: Path | None = None
) -> TrainingLog:
    """As `harness.training.trainer.fit`, in as many processes as the recipe says, started as torchrun starts them.

    Raises:
        RecipeError: one of them failed or was killed, and with it the others ended; or DeepSpeed is not there, or would wait for
            a lock that nobody holds.
    """
    share_of_step(recipe, launch)  # what cannot be divided is refused before anything is started
    if launch.deepspeed is not None:
        _check_deepspeed(recipe)
    with TemporaryDirectory(prefix="assay-launch-") as scratch:
        directory = Path(scratch)
        Job(recipe, base_path, work_dir, adapter_dir, start).write(directory)
        code = _run(directory, launch)
        if code:
            raise _told(recipe, launch, directory, code)
    return TrainingLog.read(adapter_dir)


def _run(directory: Path, launch: Launch) -> int:
    threads = max(1, (os.cpu_count() or 1) // launch.processes)
    environment = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", **os.environ}
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, *sys.path, environment.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "harness.training.launched", str(directory)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    try:
        return started.wait()
    finally:
        if started.stdin is not None:
            started.stdin.close()  # which all of them wait for
        if started.poll() is None:
            _end(started)


def _end(started: subprocess.Popen[bytes]) -> None:
    started.terminate()
    try:
        started.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def _told(recipe: Recipe, launch: Launch, directory: Path, code: int) -> RecipeError:
    failure = Failure.first(directory) or Failure(0, code)
    which = f"recipe {recipe.name!r}: process {failure.rank} of {launch.processes}"
    if failure.problem:
        return RecipeError(
            f"{which}: {failure.problem}", failure.remedy or "what Python says of it stands above; report it"
        )
    how = (
        f"was killed by signal {-failure.exit_code}"
        if failure.exit_code < 0
        else f"ended with code {failure.exit_code}"
    )
    return RecipeError(
        f"{which} {how}, and the others were ended with it",
        "see that memory suffices for all of them (launch.processes); the next training goes on from the last checkpoint",
    )


def _check_deepspeed(recipe: Recipe) -> None:
    if importlib.util.find_spec("deepspeed") is None:
        raise RecipeError(
            f"recipe {recipe.name!r}: launch.deepspeed is given, and DeepSpeed is not installed",
            "pip install setuptools wheel ninja, then DS_BUILD_OPS=0 pip install --no-build-isolation 'adapter-assay[deepspeed]'",
        )
    await_builds(BUILD_TIMEOUT_S)


def await_builds(timeout_s: float) -> None:
    """Wait until nobody compiles extensions of torch's, as DeepSpeed does at its first start.

    A compilation that was killed leaves its lock, for which torch would wait for ever.

    Raises:
        RecipeError: a lock was there all the time.
    """
    from torch.utils.cpp_extension import get_default_build_root

    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root())
    started_s = time.monotonic()
    while locks := sorted(root.glob("**/lock")):
        if time.monotonic() - started_s >= timeout_s:
            raise RecipeError(
                f"{locks[0]} has been there for {timeout_s:.0f} s: an extension of DeepSpeed's is being compiled, or was "
                "when the compiler was killed",
                f"where no other process compiles, remove it: rm {locks[0]}",
            )
        time.sleep(_POLL_S)
