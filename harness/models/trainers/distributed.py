"""Weights in parts, as FSDP and DeepSpeed leave them: parts with an index are joined, the state of a run alone is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import AdapterError
from harness.models.adapters.contents import CONFIG, WEIGHTS
from harness.models.trainers.artefact import Artefact, as_mapping
from harness.models.trainers.conversion import Conversion, tensor_shapes
from harness.models.trainers.registry import Trainer

_PART = re.compile(r"(?P<stem>adapter_model|model)-(?P<number>\d{1,6})-of-(?P<count>\d{1,6})\.safetensors")
# FSDP saves the wrapped model whole; of it, the adapter's own tensors are these
_OF_ADAPTER = re.compile(r"\.lora_|\.modules_to_save\.|\.ada(?:lora)?_")
_STATE = r"global_step\d+|iter_\d+|pytorch_model_fsdp(?:_\d+)?(?:\.bin)?|.*\.distcp"
# where axolotl merge-sharded-fsdp-weights and accelerate merge-weights write
_PLACES = ("", "merged")
_COPY = "copy all parts again from where it was trained"


def _convert(artefact: Artefact) -> Conversion | None:
    if artefact.file(CONFIG) is None or artefact.file(WEIGHTS) is not None:
        return None
    for place in _PLACES:
        directory = Artefact(artefact.path / place)
        for stem in ("adapter_model", "model"):
            parts = _parts(directory, stem)
            names = tensor_shapes(parts) if parts else {}
            whole = stem == "model"
            if whole and not any(map(_OF_ADAPTER.search, names)):
                continue  # a merged model
            if names:
                _check_index(directory, stem, parts)
                return Conversion(
                    sources=parts,
                    config=artefact.json_config(CONFIG),
                    name=_of_adapter if whole else str,
                )
    return None


def _of_adapter(name: str) -> str | None:
    return name if _OF_ADAPTER.search(name) else None


def _parts(directory: Artefact, stem: str) -> list[Path]:
    """The files that hold the tensors; none where there are no parts. Raises AdapterError where one is missing."""
    found = [match for match in map(_PART.fullmatch, directory.names) if match and match["stem"] == stem]
    if not found:
        whole = directory.file(f"{stem}.safetensors")
        return [whole] if whole is not None else []
    count = int(found[0]["count"])
    have = {int(match["number"]) for match in found if int(match["count"]) == count}
    if len(found) != count or have != set(range(1, count + 1)):
        raise AdapterError(
            f"{directory.path} holds {len(found)} of the {count} parts of its weights, among them {found[0][0]}", _COPY
        )
    return sorted(directory.path / match[0] for match in found)


def _check_index(directory: Artefact, stem: str, parts: Sequence[Path]) -> None:
    name = f"{stem}.safetensors.index.json"
    if directory.file(name) is None:
        return
    index = {tensor: str(file) for tensor, file in as_mapping(directory.json_log(name).get("weight_map")).items()}
    held = {tensor: part.name for part in parts for tensor in tensor_shapes([part])}
    if index != held:
        first = min(set(index.items()) ^ set(held.items()))[0]
        raise AdapterError(f"{directory.path / name} does not name what the parts hold, first {first!r}", _COPY)


def _refuse(artefact: Artefact) -> tuple[str, str] | None:
    state = artefact.matching(_STATE)
    if not state or artefact.file(WEIGHTS) is not None:
        return None
    return (
        f"holds the state of a training run alone ({', '.join(state[:5])}), and no {WEIGHTS}",
        "gather the weights and save them with save_pretrained: DeepSpeed's zero_to_fp32.py beside the state, "
        "accelerate merge-weights for FSDP",
    )


DISTRIBUTED = Trainer("DeepSpeed and FSDP", lambda artefact: None, refuse=_refuse, convert=_convert)
