"""Checks of a whole model that is on trial, a full fine-tune or a merge: its files, its tensors, and how it ends answers."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.checks.integrity.chat_template import chat_template_is_the_bases, special_tokens_agree, stop_tokens
from harness.checks.integrity.norms import FEWEST_OF_A_KIND, outliers
from harness.checks.integrity.tokenizer import encoding_faults, saved_tokenizer
from harness.errors import AssayError, ModelError, first_line
from harness.gates import Check
from harness.models.adapters.files import read_json, remote_code, unsafe_files
from harness.models.adapters.weights import TensorHeader, nonfinite_tensors, read_tensor_headers, saturated_tensors
from harness.models.architecture import auto_class, read_base_config
from harness.models.chat_templates import read_chat_templates
from harness.models.loading import LoadOptions, load_tokenizer
from harness.models.quiet import quiet_loading

_INDEX = "model.safetensors.index.json"
_SHOWN = 5
_SAVE_WHOLE = "save the whole model again with save_pretrained, and copy all of its files"
_RUNAWAY = "this layer ran away, or was damaged: compare it with the last checkpoint, and save or train again"
# What has few of its kind, such as embeddings and heads, is held to the median of all, and may be trained by itself.
_MOST_OF_A_FEW = 100
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
        index = self.directory / _INDEX
        if not index.is_file():
            parts = sorted(self.directory.glob("model-*-of-*.safetensors"))
            if parts:
                raise ModelError(f"{self.directory} holds {len(parts)} parts of a model and no {_INDEX}", _SAVE_WHOLE)
            return {name: path for path in sorted(self.directory.glob("*.safetensors")) for name in _headers(path)}
        places = read_json(index).get("weight_map")
        if not isinstance(places, Mapping) or not all(isinstance(place, str) for place in places.values()):
            raise ModelError(f"{index} has no weight_map", _SAVE_WHOLE)
        held = {name: _headers(self.directory / name) for name in sorted(set(places.values()))}
        lost = [
            f"{tensor} is not in {place}, where {_INDEX} has it"
            for tensor, place in places.items()
            if tensor not in held[place]
        ]
        if lost:
            raise ModelError(f"{self.directory}: {_several(lost)}", _SAVE_WHOLE)
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
        f"{_several(missing)}: missing from the files, and would be random" if missing
        else f"{_several(misshapen)}: of another shape than config.json says" if misshapen
        else f"{_several(unexpected)}: in the files, and no parameter takes them" if unexpected
        else f"tensors of type {', '.join(packed)}, and no quantization_config" if packed and not files.is_quantized
        else _untied(files)
    )  # fmt: skip
    note = "; its parameters are left to the loader of its quantization" if files.is_quantized else ""
    return Check(
        "model_files",
        holds=not fault,
        reason=fault
        or f"{len(headers)} tensors ({', '.join(kinds)}) in {details['files']} files, all in their places{note}",
        remedy=_SAVE_WHOLE,
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
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as exc:
        raise ModelError(f"{files.directory} cannot be loaded: {first_line(exc)}", _SAVE_WHOLE) from exc
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
    paths = sorted(set(files.shards.values()))
    broken, saturated = (
        {n: c for path in paths for n, c in count(path).items()} for count in (nonfinite_tensors, saturated_tensors)
    )
    for faulty, fault in ((broken, "hold NaN or infinities"), (saturated, "reach the largest float16")):
        if faulty:
            name, bad = next(iter(faulty.items()))
            return Check(
                "model_finite",
                holds=False,
                reason=f"{len(faulty)} of {len(files.headers)} tensors {fault}, first {name} ({bad} values)",
                remedy="train or merge again in bfloat16 or float32; do not release any checkpoint after this one",
                details={"tensors": faulty},
            )
    return Check(
        "model_finite",
        holds=True,
        reason=f"all values of {len(files.headers)} tensors are finite",
        looked_at=len(files.headers),
    )


@dataclass(frozen=True)
class Change:
    """A tensor that is not as the base has it."""

    name: str

    @property
    def kind(self) -> str:
        """The name without its layer, the same in every layer."""
        return ".".join("N" if part.isdigit() else part for part in self.name.split("."))


def model_changes_are_even(files: ModelFiles) -> Check:
    """No tensor's change from the base is ten times that of its like (a hundred times, of the few without like), and far
    outside their spread.

    The change of a tensor is its root mean square difference from the base's, which Adam makes about as large in every
    matrix it trains, and which layers that were frozen or not merged into do not have.
    """
    base = files.of_base()
    names = [] if base is None else sorted(files.headers.keys() & base.headers.keys())
    same_shape = [n for n in names if base is not None and files.headers[n].shape == base.headers[n].shape]
    if base is None or files.is_quantized or base.is_quantized or not same_shape:
        why = (
            "a base whose files are not at hand"
            if base is None
            else "packed weights"
            if same_shape
            else "another architecture"
        )
        return Check("model_change", holds=True, reason=f"tensors are not held against the base's: {why}")
    sizes = {Change(name): _change(files.tensor(name), base.tensor(name)) for name in same_shape}
    changed = {change: size for change, size in sizes.items() if size > 0 and math.isfinite(size)}
    like = Counter(change.kind for change in changed)
    large = [
        (c, ratio)
        for c, ratio in outliers(changed)
        if ratio > (1 if like[c.kind] >= FEWEST_OF_A_KIND else _MOST_OF_A_FEW)
    ]
    layers: dict[str, float] = {}
    for change, size in changed.items():
        layer = next((part for part in change.name.split(".") if part.isdigit()), "none")
        layers[layer] = max(layers.get(layer, 0.0), size)
    details = {
        "outliers": [
            {"tensor": change.name, "change": changed[change], "times_median": ratio} for change, ratio in large
        ],
        "largest_by_layer": layers,
        "changed": len(changed),
        "as_the_base": len(sizes) - len(changed),
        "others": sorted(files.headers.keys() ^ base.headers.keys())[:_SHOWN],
    }
    if not changed:
        return Check(
            "model_change",
            holds=False,
            reason=f"all {len(sizes)} tensors are the base's",
            remedy="it was saved without what was trained: save again, or pass the right directory",
            details=details,
        )
    if large:
        change, ratio = large[0]
        reason = f"{len(large)} of {len(changed)} changed tensors stand out, most {change.name}: {ratio:.2g} times the median"
        return Check("model_change", holds=False, reason=reason, remedy=_RUNAWAY, details=details)
    median = statistics.median(changed.values())
    return Check(
        "model_change",
        holds=True,
        reason=f"{len(changed)} of {len(sizes)} tensors changed, by {median:.2g} in the median, none out of line",
        details=details,
    )


def _change(now: Any, before: Any) -> float:
    """Root mean square of the difference, in the coarser of the two precisions: another precision alone is no change."""
    kind = now.dtype if now.itemsize < before.itemsize else before.dtype
    return float((now.to(kind).float() - before.to(kind).float()).square().mean().sqrt())


def model_keeps_the_tokens(files: ModelFiles) -> Check:
    """The model's tokenizer gives every text the tokens that the base's gives it, and has an embedding for each of its own.

    It may have more tokens than the base.
    """
    if files.base is None:
        return Check("model_tokenizer", holds=True, reason="the base's tokenizer is not at hand")
    own, theirs = saved_tokenizer(files.base), saved_tokenizer(files.directory)
    if own.tokenizer is None or theirs.tokenizer is None:
        lacking = files.directory if theirs.tokenizer is None else files.base
        holds = own.files == theirs.files or theirs.is_there
        return Check(
            "model_tokenizer", holds=holds, reason=f"{lacking} has no tokenizer that can be read", remedy=_SAVE_WHOLE
        )
    moved = [token for token, number in own.tokens.items() if theirs.tokens.get(token) != number]
    rows = max((h.shape[0] for n, h in files.headers.items() if n.endswith("embed_tokens.weight")), default=None)
    added = len(theirs.tokens.keys() - own.tokens.keys())
    fault = (
        f"{len(moved)} of the base's tokens are lost or have another id, first {moved[0]!r}" if moved
        else next(iter(encoding_faults(own.tokenizer, theirs.tokenizer)), "")
    )  # fmt: skip
    if not fault and rows is not None and max(theirs.tokens.values()) >= rows:
        fault = f"token ids go up to {max(theirs.tokens.values())}, and there are {rows} embeddings"
    return Check(
        "model_tokenizer",
        holds=not fault,
        reason=fault or "its tokenizer gives the base's tokens" + (f", and has {added} more" if added else ""),
        remedy="save the tokenizer that it was trained with beside it; trained with the base's, that is the base's",
        details={"added": added, "moved": moved[:_SHOWN]},
    )


def model_keeps_the_template(files: ModelFiles) -> Check:
    """It puts conversations as its base does, unless a template was chosen for it."""
    if files.base is None or files.options.chat_template is not None:
        why = "one was chosen for it" if files.base is not None else "the base's is not at hand"
        return Check("model_template", holds=True, reason=f"its chat template is not held against the base's: {why}")
    check = chat_template_is_the_bases(files.directory, files.base, load_tokenizer(files.base, files.options))
    remedy = (
        "save the template that it was trained with beside it; where that is another than the base's, choose it: "
        "`template:` under `candidate:`"
    )
    lost = bool(read_chat_templates(files.base)) and not read_chat_templates(files.directory)
    reason = "it has lost the base's chat template: conversations cannot be put to it" if lost else check.reason
    return replace(check, name="model_template", holds=check.holds and not lost, reason=reason, remedy=remedy)


def model_ends_answers(files: ModelFiles) -> Check:
    """An answer's turn ends in a token that stops generation, and what stopped the base's stops its answers."""
    tokenizer = load_tokenizer(files.directory, files.options)
    check = replace(special_tokens_agree(files.directory, tokenizer), name="model_ending")
    if not check.holds or files.base is None:
        return check
    before = stop_tokens(files.base, load_tokenizer(files.base, files.options)).generation
    lost = sorted(before - stop_tokens(files.directory, tokenizer).generation)
    if not lost:
        return check
    named = ", ".join(map(str, tokenizer.convert_ids_to_tokens(lost)))
    return replace(
        check,
        holds=False,
        reason=f"the base stops at {named}, and this model does not: its generation_config.json has lost it",
        remedy="copy generation_config.json (eos_token_id) from the base, beside what was trained",
    )


MODEL_CHECKS: Sequence[Callable[[ModelFiles], Check]] = (
    model_is_complete,
    model_is_finite,
    model_changes_are_even,
    model_keeps_the_tokens,
    model_keeps_the_template,
    model_ends_answers,
)
"""What a whole model is held to, the cheap and telling ones first."""


def _headers(path: Path) -> Mapping[str, TensorHeader]:
    if not path.is_file():
        raise ModelError(f"{path} is missing", _SAVE_WHOLE)
    return read_tensor_headers(path)


def _several(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _fault(name: str, reason: str, remedy: str) -> Check:
    return Check(name, holds=False, reason=reason, remedy=remedy)
