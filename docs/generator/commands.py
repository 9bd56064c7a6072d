"""The page of `assay`, out of its parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from generator import sources

_HEAD = """# Commands

`assay` does what needs no pytest. It exits 0 when done, 1 when `assay compare` found a regression or
`assay cache verify` damage, 2 when the command could not be carried out and 130 when interrupted.

"""


def page() -> str:
    """Every command with its `--help`."""
    sections = [
        f"## {command.prog}\n\n{summary[:1].upper()}{summary[1:]}.\n\n```text\n{command.format_help().rstrip()}\n```\n"
        for command, summary in commands(sources.command_parser())
    ]
    return _HEAD + "\n".join(sections)


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """The commands that do something, each with its summary; not those that only group others."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                inner = list(commands(command))
                yield from inner or [(command, summaries.get(name, ""))]
