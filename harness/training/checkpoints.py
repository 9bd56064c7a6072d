"""Which checkpoint an interrupted training can go on from."""

from __future__ import annotations

from pathlib import Path

# Trainer writes its state last; a checkpoint without it was cut off while being written.
_REQUIRED = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


def last_complete_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written to its end, or None."""
    complete = [path for path in directory.glob("checkpoint-*") if all((path / name).is_file() for name in _REQUIRED)]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
