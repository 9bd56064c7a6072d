"""From a spec to a directory on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.config.spec import AdapterSpec, ModelSpec, ServedModel
from harness.errors import AdapterError, AssayError, ModelError, first_line
from harness.json_files import read_json_object
from harness.models.adapters.contents import CONFIG, WEIGHTS, is_lfs_pointer, lfs_pull, what_lies_there
from harness.models.adapters.files import read_adapter_config
from harness.models.embedded import embedded_directory, ensure_embedded_model
from harness.models.trainers.registry import as_peft, refusal
from harness.models.weight_files import weight_map
from harness.paths import show_size

_RESTORE = "restore the file from its source"
_TEXTS = frozenset({".json", ".jinja", ".txt", ".model", ".yaml", ".md"})
_MOST_TEXT_BYTES = 1 << 29
# Never a pickle: what the hub may hand us of a repository.
_SAFE_FILES = [
    "*.safetensors",
    "*.safetensors.index.json",
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "*.yaml",
    "README.md",
]


@dataclass(frozen=True)
class ResolvedModel:
    """A model: on disk, or served. `name` is what reports and adapter configs call it, and `recipe` names what all of its
    weights were trained from, where known. `trained` is where what tells of that training lies, of one that is served."""

    name: str
    location: Path | ServedModel
    recipe: str | None = None
    trained: Path | None = None

    @property
    def is_served(self) -> bool:
        """Whether only its answers can be had."""
        return isinstance(self.location, ServedModel)

    @property
    def directory(self) -> Path:
        """Where its files are.

        Raises:
            ModelError: it is served: only its answers can be had.
        """
        if isinstance(self.location, ServedModel):
            raise ModelError(
                f"{self.location} is served: its files are not at hand",
                "pass --model=DIRECTORY, or --candidate=DIRECTORY",
            )
        return self.location


@dataclass(frozen=True)
class ResolvedAdapter:
    """An adapter on disk; `recipe` names what it was trained from, where known, and `origin` what it was converted from."""

    name: str
    directory: Path
    recipe: str | None = None
    origin: Path | None = None

    @property
    def as_left(self) -> Path:
        """The directory as its trainer left it: its files, where `directory` holds what was made of them for PEFT."""
        return self.origin or self.directory


def resolve_model(spec: ModelSpec, *, trust_remote_code: bool = False) -> ResolvedModel:
    """Find, or fetch, a model.

    Args:
        trust_remote_code: fetch the repository's Python files too.

    Raises:
        ModelError: the directory holds no safetensors model, or Git LFS's pointers in its place, or the hub cannot be reached.
    """
    if spec.served is not None:
        return ResolvedModel(spec.served.name, spec.served)
    if spec.kind == "embedded":
        return ResolvedModel(spec.value, ensure_embedded_model())
    directory = find_directory(spec, ModelError, "--model", code=trust_remote_code)
    weight_map(directory)
    if spec.kind == "hub":
        return ResolvedModel(_hub_name(spec), directory)
    _refuse_lfs_pointers(directory, ModelError)
    if not (directory / "config.json").is_file():
        raise ModelError(f"{directory} holds no config.json", "--model takes a directory written by save_pretrained")
    read_json_object(directory / "config.json", ModelError, _RESTORE)
    if not any(directory.glob("*.safetensors")):
        found = ", ".join(sorted(p.name for p in directory.glob("*.bin"))) or "none"
        raise ModelError(
            f"{directory} holds no .safetensors weights (pickled weights found: {found})",
            "convert the model with save_pretrained(..., safe_serialization=True); pickles are never loaded",
        )
    return ResolvedModel(directory.name, directory, _trained_from(directory, ModelError))


def find_directory(spec: ModelSpec | AdapterSpec, error: type[AssayError], option: str, *, code: bool = False) -> Path:
    """Where the files are of what is local or in the hub, fetched now if need be."""
    return Path(spec.value) if spec.kind == "local" else _from_hub(spec, error, option, code=code)


def _hub_name(spec: ModelSpec | AdapterSpec) -> str:
    """As it is written."""
    return "/".join(filter(None, (f"{spec.value}@{spec.revision}" if spec.revision else spec.value, spec.subfolder)))


def is_at_hand(spec: ModelSpec) -> bool:
    """Whether resolving the model fetches and unpacks nothing."""
    if spec.kind == "embedded":
        return embedded_directory().is_dir()
    if spec.kind != "hub":
        return True
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        snapshot_download(spec.value, revision=spec.revision, allow_patterns=_SAFE_FILES, local_files_only=True)
    except LocalEntryNotFoundError:
        return False
    return True


def resolve_adapter(spec: AdapterSpec) -> ResolvedAdapter:
    """Find, or fetch, an adapter directory. Its contents are judged by the integrity checks, not here.

    Raises:
        AdapterError: no adapter_config.json, or one that cannot be read in one way, or Git LFS's pointers in place of files,
            or the hub cannot be reached.
    """
    directory = find_directory(spec, AdapterError, "--adapter")
    _refuse_lfs_pointers(directory, AdapterError)
    made = as_peft(directory) if directory.is_dir() else None
    if made is None and not (directory / WEIGHTS).is_file() and (said := refusal(directory)) is not None:
        raise said
    if made is None and not (directory / CONFIG).is_file():
        raise what_lies_there(directory)
    read_adapter_config(made or directory)
    name = _hub_name(spec) if spec.kind == "hub" else directory.name
    trained_from = _trained_from(directory, AdapterError)
    return ResolvedAdapter(name, made or directory, trained_from, None if made is None else directory)


def _trained_from(directory: Path, error: type[AssayError]) -> str | None:
    """The recipe that lies beside what was trained from it."""
    recipe = directory / "recipe.json"
    return str(read_json_object(recipe, error, _RESTORE).get("name")) if recipe.is_file() else None


def _refuse_lfs_pointers(directory: Path, error: type[AssayError]) -> None:
    """Weights, tokenizers, templates and configurations alike: a clone without Git LFS may lack any of them. Links to nothing
    too."""
    stored = sorted(path for pattern in _SAFE_FILES for path in directory.glob(pattern))
    for path in stored:
        if not path.is_file():
            raise error(f"{path} is a link to a file that is not there, or no file", _RESTORE)
        if path.suffix in _TEXTS and (size := path.stat().st_size) > _MOST_TEXT_BYTES:
            raise error(f"{path} holds {show_size(size)}, which no model's configuration or tokenizer does", _RESTORE)
        if is_lfs_pointer(path):
            raise error(*lfs_pull(path))


def _from_hub(spec: ModelSpec | AdapterSpec, error: type[AssayError], option: str, *, code: bool = False) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = [*_SAFE_FILES, "*.py"] if code else _SAFE_FILES
    within = f"{spec.subfolder}/" if spec.subfolder else ""
    try:
        found = snapshot_download(
            spec.value, revision=spec.revision, allow_patterns=[within + pattern for pattern in patterns]
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise error(
            f"{option}={_hub_name(spec)} is no local directory and could not be fetched from the hub: {first_line(exc)}",
            "check the spelling and the network (HF_TOKEN for private repositories), or give a local directory",
        ) from exc
    return Path(found) / spec.subfolder
