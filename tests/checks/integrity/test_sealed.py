"""Files held against what was recorded of them when they were made or fetched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from harness.checks.integrity import files_are_as_recorded
from harness.digests import digest_file
from harness.errors import AdapterError
from harness.models.identity import weights_digest
from harness.models.seals import TRAINED
from harness.training.cache import flaw, seal

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def adapter(tiny_adapter_dir: Path, tmp_path: Path) -> Path:
    """An adapter as a recipe leaves it."""
    copy = tmp_path / "adapter"
    shutil.copytree(tiny_adapter_dir, copy)
    (copy / "training_log.json").write_text("{}")
    seal(copy, {"method": "sft"}, {"base": "0" * 64})
    return copy


def scale(adapter: Path, factor: float) -> None:
    tensors = {name: t * factor if "lora_B" in name else t for name, t in load_file(adapter / WEIGHTS).items()}
    save_file(tensors, adapter / WEIGHTS, metadata={"format": "pt"})


def recorded(directory: Path, name: str = "assay-export.json", **changes: Any) -> None:
    (directory / name).unlink(missing_ok=True)
    made = {path.name: digest_file(path) for path in directory.iterdir()}
    (directory / name).write_text(json.dumps({"files": made, **changes}))


def test_an_adapter_as_it_was_trained_is_told_to_be_that(adapter: Path) -> None:
    check = files_are_as_recorded(adapter)
    assert check.holds and TRAINED in check.reason


@pytest.mark.parametrize("factor", [3.0, 0.3, -1.0])
def test_weights_changed_after_training_are_seen(adapter: Path, factor: float) -> None:
    scale(adapter, factor)
    check = files_are_as_recorded(adapter)
    assert not check.holds and f"{WEIGHTS}: changed since" in check.reason and check.remedy


def test_layers_that_changed_places_are_seen(adapter: Path) -> None:
    swap = {".layers.0.": ".layers.1.", ".layers.1.": ".layers.0."}
    tensors = load_file(adapter / WEIGHTS)
    moved = {next((name.replace(a, b) for a, b in swap.items() if a in name), name): t for name, t in tensors.items()}
    assert moved.keys() == tensors.keys()
    save_file(moved, adapter / WEIGHTS, metadata={"format": "pt"})
    assert not files_are_as_recorded(adapter).holds


def test_a_changed_configuration_and_a_lost_file_are_seen(adapter: Path) -> None:
    config = adapter / "adapter_config.json"
    before = config.read_text()
    config.write_text(before.replace("{", "{ ", 1))
    assert "adapter_config.json: changed since" in files_are_as_recorded(adapter).reason
    config.unlink()
    assert "adapter_config.json: lost" in files_are_as_recorded(adapter).reason


def test_weights_that_came_later_are_seen(adapter: Path) -> None:
    shutil.copy(adapter / WEIGHTS, adapter / "adapter_model-2.safetensors")
    assert "adapter_model-2.safetensors: not among" in files_are_as_recorded(adapter).reason


def test_a_card_may_be_written_and_a_log_left_out(adapter: Path) -> None:
    recorded(adapter)
    (adapter / "README.md").write_text("a card")
    (adapter / "training_log.json").unlink()
    assert files_are_as_recorded(adapter).holds


def test_without_a_record_it_is_said_that_nothing_tells(tiny_adapter_dir: Path) -> None:
    check = files_are_as_recorded(tiny_adapter_dir)
    assert check.holds and "no record" in check.reason


def test_a_provenance_of_another_tool_is_no_record_of_ours(tiny_adapter_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "adapter"
    shutil.copytree(tiny_adapter_dir, copy)
    (copy / TRAINED).write_text(json.dumps({"builder": "another"}))
    assert "no record" in files_are_as_recorded(copy).reason


@pytest.mark.parametrize("made", [{}, [], "x", {"a": 1}, {"a": None}])
def test_a_record_that_tells_nothing_is_an_error(adapter: Path, made: object) -> None:
    recorded(adapter, files=made)
    with pytest.raises(AdapterError, match=r"assay-export\.json: files is no record of digests"):
        files_are_as_recorded(adapter)


@pytest.mark.parametrize("name", ["../secret", "/dev/zero", "sub/../../secret", "\0"])
def test_a_record_leads_nowhere_outside(adapter: Path, name: str) -> None:
    (adapter.parent / "secret").write_text("s")
    recorded(adapter, files={name: "0" * 64})
    assert "lost" in files_are_as_recorded(adapter).reason


def test_a_record_of_another_base_is_told(adapter: Path, tiny_model_dir: Path) -> None:
    recorded(adapter, source={"weights": "another"})
    check = files_are_as_recorded(adapter, tiny_model_dir)
    assert check.holds and "other weights than those of this base" in check.reason
    recorded(adapter, source={"weights": weights_digest(tiny_model_dir)})
    assert "other weights" not in files_are_as_recorded(adapter, tiny_model_dir).reason


def git_digest(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def fetched(source: Path, directory: Path) -> Path:
    """As `snapshot_download(local_dir=...)` leaves it."""
    shutil.copytree(source, directory)
    notes = directory / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    for path in sorted(one for one in directory.iterdir() if one.is_file()):
        etag = digest_file(path) if path.suffix == ".safetensors" else git_digest(path)
        (notes / f"{path.name}.metadata").write_text(f"{'c' * 40}\n{etag}\n1795926324.5\n")
    return directory


def cached(source: Path, repository: Path) -> Path:
    """As the hub's cache keeps it: links to blobs by their digests."""
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in sorted(one for one in source.iterdir() if one.is_file()):
        blob = repository / "blobs" / (digest_file(path) if path.suffix == ".safetensors" else git_digest(path))
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.mark.parametrize("keep", [fetched, cached])
def test_what_the_hub_recorded_of_a_download_is_held_against_the_files(
    keep: Any, tiny_adapter_dir: Path, tmp_path: Path
) -> None:
    directory = keep(tiny_adapter_dir, tmp_path / "kept")
    check = files_are_as_recorded(directory)
    assert check.holds and "hub" in check.reason
    content = bytearray((directory / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (directory / WEIGHTS).write_bytes(content)
    assert f"{WEIGHTS}: changed since" in files_are_as_recorded(directory).reason


def test_a_record_that_names_no_base_has_none_read(
    adapter: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr("harness.checks.integrity.sealed.weights_digest", lambda base: read.append(base) or "other")
    assert files_are_as_recorded(adapter, tiny_model_dir).holds and not read
    recorded(adapter, source={"weights": "another"})
    assert "other weights" in files_are_as_recorded(adapter, tiny_model_dir).reason and read == [tiny_model_dir]


def _reorder(adapter: Path) -> None:
    (adapter / "recipe.json").write_text('{"method":"sft"}')


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda one: (one / WEIGHTS).unlink(), f"{WEIGHTS} is missing"),
        (_reorder, "recipe.json differs from its digest"),
        (lambda one: (one / "notes").mkdir() or (one / "notes" / "a.txt").touch(), "notes/a.txt came later"),
        (lambda one: (one / TRAINED).write_text("{"), "cannot be read"),
        (lambda one: (one / TRAINED).unlink(), TRAINED),
        (lambda one: (one / TRAINED).write_text('{"builder": "another"}'), "names no recipe.json"),
        (lambda one: (one / TRAINED).write_text('{"files": {"../a": "0"}}'), "names no recipe.json"),
    ],
)
def test_what_is_kept_for_the_next_run_is_asked_strictly(adapter: Path, damage: Any, told: str) -> None:
    assert flaw(adapter) is None
    damage(adapter)
    assert told in (flaw(adapter) or "")


def test_a_file_swapped_behind_its_time_and_size_is_no_longer_what_was_kept(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: digest_file(adapter / name) for name in (WEIGHTS, "recipe.json")}
    monkeypatch.setattr("harness.models.seals.cached_file_digest", lambda path: known[path.name])
    scale(adapter, 3.0)
    assert flaw(adapter) == f"{WEIGHTS} differs from its digest"
