"""Training one adapter by TRL and PEFT: the recipe's arguments, checked while they run."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.forwards import plain_logits
from harness.models.loading import LoadOptions, load_base, load_tokenizer
from harness.training.callbacks import GradientGuard, TrainingProgress, check_target_modules, check_trained
from harness.training.configs import max_length_tokens, peft_config, sft_config
from harness.training.data import (
    TokenRow,
    TokenRows,
    load_examples,
    load_rehearsal,
    tokenize_examples,
    tokenize_rehearsal,
)
from harness.training.log import TRAINED, VALIDATION, TrainingLog, TrainingSummary, points_from_history
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, TrainerCallback
    from trl import SFTTrainer

_log = logging.getLogger(__name__)

CHECKPOINTS_DIR = "checkpoints"


@dataclass(frozen=True)
class _Job:
    """A trainer ready to run, and the facts its summary needs."""

    trainer: SFTTrainer
    progress: TrainingProgress
    train: TokenRows
    rehearsal_rows: int
    validation_rows: int
    device: torch.device
    dtype: torch.dtype


def fit(
    recipe: Recipe, *, base_path: str, work_dir: Path, adapter_dir: Path, callbacks: Sequence[TrainerCallback] = ()
) -> TrainingLog:
    """Train, and write the adapter's weights and configuration into `adapter_dir`.

    Checkpoints go to `work_dir`; if complete ones are there already, training resumes from the last.

    Args:
        base_path: directory or hub id of the base.
        callbacks: further Trainer callbacks, run after the harness's own.
    """
    with _library_bars_off():
        job = _prepare(recipe, base_path, work_dir, callbacks)
    checkpoint = last_complete_checkpoint(work_dir / CHECKPOINTS_DIR)
    if checkpoint is not None:
        _log.warning("recipe %s: resuming from %s", recipe.name, checkpoint.name)
    clock = _Stopwatch(work_dir / "duration_s.txt")
    try:
        with contextlib.closing(job.progress), clock, labelled_positions_only():
            job.trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except KeyboardInterrupt:
        last = last_complete_checkpoint(work_dir / CHECKPOINTS_DIR)
        then = f"goes on from {last.name}" if last else "starts anew: no checkpoint was written yet"
        _log.warning(
            "recipe %s: stopped at step %d; the next training %s", recipe.name, job.trainer.state.global_step, then
        )
        raise
    check_trained(job.trainer.model, recipe.peft_type)
    _save_adapter(job.trainer.model, recipe, adapter_dir)
    log = TrainingLog(points_from_history(job.trainer.state.log_history), _summary(recipe, job, clock.total_s))
    del job
    gc.collect()
    return log


def _prepare(recipe: Recipe, base_path: str, work_dir: Path, callbacks: Sequence[TrainerCallback]) -> _Job:
    import torch
    from transformers import PrinterCallback, set_seed
    from trl import SFTTrainer

    from harness.training.callbacks import EarlyStopping

    device = choose_device()
    dtype = choose_dtype(device)
    arguments = sft_config(recipe, work_dir / CHECKPOINTS_DIR, device, dtype)
    tokenizer = load_tokenizer(Path(base_path))
    train, rehearsal, validation = _token_rows(recipe, tokenizer)
    load = LoadOptions(dtype_name(dtype), str(device), recipe.quantization)
    model = load_base(Path(base_path), load, trainable=True)
    check_target_modules(recipe.peft.get("target_modules"), model)

    progress = TrainingProgress(recipe.name)
    own: list[TrainerCallback] = [GradientGuard(), progress]
    if recipe.early_stopping_patience is not None:
        own.append(EarlyStopping(recipe.early_stopping_patience))
    set_seed(arguments.seed)  # before the adapter's A matrices are drawn
    try:
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=_dataset((*train.rows, *rehearsal)),
            eval_dataset=_evaluated(recipe, train, validation),
            processing_class=tokenizer,
            peft_config=peft_config(recipe),
            callbacks=[*own, *callbacks],
        )
    except (ValueError, TypeError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: {error}", "correct the argument it names") from error
    trainer.remove_callback(PrinterCallback)
    with torch.random.fork_rng(), torch.no_grad():  # whatever dropout draws here, training draws what it always drew
        plain_logits(trainer.model, train.rows[0].input_ids[:8])
    return _Job(trainer, progress, train, len(rehearsal), len(validation.rows) if validation else 0, device, dtype)


def _token_rows(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase
) -> tuple[TokenRows, tuple[TokenRow, ...], TokenRows | None]:
    examples, held_out = load_examples(recipe)
    if lost := sorted(frozenset().union(*(example.lost for example in examples))):
        _log.warning("recipe %s: not used though they change what is learnt: %s", recipe.name, ", ".join(lost))
    max_length = max_length_tokens(recipe)
    train = tokenize_examples(examples, tokenizer, max_length, name="training")
    rehearsal = tokenize_rehearsal(load_rehearsal(recipe), tokenizer, max_length)
    validation = tokenize_examples(held_out, tokenizer, max_length, name="validation") if held_out else None
    return train, rehearsal, validation


def _dataset(rows: Sequence[TokenRow]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [list(row.input_ids) for row in rows], "labels": [list(row.labels) for row in rows]}
    )


def _evaluated(recipe: Recipe, train: TokenRows, validation: TokenRows | None) -> Dataset | dict[str, Dataset] | None:
    """What checkpoints are judged on; beside it, where the running loss is not of the training rows alone, some of them."""
    if validation is None:
        return None
    if recipe.data.rehearsal is None:
        return _dataset(validation.rows)
    some = random.Random(recipe.data.seed).sample(train.rows, min(len(validation.rows), len(train.rows)))
    return {VALIDATION: _dataset(validation.rows), TRAINED: _dataset(some)}


@contextlib.contextmanager
def _library_bars_off() -> Iterator[None]:
    """The libraries draw a bar for each small thing they do, on a terminal or not; training has one of its own."""
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets_shown = not datasets.are_progress_bars_disabled()
    transformers_shown = transformers_logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if datasets_shown:
            datasets.enable_progress_bars()
        if transformers_shown:
            transformers_logging.enable_progress_bar()


def _save_adapter(model: Any, recipe: Recipe, adapter_dir: Path) -> None:
    # A path of this machine's cache means nothing where the adapter goes.
    name = Path(recipe.base).name if Path(recipe.base).is_absolute() else recipe.base
    for config in model.peft_config.values():
        config.base_model_name_or_path = name
    # "auto" would look the base up on the hub, to learn whether its embeddings were resized; they never are here.
    model.save_pretrained(adapter_dir, safe_serialization=True, save_embedding_layers=False)
    (adapter_dir / "README.md").unlink(missing_ok=True)
    _settle_order(adapter_dir / "adapter_config.json")


def _settle_order(config_file: Path) -> None:
    """PEFT writes sets in hash order; equal adapters should be equal bytes."""
    config = json.loads(config_file.read_text(encoding="utf-8"))
    for key in ("target_modules", "exclude_modules", "modules_to_save"):
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _summary(recipe: Recipe, job: _Job, duration_s: float) -> TrainingSummary:
    state = job.trainer.state
    trainable, total = job.trainer.model.get_nb_trainable_parameters()
    best_step = state.best_global_step if recipe.has_validation and state.best_global_step else state.global_step
    return TrainingSummary(
        duration_s=duration_s,
        steps=state.global_step,
        best_step=best_step,
        best_eval_loss=state.best_metric if recipe.has_validation else None,
        trainable_params=trainable,
        trainable_share=trainable / total,
        rows=len(job.train.rows),
        rehearsal_rows=job.rehearsal_rows,
        validation_rows=job.validation_rows,
        truncated_rows=job.train.truncated,
        masked_rows=job.train.dropped,
        longest_row_tokens=job.train.longest_tokens,
        stop_reason="early_stopping" if state.global_step < state.max_steps else "completed",
        peak_memory_bytes=peak_memory_bytes(),
        device=str(job.device),
        dtype=dtype_name(job.dtype),
    )


def peak_memory_bytes() -> int | None:
    """Largest resident size this process has had; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Stopwatch:
    """Wall time that goes on counting where an interrupted run stopped."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before_s = float(file.read_text()) if file.exists() else 0.0
        self.total_s = self._before_s

    def __enter__(self) -> None:
        self._started_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.total_s = self._before_s + time.monotonic() - self._started_s
        self._file.write_text(f"{self.total_s:.3f}")


# Trainer writes its state last; a checkpoint without it was cut off while being written.
_REQUIRED = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


def last_complete_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written to its end, or None."""
    complete = [path for path in directory.glob("checkpoint-*") if all((path / name).is_file() for name in _REQUIRED)]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


@contextlib.contextmanager
def labelled_positions_only() -> Iterator[None]:
    """While open, TRL's fused head scores only the tokens that carry a label.

    TRL 1.16 does so where Triton runs and scores every position elsewhere, so that Neuron need not recompile
    (`add_fused_lm_head`, trl/trainer/utils.py). Prompts are four fifths of a tool-calling row: on CPU the
    wasted positions were more than half of a training step, and most of its memory. The loss is the same number.
    """
    utils = import_module("trl.trainer.utils")
    original = getattr(utils, "_use_triton", None)
    if original is None:
        _log.debug("this TRL has no switch for scored positions; leaving it as it is")
        yield
        return
    # Only the choice of positions reads this name; the kernels keep their own and run as torch ops without Triton.
    utils._use_triton = lambda device: True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        utils._use_triton = original  # type: ignore[attr-defined]
