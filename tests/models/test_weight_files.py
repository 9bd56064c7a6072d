"""An index may send a reader of weights to files beside it alone: digests cover no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.config.spec import parse_model_spec
from harness.errors import ModelError
from harness.models import resolve_model
from harness.models.weight_files import INDEX, WHOLE, weight_map


@pytest.fixture
def in_parts(tiny_model_dir: Path, tmp_path: Path) -> Path:
    model = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    (model / WHOLE).rename(model / "model-00001-of-00001.safetensors")
    return model


@pytest.mark.parametrize(
    "place",
    [
        "../other.safetensors",
        "/tmp/other.safetensors",
        "parts/model.safetensors",
        "C:\\other.safetensors",
        "weights.bin",
    ],
)
def test_a_place_elsewhere_is_refused_before_anything_is_read(in_parts: Path, place: str) -> None:
    (in_parts / INDEX).write_text(json.dumps({"weight_map": {"model.norm.weight": place}}))
    with pytest.raises(ModelError, match=r"which is no .safetensors file beside it"):
        resolve_model(parse_model_spec(str(in_parts)))


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 1}}])
def test_an_index_without_places_is_refused(in_parts: Path, index: object) -> None:
    (in_parts / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="has no weight_map"):
        resolve_model(parse_model_spec(str(in_parts)))


def test_files_beside_an_index_are_its_and_one_whole_file_comes_before_it(in_parts: Path) -> None:
    places = {"model.norm.weight": "model-00001-of-00001.safetensors"}
    (in_parts / INDEX).write_text(json.dumps({"weight_map": places}))
    assert weight_map(in_parts) == places
    (in_parts / "model-00001-of-00001.safetensors").rename(in_parts / WHOLE)
    assert weight_map(in_parts) is None


def test_a_link_to_nothing_is_told(in_parts: Path, tmp_path: Path) -> None:
    (in_parts / "model-00001-of-00001.safetensors").unlink()
    (in_parts / WHOLE).symlink_to(tmp_path / "gone.safetensors")
    with pytest.raises(ModelError, match="a link to a file that is not there"):
        resolve_model(parse_model_spec(str(in_parts)))
