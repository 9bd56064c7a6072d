"""`assay schema` and `assay migrate`: what assay.yaml and recipes may say, and the keys that have another name now."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.cli.arguments import path_argument
from harness.errors import ConfigError


def add_schema_commands(commands: Any) -> None:
    """Add `schema` and `migrate` to the commands of `assay`."""
    schema = commands.add_parser("schema", help="print the JSON Schema of assay.yaml, for editors")
    schema.set_defaults(run=_schema)

    migrate = commands.add_parser("migrate", help="spell the keys of an assay.yaml as they are called now")
    migrate.add_argument("file", metavar="FILE", type=path_argument, help="rewritten in place; comments stay")
    migrate.set_defaults(run=_migrate)

    for command in (schema, migrate):
        command.add_argument("--recipe", action="store_true", help="of a recipe instead")


def _schema(arguments: argparse.Namespace) -> None:
    print(json.dumps(_document(arguments.recipe), indent=1))


def _document(recipe: bool) -> dict[str, Any]:
    from harness.training.recipe_schema import recipe_schema

    return recipe_schema() if recipe else config_schema()


def config_schema() -> dict[str, Any]:
    """The JSON Schema of assay.yaml, with the keys of every kind of task and every kind of rule that is registered."""
    from harness.config import ConfigFile
    from harness.gates.config import gate_keys
    from harness.gates.kinds import KINDS
    from harness.tasks.kinds import TASK_KINDS

    schema = ConfigFile.schema_for_editors()
    gate = gate_keys().schema_for_editors()
    del gate["$schema"]
    schema["$defs"]["gate"] = {**gate, "oneOf": [{"required": [kind.name]} for kind in KINDS]}
    mapping = {kind.name: f"#/$defs/tasks.{kind.name}" for kind in TASK_KINDS}
    for kind in TASK_KINDS:
        keys = kind.keys.schema_for_editors()
        del keys["$schema"]
        schema["$defs"] |= keys.pop("$defs", {})
        keys["properties"]["kind"]["const"] = kind.name
        keys["properties"]["gates"] |= {"type": ["array", "null"], "items": {"$ref": "#/$defs/gate"}}
        schema["$defs"][f"tasks.{kind.name}"] = keys
    schema["properties"]["tasks"]["additionalProperties"] = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }
    return schema


def _migrate(arguments: argparse.Namespace) -> None:
    from harness.config import ConfigFile
    from harness.config.migrate import migrate
    from harness.paths import read_text_file, write_atomic
    from harness.training.recipe import RecipeFile

    file: Path = arguments.file
    if file.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{file} is no YAML file", "of a pyproject.toml rename the keys that a warning tells by hand")
    wanted = "a recipe" if arguments.recipe else "an assay.yaml"
    text = read_text_file(file, ConfigError, f"give the path of {wanted}", keep_line_ends=True)
    model = RecipeFile if arguments.recipe else ConfigFile
    text, changes = migrate(text, str(file), model, _document(arguments.recipe), ConfigError)
    for one in changes:
        print(f"{file}, line {one.line}: {one.old} -> {one.new}")
    if changes:
        write_atomic(file.resolve(), text)  # of a link the file that it names
    else:
        print(f"{file}: every key has its present name")
