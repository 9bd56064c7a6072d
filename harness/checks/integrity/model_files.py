"""The files of a whole model that is on trial, a full fine-tune or a merge: complete, safe, and full of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import AssayError, ModelError, first_line, some_of
from harness.gates import Check
from harness.models.adapters.files import read_json, remote_code, unsafe_files
from harness.models.adapters.weights import TensorHeader, bad_values, read_tensor_headers
from harness.models.architecture import auto_class, read_base_config, unreadable
from harness.models.loading import LoadOptions
from harness.models.quiet import quiet_loading
from harness.models.weight_files import INDEX, SAVE_WHOLE, WHOLE, weight_map

_SHOWN = 5
_FLOATS = ("F64", "F32", "BF16", "F16")


@dataclass(frozen=True)
class ModelFiles:
    """A model that was saved, and the base that it was made from.

    Attributes:
        base: None where its files are not at hand.
    """

    directory: Path
    base: Path | None
    options: LoadOptions

    @cached_property
    def shards(self) -> Mapping[str, Path]:
        """Tensor -> its file.

        Raises:
            AssayError: a file is missing, damaged or cut off, or lacks what the index says it has.
        """
        places = weight_map(self.directory)
        if places is None:
            whole = self.directory / WHOLE
            parts = [] if whole.is_file() else sorted(self.directory.glob("model-*-of-*.safetensors"))
            if parts:
                raise ModelError(f"{self.directory} holds {len(parts)} parts of a model and no {INDEX}", SAVE_WHOLE)
            files = [whole] if whole.is_file() else sorted(self.directory.glob("*.safetensors"))
            return {name: path for path in files for name in _headers(path)}
        held = {name: _headers(self.directory / name) for name in sorted(set(places.values()))}
        lost = [
            f"{tensor} is not in {place}, where {INDEX} has it"
            for tensor, place in places.items()
            if tensor not in held[place]
        ]
        if lost:
            raise ModelError(f"{self.directory}: {some_of(lost, _SHOWN)}", SAVE_WHOLE)
        return {tensor: self.directory / place for tensor, place in places.items()}

    @cached_property
    def headers(self) -> Mapping[str, TensorHeader]:
        """Tensor -> its type and shape."""
        known = {path: _headers(path) for path in set(self.shards.values())}
        return {name: known[path][name] for name, path in self.shards.items()}

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its config.json."""
        return read_json(self.directory / "config.json")

    @property
    def is_quantized(self) -> bool:
        """Whether its weights are saved packed, for a loader of their own."""
        return "quantization_config" in self.config

    def of_base(self) -> ModelFiles | None:
        """The same of its base."""
        return None if self.base is None else ModelFiles(self.base, None, self.options)

    def tensor(self, name: str) -> Any:
        """One tensor, as it was saved."""
        from safetensors import safe_open

        with safe_open(self.shards[name], framework="pt") as file:
            return file.get_tensor(name)


def model_is_complete(files: ModelFiles) -> Check:
    """All shards are there and whole, nothing beside them runs code, and every parameter of the architecture has its tensor.

    What is missing transformers fills with random values, and what is left over it drops: both without an error.
    """
    allowed = files.options.allowed_files
    unsafe, code = unsafe_files(files.directory, allowed=allowed), remote_code(files.directory, allowed=allowed)
    if files.options.trust_remote_code:
        unsafe, code = [name for name in unsafe if not name.endswith(".py")], {}
    if unsafe or code:
        return _fault(
            "model_files",
            f"files that can run code when loaded: {', '.join([*unsafe, *code][:_SHOWN])}",
            "save the model with save_pretrained (safetensors) and remove these, or name them under `integrity: allow_files:`",
        )
    try:
        headers = files.headers
        missing, unexpected, misshapen = ([], [], []) if files.is_quantized else _misfits(files)
    except AssayError as exc:
        return _fault("model_files", exc.problem, exc.remedy)
    kinds = sorted({header.dtype for header in headers.values()})
    details = {"tensors": len(headers), "files": len(set(files.shards.values())), "types": kinds}
    packed = [kind for kind in kinds if kind not in _FLOATS]
    fault = (
        f"{some_of(missing, _SHOWN)}: missing from the files, and would be random" if missing
        else f"{some_of(misshapen, _SHOWN)}: of another shape than config.json says" if misshapen
        else f"{some_of(unexpected, _SHOWN)}: in the files, and no parameter takes them" if unexpected
        else f"tensors of type {', '.join(packed)}, and no quantization_config" if packed and not files.is_quantized
        else _untied(files)
    )  # fmt: skip
    note = "; its parameters are left to the loader of its quantization" if files.is_quantized else ""
    return Check(
        "model_files",
        holds=not fault,
        reason=fault
        or f"{len(headers)} tensors ({', '.join(kinds)}) in {details['files']} files, all in their places{note}",
        remedy=SAVE_WHOLE,
        details=details,
    )


def _misfits(files: ModelFiles) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Parameters without a tensor, tensors without a parameter, and those of another shape, as transformers finds them.

    On the meta device it reads names and shapes alone. What of the base has no parameter either is no fault.
    """
    config = read_base_config(files.directory, trust_remote_code=files.options.trust_remote_code)
    loader = auto_class(config, trust_remote_code=files.options.trust_remote_code)
    try:
        with quiet_loading():
            _, info = loader.from_pretrained(
                files.directory,
                device_map="meta",
                use_safetensors=True,
                trust_remote_code=files.options.trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except unreadable() as exc:
        raise ModelError(f"{files.directory} cannot be loaded: {first_line(exc)}", SAVE_WHOLE) from exc
    base = files.of_base()
    left = set(info["unexpected_keys"])
    if left and base is not None:
        left -= set(_misfits(base)[1])
    return sorted(info["missing_keys"]), sorted(left), sorted(str(key[0]) for key in info["mismatched_keys"])


def _untied(files: ModelFiles) -> str:
    """What is wrong with embeddings that the configuration ties to the head, and the files hold apart."""
    head = next((name for name in files.headers if name.endswith("lm_head.weight")), None)
    embeddings = next((name for name in files.headers if name.endswith("embed_tokens.weight")), None)
    if not files.config.get("tie_word_embeddings") or head is None or embeddings is None:
        return ""
    if files.tensor(head).equal(files.tensor(embeddings)):
        return ""
    return f"config.json ties {head} to {embeddings}, and the files hold two that differ: servers take one or the other"


def model_is_finite(files: ModelFiles) -> Check:
    """No tensor holds NaN, an infinity, or half-precision values at the end of their range."""
    bad = bad_values(*sorted(set(files.shards.values())))
    for faulty, fault in ((bad.nonfinite, "hold NaN or infinities"), (bad.saturated, "reach the largest float16")):
        if faulty:
            name, values = next(iter(faulty.items()))
            return Check(
                "model_finite",
                holds=False,
                reason=f"{len(faulty)} of {len(files.headers)} tensors {fault}, first {name} ({values} values)",
                remedy="train or merge again in bfloat16 or float32; do not release any checkpoint after this one",
                details={"tensors": faulty},
            )
    return Check(
        "model_finite",
        holds=True,
        reason=f"all values of {len(files.headers)} tensors are finite",
        looked_at=len(files.headers),
    )


def _headers(path: Path) -> Mapping[str, TensorHeader]:
    if not path.is_file():
        raise ModelError(f"{path} is missing", SAVE_WHOLE)
    return read_tensor_headers(path)


def _fault(name: str, reason: str, remedy: str) -> Check:
    return Check(name, holds=False, reason=reason, remedy=remedy)
