"""One export, all of it or nothing."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__
from harness.digests import digest_file
from harness.errors import ConfigError
from harness.models.export.checkpoints import write_quantized
from harness.models.export.llama_cpp import LlamaCppTools, version_of
from harness.models.export.merging import write_merged
from harness.models.export.source import Source
from harness.models.export.target import Target

RECORD = "assay-export.json"
_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "torchao", "safetensors", "gguf")


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
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        made, work = Path(scratch) / "made", Path(scratch) / "work"
        made.mkdir()
        file = _make(source, target, made, work, tools)
        record = _record(source, target, made, tools, scratch)
        (made / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        made.rename(output)
    return output / file


def _check(source: Source, target: Target, output: Path, tools: LlamaCppTools) -> None:
    if output.exists():
        raise ConfigError(f"{output} exists already", "give a directory that does not exist yet")
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


def _record(source: Source, target: Target, made: Path, tools: LlamaCppTools, scratch: str) -> dict[str, Any]:
    steps = []
    if source.adapter is not None and target.kind != "gguf-lora":
        steps.append("merged in float32 (PEFT, safe_merge), held against the adapter")
    commands = [
        " ".join(Path(part).name if scratch in part else part for part in command) for command in tools.commands
    ]
    if target.kind in ("nf4", "int8", "torchao"):
        steps.append(f"quantised to {target}, nothing computed before it was saved")
    versions = {name: found for name in _PACKAGES if (found := _version(name)) is not None}
    if commands:
        versions["llama.cpp"] = version_of(tools.commands)
    return {
        "schema": 1,
        "made_by": f"adapter-assay {__version__}",
        "target": str(target),
        "source": {"name": source.name, **source.identity},
        "steps": [*steps, *commands],
        "versions": versions,
        "files": {path.name: digest_file(path) for path in sorted(made.iterdir()) if path.is_file()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
