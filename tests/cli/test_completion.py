"""`assay completion`: what a shell makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_told_the_commands_and_where_run_ids_come_from(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("compare", "serve", "baseline", "allow-promote", "assay runs --names"):
        assert word in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_reader_who_has_enough_is_no_error() -> None:
    command = f"{sys.executable} -m harness.cli completion bash | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    (tmp_path / "assay").write_text("#!/bin/sh\nprintf 'run-1\\nrun-2\\nmain\\n'\n")
    (tmp_path / "assay").chmod(0o755)
    asked = [("comp", 1), ("compare run-", 2), ("baseline set m", 3), ("serve --allow", 2)]
    lines = [
        f"COMP_WORDS=(assay {words}); COMP_CWORD={at}; _shtab_assay; echo ${{COMPREPLY[@]}}" for words, at in asked
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(["source ./completion", *lines])],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["compare completion", "run-1 run-2", "main", "--allow-promote"]
