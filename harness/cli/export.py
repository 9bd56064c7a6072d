"""`assay export`: what ships, made of the candidate."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from harness.cli.arguments import path_argument


def add_export_command(commands: Any) -> None:
    """Add `export` to the commands of `assay`."""
    export = commands.add_parser("export", help="make what ships: a merged model, a quantised checkpoint, a GGUF file")
    export.add_argument(
        "candidate", metavar="CANDIDATE", help="what is to ship, as pytest takes it: an adapter, a model, or both"
    )
    export.add_argument(
        "--to", required=True, metavar="FORM",
        help="merged, nf4, int8, torchao-int8, torchao-int4, torchao-float8, gguf:TYPE (F16, Q8_0, Q4_K_M, ...) or gguf-lora",
    )  # fmt: skip
    export.add_argument("--output", required=True, type=path_argument, metavar="DIR", help="directory to make")
    export.add_argument("--model", help="the base of an adapter, as for pytest")
    export.add_argument(
        "--llama-cpp",
        type=path_argument,
        metavar="DIR",
        help="for GGUF: a checkout of llama.cpp (or ASSAY_LLAMA_CPP names it)",
    )
    export.add_argument(
        "--converter-python", metavar="PYTHON", help="for GGUF: run its converters in this environment instead"
    )
    export.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> None:
    from harness.models.export import export, parse_target
    from harness.models.export.llama_cpp import LlamaCppTools

    target = parse_target(arguments.to)
    tools = LlamaCppTools(arguments.llama_cpp)
    if arguments.converter_python:
        tools.python = arguments.converter_python
    made = export(_source(arguments.candidate, arguments.model), target, arguments.output, tools)
    print(made)


def _source(candidate: str, model: str | None) -> Any:
    from harness.config import find_config
    from harness.config.settings import make_settings
    from harness.models.export import Source
    from harness.session.model_pair import ModelPair

    settings = make_settings(find_config(None, [Path.cwd()]), model=model, candidate=candidate)
    pair = ModelPair(settings)
    subject, identity = pair.candidate, pair.identity("candidate")
    return Source(
        re.sub(r"[^\w.-]+", "-", subject.name),
        subject.weights.directory,
        None if subject.adapter is None else subject.adapter.directory,
        {"digest": identity.digest, **identity.parts},
        settings.config.integrity.allow_files,
        settings.trust_remote_code,
    )
