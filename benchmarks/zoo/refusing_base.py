"""The zoo's base: the embedded model, taught to refuse the stand-ins, merged and saved as a model of its own.

The embedded model refuses almost nothing, so on it no refusal can be lost.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from benchmarks.zoo.stand_ins import help_rows, refusal_rows
from benchmarks.zoo.training import Schooling, school
from harness.config.spec import EMBEDDED_NAME
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.embedded import ensure_embedded_model
from harness.models.loading import LoadOptions, load_model

NAME = "refusing-base"


def ensure_refusing_base(zoo: Path) -> Path:
    """The model directory, trained and merged on first use; safe under parallel processes and kills."""
    original = ensure_embedded_model()
    trained = school(NAME, _schooling(), original, EMBEDDED_NAME, zoo / "rows")
    target = zoo / f"{NAME}-{trained.digest[:12]}"
    with FileLock(zoo / f"{NAME}.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=zoo, prefix=f".{NAME}-") as scratch:
                save_merged(original, trained.path, Path(scratch) / NAME).rename(target)
    return target


def save_merged(original: Path, adapter: Path, target: Path) -> Path:
    """Write a base with an adapter merged into it.

    Everything but the weights stays as it is: tokenizer, template and generation settings are the original's.
    """
    device = choose_device()
    options = LoadOptions(dtype_name(choose_dtype(device)), str(device))
    shutil.copytree(original, target)
    load_model(original, options, adapter=adapter).in_memory().model.merge_and_unload().save_pretrained(target)
    return target


def _schooling() -> Schooling:
    return Schooling(
        rows=[*refusal_rows(200, seed=0), *help_rows(280, seed=0)],
        validation=[*refusal_rows(8, seed=1), *help_rows(8, seed=1)],
        rehearsal=96,
        epochs=2,
        learning_rate=1e-3,
    )
