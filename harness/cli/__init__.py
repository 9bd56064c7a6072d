"""`assay`: what can be done without pytest."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.cli.annotate import add_annotate_command
from harness.cli.arguments import path_argument
from harness.cli.cache import add_cache_command
from harness.cli.check import add_check_command, print_configuration
from harness.cli.completion import add_completion_command
from harness.cli.export import add_export_command
from harness.cli.init import add_init_command
from harness.cli.merge import add_merge_command
from harness.cli.noise import add_noise_command
from harness.cli.runs import add_run_commands, positive
from harness.cli.schema import add_schema_commands
from harness.cli.serve import add_serve_command
from harness.errors import AssayError, ConfigError, empty_value
from harness.models.quiet import quiet_imports

if TYPE_CHECKING:
    from harness.config.spec import ServedModel
    from harness.session.model_pair import ModelPair


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 1 when a command found what it looks for (a regression, damage), 2 when the command could not
        be carried out, 130 when interrupted.
    """
    given = sys.argv[1:] if argv is None else argv
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    quiet_imports()
    try:
        arguments = _parser().parse_args(given)
        _refuse_empty(given)
        answer: int | None = arguments.run(arguments)
    except AssayError as exc:
        print(f"assay: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("assay: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `assay runs | head`: who read has enough, and Python would complain once more on leaving
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as exc:  # of a path that a person named, or of a full disk: no fault of the program's
        if exc.filename is None:
            raise
        print(f"assay: {_unreachable(exc)}", file=sys.stderr)
        return 2
    return answer or 0


def _refuse_empty(given: Sequence[str]) -> None:
    """Read as nothing, an empty value would be the default; read as a path, the directory that one is in."""
    for before, argument in zip(["", *given], given, strict=False):
        if argument == "" or (argument.startswith("--") and argument.find("=") == len(argument) - 1):
            name = argument[:-1] or (before if before.startswith("-") else "an argument")
            raise empty_value(name)


def _unreachable(exc: OSError) -> AssayError:
    return AssayError(f"{exc.filename}: {exc.strerror}", "give a path that can be used, on a disk that has room")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assay", description="Release gates for fine-tuned adapters.")
    parser.add_argument("--version", action="version", version=f"adapter-assay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_check_command(commands)

    train = commands.add_parser("train", help="train a recipe's adapter, or take it from the cache")
    train.add_argument("recipe", help="name in fixtures/recipes, or path of a YAML file")
    train.add_argument("--model", help="another base than the recipe's")
    train.add_argument("--profile", help="take this profile's number of training rows")
    train.add_argument("--output", type=path_argument, help="copy the adapter, or the whole model, to this directory")
    train.add_argument(
        "--show",
        type=positive,
        metavar="ROWS",
        help="train nothing; show so many training rows as they are read, or sent",
    )
    train.add_argument(
        "--cancel", action="store_true", help="train nothing; cancel the job of a recipe of method openai"
    )
    train.set_defaults(run=_train)

    doctor = commands.add_parser("doctor", help="show this machine, and who a model and an adapter are")
    doctor.add_argument("--model", help="model spec, as for pytest")
    doctor.add_argument("--adapter", help="adapter directory or hub id")
    doctor.add_argument("--candidate", help="candidate, as for pytest")
    doctor.add_argument("--dtype", help="precision")
    doctor.add_argument("--quantization", help="none, nf4 or int8")
    doctor.set_defaults(run=_doctor)

    report = commands.add_parser("report", help="write a stored run's report.html, summary.md and junit.xml again")
    report.add_argument("run_directory", metavar="RUN", type=path_argument, help="a directory in reports/")
    report.set_defaults(run=_report)

    add_export_command(commands)
    add_merge_command(commands)
    add_init_command(commands)
    add_cache_command(commands)
    add_noise_command(commands)
    add_run_commands(commands)
    add_serve_command(commands)
    add_annotate_command(commands)
    add_schema_commands(commands)
    add_completion_command(commands, parser)
    return parser


def _train(arguments: argparse.Namespace) -> None:
    from harness.scaffold import check_new, copy_new

    if arguments.output is not None:
        check_new(arguments.output)
    pair = _model_pair(model=arguments.model, adapter=f"recipe:{arguments.recipe}", profile=arguments.profile)
    if arguments.show is not None:
        _show_rows(pair, arguments.show)
        return
    if arguments.cancel:
        _cancel(pair)
        return
    candidate = pair.candidate
    trained = pair.finder.trained
    assert trained is not None
    if arguments.output is not None:
        copy_new(trained.path, arguments.output)
    kind = "record" if candidate.is_served else "model" if candidate.adapter is None else "adapter"
    _print_facts({kind: arguments.output or trained.path, **trained.facts()})


def _cancel(pair: ModelPair) -> None:
    from harness.training import Recipe
    from harness.training.provider import cancel

    assert pair.recipe is not None
    if not (isinstance(pair.recipe, Recipe) and pair.recipe.is_provided):
        raise ConfigError(f"recipe {pair.recipe.name!r} trains here", "--cancel is of method openai: press ^C here")
    job = cancel(pair.recipe, **pair.finder.tuning)
    _print_facts({"job": job.id, "status": job.status})


def _show_rows(pair: ModelPair, count: int) -> None:
    from harness.models.loading import load_tokenizer
    from harness.training import Recipe, provider
    from harness.training.showing import shown_rows

    assert pair.recipe is not None
    if isinstance(pair.recipe, Recipe) and pair.recipe.is_provided:
        print("\n".join(provider.shown_rows(pair.recipe, count)))
        return
    tokenizer = load_tokenizer(pair.base.directory)
    for part, told in zip(pair.recipe.parts, pair.recipe.described, strict=True):
        print(*told, *shown_rows(part, tokenizer, count), sep="\n")


def _doctor(arguments: argparse.Namespace) -> None:
    from harness.models.device import library_versions, machine_facts
    from harness.paths import cache_dir

    _print_facts({**machine_facts(), "cache": cache_dir()}, "machine")
    _print_facts(library_versions(), "versions")
    if arguments.model is arguments.adapter is arguments.candidate is None:
        print_configuration()
        return
    pair = _model_pair(
        **{name: getattr(arguments, name) for name in ("model", "adapter", "candidate", "dtype", "quantization")}
    )
    base = pair.identity("base")
    _print_facts({"name": pair.base.name, **_place(pair.base.location), "digest": base.digest, **base.parts}, "base")
    if pair.settings.candidate_spec is None or not (arguments.adapter or arguments.candidate):
        return
    candidate, identity = pair.candidate, pair.identity("candidate")
    facts = {"name": candidate.name, **_place(candidate.location), "candidate digest": identity.digest}
    if candidate.adapter is not None:
        from harness.models.adapters.tensors import match_tensors

        fit = match_tensors(candidate.directory, candidate.weights.directory).describe()
        facts |= {"directory": candidate.directory, "adapter digest": identity.parts["adapter"], "fit": fit}
        record = pair.training_record
        facts |= {"trained by": record.describe()} if record is not None else {}
    else:
        facts |= identity.parts
    _print_facts(facts, "candidate" if candidate.adapter is None else "adapter")


def _place(location: Path | ServedModel) -> dict[str, Any]:
    """Where a model is; of a served one what it answers, for it is asked."""
    from harness.config.spec import ServedModel

    if not isinstance(location, ServedModel):
        return {"directory": location}
    from harness.engines.probing import probe_served

    return {"server": location.url, **probe_served(location)}


def _report(arguments: argparse.Namespace) -> None:
    from harness.runs.exporters import export_run

    export_run(arguments.run_directory)
    print(arguments.run_directory / "report.html")


def _model_pair(**given: Any) -> ModelPair:
    from harness.config import find_config
    from harness.config.settings import make_settings
    from harness.session.model_pair import ModelPair

    return ModelPair(make_settings(find_config(None, [Path.cwd()]), **given))


def _print_facts(facts: dict[str, Any], title: str = "") -> None:
    from harness.report.text import table_text

    if title:
        print(f"\n{title}")
    print(table_text([(f"  {name}", str(value)) for name, value in facts.items()]))
