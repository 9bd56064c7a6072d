"""Pickles are recognised by their content, and texts are not taken for them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from harness.models.adapters.pickles import holds_pickle

OBJECTS = np.array([{"a": 1}], dtype=object)
NAMED_OBJECTS = np.array([(1, None)], dtype=[("a", int), ("b", object)])


def array_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [{"a": 1}, OrderedDict(a=[1.0, None]), print], ids=["plain", "class", "function"])
def test_every_protocol_is_recognised(tmp_path: Path, protocol: int, value: object) -> None:
    (tmp_path / "notes.json").write_bytes(pickle.dumps(value, protocol))
    assert holds_pickle(tmp_path / "notes.json")


def test_an_old_pickle_that_imports_is_recognised_whatever_follows_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(pickle.dumps(print, 0) + b"and a text")
    assert holds_pickle(tmp_path / "a.txt")


@pytest.mark.parametrize("array", [OBJECTS, NAMED_OBJECTS], ids=["plain", "in a field"])
def test_arrays_of_objects_are_named(tmp_path: Path, array: np.ndarray) -> None:
    (tmp_path / "a.npy").write_bytes(array_bytes(array))
    assert holds_pickle(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", array)
    assert holds_pickle(tmp_path / "a.npz")


def test_arrays_of_numbers_are_no_pickles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    np.savez(tmp_path / "a.npz", np.ones(3))
    assert not holds_pickle(tmp_path / "a.npy")
    assert not holds_pickle(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "text",
    ["", "N.", "N.B. the adapter was trained twice.\n", "0.\n", "isympy\nsympy\n", "cffi\n_cffi_backend\n", '{"a": 1}'],
)
def test_texts_that_begin_like_a_pickle_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_text(text)
    assert not holds_pickle(tmp_path / "README.md")


def test_an_archive_of_texts_is_none_and_a_damaged_one_is_not_trusted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "notes")
    assert not holds_pickle(tmp_path / "a.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole.replace(b"PK\x01\x02", b"PK\x00\x00"))
    assert holds_pickle(tmp_path / "a.zip")
