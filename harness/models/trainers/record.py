"""What an artefact says of its training, at its word."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainerLog:
    """A training as it was logged.

    Attributes:
        source: the file it was read from, relative to the artefact.
        history: entries as a Trainer logs them (`step`, `loss`, `eval_loss`, `learning_rate`, `grad_norm`, and keys of TRL's
            methods), in step order.
        steps: optimizer steps taken; kept_step: that of the weights.
        planned_steps: optimizer steps that were to be taken; None where nothing says so.
    """

    source: str
    history: Sequence[Mapping[str, Any]]
    steps: int
    kept_step: int
    planned_steps: int | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """What an artefact says of its training, at its word; None and empty where it says nothing.

    Attributes:
        trainer: as its makers spell it.
        source: the file that told.
        base: what the base was called; base_bits: those that it was quantised to.
        data, validation: files or data sets, by the names they had on that machine.
        max_length: tokens after which rows were cut.
        template: the chat template, by the trainer's name for it.
        method: "sft", "dpo", "grpo" ... as TRL's trainers are called.
        strength: of `r`, `lora_alpha`, `use_rslora` and `use_dora` what training was told.
        notes: what could not be read.
    """

    trainer: str
    source: str = ""
    base: str | None = None
    base_bits: int | None = None
    data: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    max_length: int | None = None
    template: str | None = None
    method: str | None = None
    strength: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def joined(self, particular: TrainingRecord) -> TrainingRecord:
        """The two together; where both tell the same thing, the other is believed."""
        told = {f.name: value for f in dataclasses.fields(particular) if (value := getattr(particular, f.name))}
        return dataclasses.replace(self, **told)

    def describe(self) -> str:
        """In one line, for people."""
        said = [
            f"base {self.base!r}" if self.base else "",
            f"in {self.base_bits} bits" if self.base_bits else "",
            f"data {', '.join(map(repr, self.data))}" if self.data else "",
            f"rows of at most {self.max_length} tokens" if self.max_length else "",
            f"chat template {self.template!r}" if self.template else "",
            f"method {self.method}" if self.method else "",
            *self.notes,
        ]
        return (
            f"{self.trainer}{f' ({self.source})' if self.source else ''}: {', '.join(filter(None, said)) or 'no more'}"
        )
