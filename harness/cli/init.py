"""`assay init`: a project to start from, of one's own table or of the package's example."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cli.arguments import path_argument
from harness.config.spec import EMBEDDED_NAME
from harness.errors import ConfigError

_KINDS = ("classification", "exact_match", "generation")


def add_init_command(commands: Any) -> None:
    """Add `init` to the commands of `assay`."""
    init = commands.add_parser(
        "init",
        help="write a project to start from: a task with gates, a recipe, suites/ and a CI workflow",
        epilog="without a file it takes a small example, which runs as it is",
    )
    init.add_argument("directory", nargs="?", type=path_argument, default=Path(), help="default: here")
    tables = init.add_mutually_exclusive_group()
    for option in ("--from-csv", "--from-jsonl"):
        tables.add_argument(
            option, dest="table", type=path_argument, metavar="FILE", help="rows to train on and to hold out"
        )
    tables.add_argument(
        "--full", action="store_true", help="write all that ships instead: a commented assay.yaml, fixtures/"
    )
    init.add_argument(
        "--text", metavar="COLUMN", help="what is asked; neither this nor --label where rows are conversations"
    )
    init.add_argument("--label", metavar="COLUMN", help="the right answer: a label or a text")
    init.add_argument("--kind", choices=_KINDS, help="of the task (default: by the answers)")
    init.add_argument("--model", metavar="BASE", help=f"base model, as for pytest (default: {EMBEDDED_NAME})")
    init.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> None:
    if arguments.full:
        _check_alone(arguments, ("text", "label", "kind", "model"), "--full", "leave it out")
        _write_all(arguments.directory)
        return
    if arguments.table is None:
        _check_alone(arguments, ("text", "label", "kind"), "no file", "name the file by --from-csv or --from-jsonl")
    from harness.starter import start_project

    start = start_project(
        arguments.directory,
        arguments.table,
        text=arguments.text,
        label=arguments.label,
        kind=arguments.kind,
        model=arguments.model or EMBEDDED_NAME,
    )
    for path in start.files:
        print(path)
    counts = ", ".join(f"{count} rows to {purpose}" for purpose, count in _purposes(start.counts))
    print(f"\ntask {start.task} ({start.kind}): {counts}")
    _print_next(arguments.directory)


def _purposes(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    names = {"train": "train on", "validation": "judge checkpoints by", "test": "hold out"}
    return [(names[part], count) for part, count in counts.items()]


def _check_alone(arguments: argparse.Namespace, options: tuple[str, ...], given: str, remedy: str) -> None:
    for option in options:
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option} says something of a table, and {given} was given", remedy)


def _write_all(directory: Path) -> None:
    from harness.scaffold import write_scaffold

    for path in write_scaffold(directory):
        print(path)
    print()
    _print_next(directory)


def _print_next(directory: Path) -> None:
    there = f"cd {directory} && " if directory != Path() else ""
    print(f"next: {there}assay check && pytest suites/")
