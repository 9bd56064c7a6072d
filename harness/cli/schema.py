"""`assay schema` and `assay migrate`: what assay.yaml and recipes may say, and the keys that have another name now."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.errors import ConfigError


def add_schema_commands(commands: Any) -> None:
    """Add `schema` and `migrate` to the commands of `assay`."""
    schema = commands.add_parser("schema", help="print the JSON Schema of assay.yaml, for editors")
    schema.set_defaults(run=_schema)

    migrate = commands.add_parser("migrate", help="spell the keys of an assay.yaml as they are called now")
    migrate.add_argument("file", metavar="FILE", type=Path, help="rewritten in place; comments stay")
    migrate.set_defaults(run=_migrate)

    for command in (schema, migrate):
        command.add_argument("--recipe", action="store_true", help="of a recipe instead")


def _schema(arguments: argparse.Namespace) -> None:
    from harness.config import ConfigFile
    from harness.training.recipe import recipe_schema

    print(json.dumps(recipe_schema() if arguments.recipe else ConfigFile.schema_for_editors(), indent=1))


def _migrate(arguments: argparse.Namespace) -> None:
    from harness.config import ConfigFile
    from harness.config.migrate import migrate
    from harness.paths import write_atomic
    from harness.training.recipe import RecipeFile

    file: Path = arguments.file
    if file.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{file} is no YAML file", "of a pyproject.toml rename the keys that a warning tells by hand")
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} cannot be read: {exc}", "give the path of an assay.yaml") from exc
    text, changes = migrate(text, str(file), RecipeFile if arguments.recipe else ConfigFile, ConfigError)
    for one in changes:
        print(f"{file}, line {one.line}: {one.old} -> {one.new}")
    if changes:
        write_atomic(file, text)
    else:
        print(f"{file}: every key has its present name")
