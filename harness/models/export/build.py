"""One export, all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.models.export.checkpoints import write_quantized
from harness.models.export.llama_cpp import LlamaCppTools, version_of
from harness.models.export.merging import write_merged
from harness.models.export.source import Source
from harness.models.export.target import Target
from harness.models.provenance import new_directory, refuse_existing, write_record

RECORD = "assay-export.json"
_PACKAGES = ("bitsandbytes", "torchao", "gguf")


def export(source: Source, target: Target, output: Path, tools: LlamaCppTools | None = None) -> Path:
    """Make a directory with what ships, and the record of what it was made of and how.

    Args:
        output: must not exist.
        tools: for GGUF files.

    Returns:
        The directory, or the GGUF file in it.

    Raises:
        AssayError: it cannot be made; nothing is left behind then.
    """
    tools = tools or LlamaCppTools()
    _check(source, target, output, tools)
    with new_directory(output) as made:
        work = made.parent / "work"
        file = _make(source, target, made, work, tools)
        versions = {"llama.cpp": version_of(tools.commands)} if tools.commands else None
        write_record(made, RECORD, _facts(source, target, tools, made.parent), packages=_PACKAGES, versions=versions)
    return output / file


def _check(source: Source, target: Target, output: Path, tools: LlamaCppTools) -> None:
    refuse_existing(output)
    if source.adapter is None and target.kind in ("merged", "gguf-lora"):
        raise ConfigError(
            f"--to={target}: {source.name} has no adapter", "name an adapter, or export the model as another form"
        )
    if target.kind.startswith("gguf"):
        tools.check(target.kind, target.type)


def _make(source: Source, target: Target, made: Path, work: Path, tools: LlamaCppTools) -> str:
    """Write the files.

    Returns:
        The name of the one that is the model, where it is one.
    """
    if target.kind == "gguf-lora":
        name = f"{source.name}-lora.gguf"
        tools.convert_lora(source, made / name, work)
        return name
    if target.kind == "merged":
        write_merged(source, made)
        return ""
    model = source.base
    if source.adapter is not None:
        model = work
        write_merged(source, work)
    if target.kind == "gguf":
        name = f"{source.name}-{target.type}.gguf"
        tools.convert_model(model, made / name, target.type)
        return name
    write_quantized(model, target, made, trust_remote_code=source.trust_remote_code)
    return ""


def _facts(source: Source, target: Target, tools: LlamaCppTools, scratch: Path) -> dict[str, Any]:
    steps = (
        []
        if source.adapter is None or target.kind == "gguf-lora"
        else ["merged in float32 (PEFT, safe_merge), held against the adapter"]
    )
    commands = [
        " ".join(Path(part).name if str(scratch) in part else part for part in command) for command in tools.commands
    ]
    if target.kind in ("nf4", "int8", "torchao"):
        steps.append(f"quantised to {target}, nothing computed before it was saved")
    return {
        "target": str(target),
        "source": {"name": source.name, **source.identity},
        "steps": [*steps, *commands],
    }
