"""From a spec to a directory on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AdapterError, AssayError, ModelError
from harness.models.embedded import ensure_embedded_model
from harness.models.spec import AdapterSpec, ModelSpec

# Never a pickle, never Python: what the hub may hand us of a repository.
_SAFE_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model"]


@dataclass(frozen=True)
class ResolvedModel:
    """A base model on disk. `name` is what reports and adapter configs call it."""

    name: str
    directory: Path


@dataclass(frozen=True)
class ResolvedAdapter:
    """An adapter on disk; `recipe` names what it was trained from, where known."""

    name: str
    directory: Path
    recipe: str | None = None


def resolve_model(spec: ModelSpec) -> ResolvedModel:
    """Find, or fetch, the base model.

    Raises:
        ModelError: the directory holds no safetensors model, or the hub cannot be reached.
    """
    if spec.kind == "embedded":
        return ResolvedModel(spec.value, ensure_embedded_model())
    if spec.kind == "hub":
        return ResolvedModel(spec.value, _from_hub(spec.value, ModelError, "--model"))
    directory = Path(spec.value)
    if not (directory / "config.json").is_file():
        raise ModelError(f"{directory} holds no config.json", "--model takes a directory written by save_pretrained")
    _read_json(directory / "config.json", ModelError)
    if not any(directory.glob("*.safetensors")):
        found = ", ".join(sorted(p.name for p in directory.glob("*.bin"))) or "none"
        raise ModelError(
            f"{directory} holds no .safetensors weights (pickled weights found: {found})",
            "convert the model with save_pretrained(..., safe_serialization=True); pickles are never loaded",
        )
    return ResolvedModel(_given_name(directory), directory)


def resolve_adapter(spec: AdapterSpec) -> ResolvedAdapter:
    """Find, or fetch, an adapter directory. Its contents are judged by the integrity checks, not here.

    Raises:
        AdapterError: no adapter_config.json, or the hub cannot be reached.
    """
    directory = Path(spec.value) if spec.kind == "local" else _from_hub(spec.value, AdapterError, "--adapter")
    config = directory / "adapter_config.json"
    if not config.is_file():
        raise AdapterError(f"{directory} holds no adapter_config.json", "--adapter takes a PEFT adapter directory")
    _read_json(config, AdapterError)
    recipe = directory / "recipe.json"
    name = _read_json(recipe, AdapterError).get("name") if recipe.is_file() else None
    return ResolvedAdapter(spec.value if spec.kind == "hub" else directory.name, directory, name)


def _given_name(directory: Path) -> str:
    return directory.name


def _read_json(path: Path, error: type[AssayError]) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise error(f"{path} cannot be read: {exc}", "restore the file from its source") from exc
    if not isinstance(value, dict):
        raise error(f"{path} holds {type(value).__name__}, not a JSON object", "restore the file from its source")
    return value


def _from_hub(repo_id: str, error: type[AssayError], option: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo_id, allow_patterns=_SAFE_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        first_line = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise error(
            f"{option}={repo_id} is no local directory and could not be fetched from the hub: {first_line}",
            "check the spelling and the network (HF_TOKEN for private repositories), or give a local directory",
        ) from exc
