"""`assay merge`: models and adapters made one, by a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.arguments import path_argument


def add_merge_command(commands: Any) -> None:
    """Add `merge` to the commands of `assay`."""
    merge = commands.add_parser("merge", help="make one model, or one adapter, of several by a recipe")
    merge.add_argument(
        "recipe", type=path_argument, metavar="RECIPE.yaml",
        help="adapters and their weights, for PEFT; or a configuration of mergekit's (merge_method)",
    )  # fmt: skip
    merge.add_argument("-o", "--output", required=True, type=path_argument, metavar="DIR", help="directory to make")
    merge.add_argument("--model", help="the base of the adapters where the recipe names none, as for pytest")
    merge.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace) -> None:
    from harness.config import find_config
    from harness.config.merge_recipe import read_merge_recipe
    from harness.config.settings import make_settings
    from harness.session.merging import merge
    from harness.session.model_pair import ModelPair

    recipe = read_merge_recipe(arguments.recipe)
    settings = make_settings(find_config(None, [Path.cwd()]), model=arguments.model)
    merge(recipe, arguments.output, ModelPair(settings))
    print(arguments.output)
