"""What watches a training: its progress, its validation loss, and that it really trains what the recipe names."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transformers import EarlyStoppingCallback, TrainerCallback

from harness.errors import RecipeError, some_of
from harness.models.adapters.expressions import REMEDY, endless_expression
from harness.models.quantization import repacked_layers
from harness.training.bars import LOG_INTERVAL_S, training_bar
from harness.training.log import VALIDATION
from harness.training.methods import SFT, MethodLog, Quantity
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

_log = logging.getLogger(__name__)


_LOSSES = {"loss": "loss", "eval_loss": "eval_loss", f"eval_{VALIDATION}_loss": "eval_loss"}
_FOLLOWED: Sequence[Quantity] = ("reward", "accuracy")


class TrainingProgress(TrainerCallback):  # type: ignore[misc]
    """Shows step, time left, loss and what else a method is followed by. Call `close()` when training ends however it ends.

    Args:
        method: what the log of the training means.
        shown: whether anything is shown.
    """

    def __init__(self, name: str, method: MethodLog = SFT, *, terminal: bool | None = None, shown: bool = True) -> None:
        self._name = name
        followed = {key: quantity for quantity in _FOLLOWED for key in method.keys.get(quantity, ())}
        self._figures_shown = {**_LOSSES, **followed}
        self._shown = shown
        self._bar = training_bar() if shown and (sys.stderr.isatty() if terminal is None else terminal) else None
        self._task: Any = None
        self._latest: dict[str, float] = {}
        self._started_s = self._logged_s = 0.0
        self._first_step = 0

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started_s = self._logged_s = time.monotonic()
        self._first_step = state.global_step
        if not self._shown:
            return
        if self._bar is None:
            _log.info("training %s: %d steps", self._name, state.max_steps)
            return
        self._task = self._bar.add_task(self._name, total=state.max_steps, completed=state.global_step, figures="")
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=state.global_step)
        elif self._shown and time.monotonic() - self._logged_s >= LOG_INTERVAL_S:
            self._log_line(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self._latest |= {name: float(logs[key]) for key, name in self._figures_shown.items() if logs and key in logs}
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, figures=self._figures())

    def _log_line(self, state: Any) -> None:
        self._logged_s = time.monotonic()
        done = state.global_step - self._first_step
        left_s = (self._logged_s - self._started_s) / done * (state.max_steps - state.global_step)
        step = f"step {state.global_step} of {state.max_steps}"
        _log.info("training %s: %s, about %.0f s left %s", self._name, step, left_s, self._figures())

    def _figures(self) -> str:
        return "  ".join(f"{key} {value:.3f}" for key, value in self._latest.items())


class EarlyStopping(EarlyStoppingCallback):  # type: ignore[misc]
    """transformers' own, which takes every evaluation for the one it waits for and warns where it was another."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        if args.metric_for_best_model in metrics:
            super().on_evaluate(args, state, control, metrics, **kwargs)


_SHOWN = 5
_MOST_NAMES = 20


def check_target_modules(target_modules: Any, model: nn.Module) -> None:
    """Every pattern must match a module of the base; PEFT is silent about those that do not.

    Args:
        target_modules: the LoraConfig argument: names or suffixes, one regular expression, `all-linear`, or None for
            PEFT's own choice by architecture.
    """
    if target_modules is None or target_modules == "all-linear":
        return
    names = [name for name, _ in model.named_modules() if name]
    if (endless := endless_expression({"peft.target_modules:": target_modules}, names)) is not None:
        raise RecipeError(f"{endless} takes too long to match the base's modules", REMEDY)
    if isinstance(target_modules, str):
        unmatched = [] if any(re.fullmatch(target_modules, name) for name in names) else [target_modules]
    else:
        unmatched = [one for one in target_modules if not any(f".{name}".endswith(f".{one}") for name in names)]
    if unmatched:
        raise RecipeError(
            f"peft.target_modules: {', '.join(map(repr, unmatched))} matches no module of the base",
            f"modules to choose from: {', '.join(_linear_module_names(model))}; or 'all-linear'",
        )


_MODULES_BESIDE = ("exclude_modules", "modules_to_save", "feedforward_modules")
_PATTERNS = ("rank_pattern", "alpha_pattern")


def check_names(arguments: Mapping[str, Any], model: nn.Module) -> None:
    """Every module and parameter that arguments of PEFT name must be one of the base's: PEFT passes over what it does not find.

    Raises:
        RecipeError: one is not.
    """
    check_target_modules(arguments.get("target_modules"), model)
    modules = [name for name, _ in model.named_modules() if name]
    parameters = [name for name, _ in model.named_parameters()]
    named = {
        **{key: (arguments.get(key), modules) for key in _MODULES_BESIDE},
        **{key: (list(arguments.get(key) or ()), modules) for key in _PATTERNS},
        "target_parameters": (arguments.get("target_parameters"), parameters),
    }
    for key, (given, known) in named.items():
        if isinstance(given, list) and (unmatched := [one for one in given if not _is_name(one, known, key)]):
            ends = sorted({_end(name) for name in known})
            raise RecipeError(
                f"peft.{key}: {', '.join(map(repr, unmatched))} matches nothing of the base",
                f"names to choose from: {some_of(ends, _MOST_NAMES)}",
            )


def _end(name: str) -> str:
    """The last parts of a name that are the same in every layer."""
    return ".".join(part for part in name.split(".")[-2:] if not part.isdigit())


def _is_name(name: str, known: Sequence[str], key: str) -> bool:
    if key in _PATTERNS:  # as `peft.utils.other.get_pattern_key`
        return any(re.match(rf"(.*\.)?({name})$", one) for one in known)
    return any(f".{one}".endswith(f".{name}") for one in known)


def check_trained_tokens(recipe: Recipe, model: Any) -> None:
    """Refuse tokens that are trained by themselves where the base's head shares their vectors: TRL computes with the head as it
    was.

    Raises:
        RecipeError: it does.
    """
    named = [key for key in ("token_indices", "trainable_token_indices") if recipe.peft_arguments.get(key)]
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if named and head is not None and head.weight is model.get_input_embeddings().weight:
        raise RecipeError(
            f"peft.{named[0]}: the base's head shares the vectors of its tokens, and "
            "TRL's trainers compute with the head as it was",
            "choose a base whose head has weights of its own (tie_word_embeddings: false), or adapt its layers instead",
        )


class GradientGuard(TrainerCallback):  # type: ignore[misc]
    """Stops training when gradients do not reach the adapter, at the first step and after each evaluation.

    Looks for parameters without a gradient, and for layers that bitsandbytes repacked for CPU inference during an
    evaluation (see `harness.models.quantization.disable_cpu_inference_repack`): past those the gradients are
    there, but wrong, and the loss goes on being logged.

    Args:
        elsewhere: gradients are kept elsewhere than with the parameters, as by DeepSpeed and FSDP: that something was learnt is
            then seen in the end alone.
    """

    def __init__(self, *, elsewhere: bool = False) -> None:
        self._due = True
        self._elsewhere = elsewhere

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._due = True

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self._due:
            return
        self._due = False
        model = kwargs["model"]
        if repacked := repacked_layers(model):
            raise RecipeError(
                f"step {state.global_step + 1}: {len(repacked)} 4-bit layers were repacked for CPU inference and pass "
                f"no gradient back ({_some(repacked)})",
                "train with `quantization: none`, and report the bitsandbytes version: its guard here has stopped working",
            )
        if self._elsewhere:
            return
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        silent = [name for name, parameter in trainable.items() if parameter.grad is None]
        if silent:
            raise RecipeError(
                f"step {state.global_step + 1}: {len(silent)} of {len(trainable)} adapter parameters have no gradient "
                f"({_some(silent)})",
                "they are not on the path to the loss; check peft.target_modules",
            )


class BudgetAllocation(TrainerCallback):  # type: ignore[misc]
    """Lets an adapter that shares out its ranks while it is trained do so after each step (AdaLoRA)."""

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        allocate = getattr(getattr(kwargs["model"], "base_model", None), "update_and_allocate", None)
        if allocate is not None:
            allocate(state.global_step + 1)


class Start:
    """What the trained parameters of a model were at the start, as far as it tells whether they were trained."""

    def __init__(self, model: nn.Module) -> None:
        self.sums = _sums({name: one for name, one in model.named_parameters() if one.requires_grad})
        self.zero = [name for name, (_, size) in self.sums.items() if size == 0.0]


def _sums(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[float, float]]:
    """Of each tensor the sum of its values, and of their sizes."""
    doubled = ((name, one.detach().double()) for name, one in tensors.items())
    return {name: (float(one.sum()), float(one.abs().sum())) for name, one in doubled}


def check_trained(model: nn.Module, start: Start, advice: str, state: Mapping[str, torch.Tensor] | None = None) -> None:
    """Something must have been learnt, and no parameter that starts at zero (LoRA's B matrices) may still be all zero: there it
    adds nothing.

    Args:
        advice: what else to do where nothing was learnt.
        state: its parameters, where each of several processes has but a part of them.

    Raises:
        RecipeError: it is not so.
    """
    held = state or dict(model.named_parameters())
    end = _sums({name: held[name] for name in start.sums})
    untouched = [name for name in start.zero if end[name][1] == 0.0]
    if untouched:
        raise RecipeError(
            f"{len(untouched)} of {len(start.zero)} matrices that start at zero are all zero after training ({_some(untouched)})",
            f"nothing was learnt there: {advice}, or name fewer target_modules",
        )
    if end == start.sums:
        raise RecipeError(
            f"none of {len(end)} trained parameters has changed ({_some(sorted(end))})",
            f"nothing was learnt: {advice}",
        )


def _linear_module_names(model: nn.Module) -> list[str]:
    """The last parts of their names, as `target_modules` takes them."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    linear = [name for name, module in model.named_modules() if _is_linear(module) and module is not head]
    return sorted({name.rpartition(".")[2] for name in linear})


def _is_linear(module: nn.Module) -> bool:
    return "Linear" in type(module).__name__ or type(module).__name__ == "Conv1D"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
