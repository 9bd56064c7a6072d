"""`launch:` of a recipe: in how many processes it trains, and how these share the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from harness.config.base import Count, Named, Section, objection
from harness.errors import RecipeError

RESERVED = ("fsdp", "fsdp_config", "deepspeed", "ddp_backend")
"""Arguments of a trainer that `launch:` says."""


_ZERO = "zero_optimization"


class Launch(Section):
    """How a training is distributed over processes of this machine."""

    null_is_absent: ClassVar[bool] = True

    processes: Count
    """processes that train together, each on a part of every batch, so that a step learns from as many rows as in one"""
    deepspeed: Named[Any] | None = Field(default=None)
    """configuration of DeepSpeed, by its own keys: `{zero_optimization: {stage: 2}}`; `auto` takes a value from `trainer:`"""
    fsdp: Named[Any] | None = Field(default=None)
    """configuration of FSDP, by the keys of `fsdp_config` of transformers and accelerate"""

    @model_validator(mode="after")
    def _shares_one_way(self) -> Launch:
        if self.deepspeed is not None and self.fsdp is not None:
            raise objection("deepspeed and fsdp are given, and a training is shared one way", "keep one of the two")
        if self.deepspeed is not None and not _stage(self.deepspeed):
            raise objection(
                f"deepspeed names no stage of ZeRO, without which nothing is shared but batches; its keys are: "
                f"{', '.join(self.deepspeed) or 'none'}",
                f"write `deepspeed: {{{_ZERO}: {{stage: 2}}}}`, or 1 or 3; leave `deepspeed` out to share batches alone",
            )
        return self

    @property
    def way(self) -> str:
        """How the work is shared, in accelerate's words."""
        if self.deepspeed is not None:
            return "DEEPSPEED"
        return "FSDP" if self.fsdp is not None else "MULTI"

    @property
    def is_sharded(self) -> bool:
        """Whether a process may hold but a part of what is trained, or of its gradients."""
        return self.way != "MULTI"

    def arguments(self, *, is_cast: bool) -> dict[str, Any]:
        """Of the trainer's configuration.

        Args:
            is_cast: DeepSpeed computes with base and adapter in one precision.
        """
        if self.deepspeed is not None:
            return {"deepspeed": _completed(self.deepspeed, is_cast)}
        return {"fsdp": True, "fsdp_config": dict(self.fsdp)} if self.fsdp is not None else {}


def _stage(deepspeed: Mapping[str, Any]) -> Any:
    """Which stage of ZeRO a configuration of DeepSpeed names; None where none does."""
    zero = deepspeed.get(_ZERO)
    return zero.get("stage") if isinstance(zero, Mapping) else None


def _completed(deepspeed: Mapping[str, Any], is_cast: bool) -> dict[str, Any]:
    """DeepSpeed's configuration with what is completed: precision and batch follow the trainer's, and what ZeRO-3 has in parts is
    put together to be saved.

    Small parameters that each process keeps whole are put together after a step as if they had one precision, and a float32
    adapter on a 16-bit base has two (DeepSpeed issue 8072): where they are not cast, none is kept whole.
    """
    batch = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    filled = {"bf16": {"enabled": "auto"}, **dict.fromkeys(batch, "auto"), **deepspeed}
    kept_whole = {} if is_cast else {"stage3_param_persistence_threshold": 0}
    return {**filled, _ZERO: {"stage3_gather_16bit_weights_on_model_save": True, **kept_whole, **deepspeed[_ZERO]}}


def share_of_batch(recipe_name: str, launch: Launch, rows: int, accumulation: int) -> tuple[int, int]:
    """Rows and accumulated batches of one process, so that an optimizer step learns from as many as the recipe says.

    Args:
        rows: `per_device_train_batch_size` of the recipe.
        accumulation: its `gradient_accumulation_steps`.

    Raises:
        RecipeError: neither of the two can be divided by the number of processes.
    """
    count = launch.processes
    if rows % count == 0:
        return rows // count, accumulation
    if accumulation % count == 0:
        return rows, accumulation // count
    raise RecipeError(
        f"recipe {recipe_name!r}: launch.processes is {count}, which divides neither trainer.per_device_train_batch_size "
        f"({rows}) nor trainer.gradient_accumulation_steps ({accumulation}): a step would learn from another number of rows",
        "choose numbers of which one can be divided",
    )
