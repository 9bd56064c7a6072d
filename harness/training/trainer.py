"""Training by TRL and PEFT: the recipe's arguments, checked while they run; one way through for every method."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.forwards import plain_logits
from harness.models.loading import LoadOptions, attach_adapter, load_base, load_tokenizer
from harness.training.callbacks import (
    GradientGuard,
    Start,
    TrainingProgress,
    check_names,
    check_trained,
    check_trained_tokens,
)
from harness.training.checkpoints import CHECKPOINTS_DIR, keeps_all_it_trains, last_complete_checkpoint
from harness.training.configs import peft_config, trainer_class, trainer_config
from harness.training.dense import trains_dense
from harness.training.distribution import check_distribution, loaded_whole, trained_in_float32, whole_state
from harness.training.log import TrainingLog, TrainingSummary, points_from_history, series_of
from harness.training.prepared import Prepared, dataset_of, evaluated_on, prepare_rows
from harness.training.recipe import Recipe
from harness.training.rewards import rewards_of
from harness.training.saving import save
from harness.training.self_play import SelfPlay

if TYPE_CHECKING:
    import torch
    from transformers import TrainerCallback

_log = logging.getLogger(__name__)

INITIAL_DIR = "initial"
"""Where an adapter is kept as it starts, that is converted by it in the end."""


@dataclass(frozen=True)
class _Job:
    """A trainer ready to run, and the facts its summary needs."""

    trainer: Any
    progress: TrainingProgress
    start: Start
    data: Prepared
    device: torch.device
    dtype: torch.dtype


def fit(
    recipe: Recipe,
    *,
    base_path: str,
    work_dir: Path,
    adapter_dir: Path,
    start: Path | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainingLog:
    """Train, and write weights and configuration into `adapter_dir`: of the adapter, or of the whole model.

    Checkpoints go to `work_dir`; if complete ones are there already, training resumes from the last.

    Args:
        base_path: directory or hub id of the base.
        start: an adapter on it that is trained on; None trains a new one.
        callbacks: further Trainer callbacks, run after the harness's own.
    """
    with _quiet_libraries():
        job = _prepare(recipe, base_path, work_dir, start, callbacks)
    whole = keeps_all_it_trains(job.trainer.model)
    checkpoint = last_complete_checkpoint(work_dir / CHECKPOINTS_DIR) if whole else None
    if checkpoint is not None:
        _log.warning("recipe %s: resuming from %s", recipe.name, checkpoint.name)
    clock = _Stopwatch(work_dir / "duration_s.txt")
    job.trainer.args.load_best_model_at_end &= whole
    try:
        with _quiet_libraries(), contextlib.closing(job.progress), clock, labelled_positions_only():
            job.trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except KeyboardInterrupt:
        last = last_complete_checkpoint(work_dir / CHECKPOINTS_DIR) if whole else None
        then = f"goes on from {last.name}" if last else "starts anew: no checkpoint to go on from was written yet"
        _log.warning(
            "recipe %s: stopped at step %d; the next training %s", recipe.name, job.trainer.state.global_step, then
        )
        raise
    state = whole_state(job.trainer)
    if job.trainer.is_world_process_zero():
        check_trained(job.trainer.model, job.start, recipe.by_trl.advice, state)
        best = None if whole else job.trainer.state.best_model_checkpoint
        initial = work_dir / INITIAL_DIR if recipe.is_converted and start is None else None
        with _quiet_libraries():
            save(job.trainer.model, recipe, Path(base_path), adapter_dir, initial=initial, best=best, state=state)
    history = job.trainer.state.log_history
    further = (
        {}
        if recipe.how.log.loss_is_cross_entropy
        else {"logged": series_of(history), "evaluated": series_of(history, evaluated=True)}
    )
    log = TrainingLog(points_from_history(history), _summary(recipe, job, clock.total_s), **further)
    del job
    gc.collect()
    return log


def _prepare(
    recipe: Recipe, base_path: str, work_dir: Path, start: Path | None, callbacks: Sequence[TrainerCallback]
) -> _Job:
    import torch
    from transformers import PrinterCallback, set_seed

    from harness.training.callbacks import BudgetAllocation, EarlyStopping

    method = recipe.by_trl
    device = choose_device()
    dtype = choose_dtype(device)
    arguments = trainer_config(recipe, work_dir / CHECKPOINTS_DIR, device, dtype)
    adapter = peft_config(recipe, base_path) if start is None else None
    tokenizer = load_tokenizer(Path(base_path))
    with arguments.main_process_first(
        local=False
    ):  # which asks the model, where it is to answer, and the others find it kept
        data = prepare_rows(recipe, tokenizer, SelfPlay(recipe, Path(base_path), start, work_dir))
    rewards = rewards_of(recipe, data.examples, int(tokenizer.eos_token_id))
    load = LoadOptions("float32" if recipe.trains_whole else dtype_name(dtype), str(device), recipe.quantization)
    set_seed(arguments.seed)  # before the head of a reward model is drawn
    dense = trains_dense(recipe, str(device))
    if dense:
        _log.info("recipe %s: %s weights are computed with dense on %s", recipe.name, recipe.quantization, device)
    with loaded_whole(arguments):
        model = load_base(Path(base_path), load, trainable=not dense, scores=method.task_type == "SEQ_CLS")
    check_names(recipe.peft_arguments, model)
    check_trained_tokens(recipe, model)
    if start is not None:
        model = _trained_on(model, start, Path(base_path))

    progress = TrainingProgress(recipe.name, method.log, shown=arguments.process_index == 0)
    own: list[TrainerCallback] = [
        GradientGuard(elsewhere=recipe.launch is not None and recipe.launch.is_sharded),
        BudgetAllocation(),
        progress,
    ]
    if recipe.early_stopping_patience is not None:
        own.append(EarlyStopping(recipe.early_stopping_patience))
    set_seed(arguments.seed)  # before the adapter's A matrices are drawn
    try:
        trainer = trainer_class(method)(
            model=model,
            args=arguments,
            train_dataset=dataset_of(method, data.trained),
            eval_dataset=evaluated_on(recipe, data),
            processing_class=tokenizer,
            peft_config=adapter,
            callbacks=[*own, *callbacks],
            **({"reward_funcs": rewards} if rewards else {}),
        )
    except (ValueError, TypeError) as error:
        raise RecipeError(f"recipe {recipe.name!r}: {error}", "correct the argument it names") from error
    if recipe.launch is not None:
        check_distribution(trainer.accelerator, recipe.launch)
        if dense or recipe.quantization == "none":  # on packed weights TRL has adapters in 16 bits, in one process too
            trained_in_float32(trainer.model)
    trainer.remove_callback(PrinterCallback)
    if recipe.is_converted and start is None:
        trainer.model.save_pretrained(work_dir / INITIAL_DIR, is_main_process=trainer.is_world_process_zero())
    with torch.random.fork_rng(), torch.no_grad():  # whatever dropout draws here, training draws what it always drew
        plain_logits(trainer.model, data.train.rows[0].input_ids[:8])
    return _Job(trainer, progress, Start(trainer.model), data, device, dtype)


def _trained_on(model: Any, adapter: Path, base: Path) -> Any:
    """A model with an adapter on it whose training goes on."""
    adapted = attach_adapter(model, adapter, base, trainable=True)
    if not keeps_all_it_trains(adapted):
        raise RecipeError(
            "the stage before trained virtual tokens by a network of its own, which is not kept: training cannot go on from it",
            "train LoRA there",
        )
    return adapted


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """The libraries draw a bar for each small thing they do, on a terminal or not, and tell whoever listens what others of them
    will be called; training has a bar of its own."""
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets_shown = not datasets.are_progress_bars_disabled()
    transformers_shown = transformers_logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if datasets_shown:
            datasets.enable_progress_bars()
        if transformers_shown:
            transformers_logging.enable_progress_bar()


def _summary(recipe: Recipe, job: _Job, duration_s: float) -> TrainingSummary:
    state, data = job.trainer.state, job.data
    sizes = [
        (getattr(parameter, "ds_numel", parameter.numel()), parameter.requires_grad)
        for parameter in job.trainer.model.parameters()
    ]
    if not recipe.trains_whole:  # which knows the size of packed weights
        trainable, total = job.trainer.model.get_nb_trainable_parameters()
    else:
        trainable, total = sum(size for size, trains in sizes if trains), sum(size for size, _ in sizes)
    best_step = state.best_global_step if recipe.has_validation and state.best_global_step else state.global_step
    by_loss = recipe.has_validation and recipe.by_trl.best == ("eval_loss", False)
    return TrainingSummary(
        duration_s=duration_s,
        steps=state.global_step,
        best_step=best_step,
        best_eval_loss=state.best_metric if by_loss else None,
        trainable_params=trainable,
        trainable_share=trainable / total,
        rows=len(data.train.rows),
        rehearsal_rows=len(data.rehearsal),
        validation_rows=len(data.validation.rows) if data.validation else 0,
        truncated_rows=data.train.truncated,
        masked_rows=data.train.dropped,
        answer_tokens=data.answer_tokens,
        longest_row_tokens=data.train.longest_tokens,
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
