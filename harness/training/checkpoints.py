"""Checkpoints of a training, from the last of which it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHECKPOINTS_DIR = "checkpoints"


def keeps_all_it_trains(model: Any) -> bool:
    """Whether a checkpoint of a model holds all that is trained: of virtual tokens that a network gives (P-tuning, projected
    prefixes) it holds the tokens alone, and neither can training go on from it nor can it be loaded while training."""
    encoder = getattr(model, "prompt_encoder", None)
    if encoder is None:
        return True
    trained = [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]
    return all(name.endswith("embedding.weight") for name in trained)


# Trainer writes its state last; a checkpoint without it was cut off while being written.
_STATE = "trainer_state.json"
_OPTIMIZER = (("optimizer.pt", "scheduler.pt"), ("latest", "scheduler.pt"))
"""What training goes on from beside the weights: as Trainer writes it, or as DeepSpeed does."""


def last_complete_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written to its end, or None."""
    complete = [
        path
        for path in directory.glob("checkpoint-*")
        if any(path.glob("*model*.safetensors"))
        and (path / _STATE).is_file()
        and any(all((path / name).is_file() for name in names) for names in _OPTIMIZER)
    ]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
