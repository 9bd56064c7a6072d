"""The trainers whose output is read, by the hook `register_trainers`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AdapterError
from harness.models.trainers.artefact import Artefact
from harness.models.trainers.conversion import Conversion, converted
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.plugins import Registry


@dataclass(frozen=True)
class Trainer:
    """How the output of one trainer is read.

    Attributes:
        read: what an artefact says of its training; None where it is not this trainer's.
        log: the training as it was logged; None where it logged none. Raises AdapterError where the log is torn.
        refuse: of an artefact that holds no PEFT adapter, a problem (to follow its name) and the command that mends it.
        convert: what PEFT loads, made of an artefact of other files or names; None where it is right as it lies.
    """

    name: str
    read: Callable[[Artefact], TrainingRecord | None]
    log: Callable[[Artefact], TrainerLog | None] = lambda artefact: None
    refuse: Callable[[Artefact], tuple[str, str] | None] = lambda artefact: None
    convert: Callable[[Artefact], Conversion | None] = lambda artefact: None


TRAINERS: Registry[Trainer] = Registry("register_trainers", "trainer")


def read_training_record(path: Path) -> TrainingRecord | None:
    """What a directory, or a single log, says of its training; None where no trainer's reader knows it.

    What trainers share is registered first (a model card); whoever is registered later is more particular, and where two
    tell the same thing, the later is believed.
    """
    artefact = Artefact(path)
    found: TrainingRecord | None = None
    for trainer in TRAINERS:
        record = trainer.read(artefact)
        if record is not None:
            found = record if found is None else found.joined(record)
    return found and dataclasses.replace(found, notes=tuple(dict.fromkeys([*found.notes, *artefact.notes])))


def read_training_log(path: Path) -> TrainerLog | None:
    """The log in a directory, or that a file is; None where no trainer's reader knows one. What trainers share tells most.

    Raises:
        AdapterError: it is torn, or no log.
    """
    artefact = Artefact(path)
    return next(filter(None, (trainer.log(artefact) for trainer in TRAINERS)), None)


def as_peft(directory: Path) -> Path | None:
    """A directory that PEFT loads, made of one that it does not; None where no trainer's reader would make one.

    Raises:
        AdapterError: it is damaged, or of a kind that cannot be converted.
    """
    artefact = Artefact(directory)
    conversion = next(filter(None, (trainer.convert(artefact) for trainer in TRAINERS)), None)
    return None if conversion is None else converted(directory, conversion)


def refusal(directory: Path) -> AdapterError | None:
    """What a trainer's reader says of a directory that holds no PEFT adapter; None where it is no trainer's."""
    artefact = Artefact(directory)
    said = next(filter(None, (trainer.refuse(artefact) for trainer in TRAINERS)), None)
    return None if said is None else AdapterError(f"{directory} {said[0]}", said[1])
