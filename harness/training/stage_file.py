"""What a recipe of several stages may say: its own keys, and what a stage says beside those of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from harness.config.base import Section, Text, objection
from harness.tasks.kinds import Texts
from harness.training.launch import Launch
from harness.training.recipe_file import Quantization

GoesOn = Literal["continued", "stacked", "merged"]

OF_ALL_STAGES = ("base", "quantization", "launch")
"""Keys of a recipe that its stages share."""


class StageFile(Section):
    """A stage: these keys, and those of a recipe but for `base`, `quantization` and `launch`."""

    null_is_absent: ClassVar[bool] = True

    name: Text | None = None
    """what the stage is called in logs, gates and `recipe:NAME@STAGE`; that of its recipe where it names one, else stage-1 and
    so on"""
    recipe: Text | None = None
    """a recipe that says all the rest: its name in fixtures/recipes, or the path of a YAML file; its base, quantization and
    launch give way to those of the stages"""
    goes_on: GoesOn | None = Field(default=None, alias="from")
    """how it goes on from the stage before: continued trains the same adapter on; stacked trains a new one on the model so far,
    and both ship as one adapter, their exact sum; merged trains a new one and ships a whole model. Left out: continued where
    `peft` is that of the stage before, merged where all weights are trained, else stacked"""

    @field_validator("name")
    @classmethod
    def _can_be_named(cls, name: str | None) -> str | None:
        if name is not None and not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise objection("", "use letters, digits, dashes and underscores")
        return name


class GateKeys(Section):
    """What is gated on the way."""

    after: Texts = ()
    """stages after each of which the training goes on only where the adapter's files are sound and its log is that of a healthy
    training"""


class StagedFile(Section):
    """How to train in stages, one after the other."""

    null_is_absent: ClassVar[bool] = True
    migrated_by: ClassVar[str] = "assay migrate --recipe"

    base: Text
    """model spec: a hub id, a local directory or smollm2-135m"""
    quantization: Quantization = "none"
    """of the base while training"""
    launch: Launch | None = None
    """trains in several processes of this machine, which share the work; null trains in one"""
    stages: Sequence[Text | Mapping[str, Any]]
    """trainings one after the other in place of one: each a recipe's name, or the keys of a stage"""
    gate: GateKeys = Field(default=GateKeys())
    """what is gated between stages"""

    @field_validator("stages")
    @classmethod
    def _some(cls, stages: Sequence[Any]) -> Sequence[Any]:
        if not stages:
            raise objection("", "name a stage")
        return stages
