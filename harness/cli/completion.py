"""`assay completion`: what a shell has to know to complete the commands, their options, and the names of runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

_RUNS = ("promoted", "runs", "annotated")
"""Arguments, by their place in what is parsed, that name runs or baselines."""
_SHELLS = ("bash", "zsh", "fish")
_EPILOG = """
bash: assay completion bash > ~/.local/share/bash-completion/completions/assay
zsh:  assay completion zsh > ~/.zfunc/_assay, with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
fish: assay completion fish > ~/.config/fish/completions/assay.fish
"""


def add_completion_command(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add `completion` to the commands of `assay`, which are those of `parser`."""
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete `assay`",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=_SHELLS)
    completion.set_defaults(run=lambda arguments: print(script(parser, arguments.shell)))


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completions of a parser in the language of a shell. Files are completed where files are meant, runs by their ids."""
    import shtab

    for action in _arguments(parser):
        if action.dest in _RUNS:
            action.complete = shtab.cmd("assay runs --names 2>/dev/null")  # type: ignore[attr-defined]
        elif (not action.choices and not action.option_strings) or action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in set(action.choices.values()):
                yield from _arguments(command)
        elif not isinstance(action, argparse._HelpAction | argparse._VersionAction):
            yield action
