"""Commands in README and docs exist, with the options they are given."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from documents import PAGES, ROOT, blocks, spans
from generator.commands import commands
from generator.sources import command_parser

from harness.cli import main

CHEAP = ("assay init", "assay cache stats", "assay runs")
COMMANDS = [
    pytest.param(block.page, command, id=f"{block.id}-{command}")
    for block in blocks("console")
    for command in block.commands
]
# `PROGRAM ...` within prose; an ellipsis or a placeholder's bracket is not to be typed
NAMED = [
    pytest.param(page, span, id=f"{page.name}-{span}")
    for page in PAGES
    for span in sorted(spans(page))
    if span.startswith(("assay ", "pytest ", "make ", "python -m "))
]


@pytest.mark.parametrize(("page", "command"), COMMANDS + NAMED)
def test_a_command_exists_with_its_options(
    page: Path, command: str, known_options: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program, *arguments = shlex.split(command, comments=True)
    options = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    match Path(program).name:
        case "pytest":
            assert options <= known_options
        case "assay":
            with pytest.raises(SystemExit) as stopped:
                main([*arguments, "--help"])
            assert stopped.value.code == 0, capsys.readouterr().err
            shown = capsys.readouterr().out.replace(",", " ").replace("[", " ").replace("]", " ").split()
            assert options <= set(shown)
        case "make":
            assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text()
        case "python" | "python3":
            assert _is_program(arguments), f"{page}: {command} names no program of this repository"
        case _:
            assert program in ("git", "cd")


def _is_program(arguments: list[str]) -> bool:
    if arguments[0] != "-m":
        return (ROOT / arguments[0]).is_file()
    module = Path(*arguments[1].split("."))
    return arguments[1] in ("venv", "pip") or any(
        (ROOT / path).is_file() for path in (module.with_suffix(".py"), module / "__main__.py")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_option_named_in_prose_exists(
    page: Path, known_options: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    of_assay = {name for command, _ in commands(command_parser()) for name in command._option_string_actions}
    of_benchmarks = {"--only", "--list", "--output", "--tiny", "--random", "--clock"}
    named = {span.split("=")[0].split()[0] for span in spans(page) if span.startswith("--") and "NAME" not in span}
    assert named <= known_options | of_assay | of_benchmarks


@pytest.mark.parametrize("command", CHEAP)
def test_a_cheap_command_of_the_pages_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command in {str(case.values[1]) for case in COMMANDS}
    monkeypatch.chdir(tmp_path)
    assert main(command.split()[1:]) == 0
