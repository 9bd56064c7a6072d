"""Which files hold a model's tensors: one, or those that an index names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import ModelError
from harness.json_files import read_json_object

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
SAVE_WHOLE = "save the whole model again with save_pretrained, and copy all of its files"


def weight_map(directory: Path) -> Mapping[str, str] | None:
    """Tensor -> name of its file, by the index; None without one, or where transformers reads one file and no index.

    Raises:
        ModelError: it has no map, or one that leads out of the directory: no digest of the model covers what lies there.
    """
    index = directory / INDEX
    if (directory / WHOLE).is_file() or not index.is_file():
        return None
    places = read_json_object(index, ModelError, SAVE_WHOLE).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(place, str) for place in places.values()):
        raise ModelError(f"{index} has no weight_map", SAVE_WHOLE)
    foreign = next((place for place in places.values() if not _is_beside(place)), None)
    if foreign is not None:
        raise ModelError(f"{index} names {foreign!r}, which is no .safetensors file beside it", SAVE_WHOLE)
    return places


def _is_beside(place: str) -> bool:
    return "/" not in place and "\\" not in place and place.endswith(".safetensors")
