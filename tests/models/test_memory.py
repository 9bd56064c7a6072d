"""Whether a second model fits beside the first is decided by the sizes of its tensors and the memory that is free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.models import memory
from harness.models.resolve import ResolvedModel
from harness.models.subject import Subject


def test_a_model_takes_its_values_in_the_precision_it_is_loaded_in(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(ResolvedModel("tiny", tiny_model_dir), "float32")
    size = (tiny_model_dir / "model.safetensors").stat().st_size
    assert size - 5_000 < memory.needed_bytes(subject) < size  # but for the header
    assert memory.needed_bytes(replace(subject, dtype="bfloat16")) * 2 == memory.needed_bytes(subject)
    for free, fits in ((size, False), (2 * size, True)):
        monkeypatch.setattr(memory, "available_bytes", lambda device, free=free: free)
        assert memory.fits(subject, "cpu") is fits


def test_there_is_free_memory_on_this_machine() -> None:
    assert memory.available_bytes("cpu") > 0
