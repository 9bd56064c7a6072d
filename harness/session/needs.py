"""What a session will need: tasks that will be asked, gates that will be decided, and where each of them is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.settings import Settings
from harness.errors import Complaints
from harness.gates.config import GateSpec, gates_from_config
from harness.tasks.kinds import generates


@dataclass(frozen=True)
class TaskUse:
    """A task that will be asked, and metrics of it that will be looked at.

    Attributes:
        origin: file and key, option or line of a test that names it.
    """

    name: str
    origin: str
    fewshot: int | None = None
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateUse:
    """A gate that will be decided, and where it stands."""

    gate: GateSpec
    origin: str
    fewshot: int | None = None


@dataclass(frozen=True)
class Needs:
    """What a session will need.

    Attributes:
        measured: those of the tasks that base and candidate will be asked, by name and few-shot count.
        candidate, shipped, served, training_data, canaries, judge: whether it needs those.
        limits: whether it looks up limits of single tasks.
        every_row: whether each row of the training data has to be readable. A gate tells that too, and better.
    """

    tasks: Sequence[TaskUse] = ()
    gates: Sequence[GateUse] = ()
    measured: Sequence[tuple[str, int | None]] = ()
    candidate: bool = False
    shipped: bool = False
    served: bool = False
    training_data: bool = False
    canaries: bool = False
    judge: bool = False
    limits: bool = False
    every_row: bool = False


def measured_in(tasks: Sequence[TaskUse], gates: Sequence[GateUse]) -> list[tuple[str, int | None]]:
    """The tasks that are asked, each once."""
    asked = [*((use.name, use.fewshot) for use in tasks), *((one.gate.task, one.fewshot) for one in gates)]
    return list(dict.fromkeys(asked))


def configured_tasks(settings: Settings) -> Iterator[TaskUse]:
    """The tasks of the configuration file."""
    return (TaskUse(name, at(settings, f"tasks.{name}")) for name in settings.config.tasks)


def forgetting_tasks(settings: Settings) -> Iterator[TaskUse]:
    """What forgetting is measured on."""
    choice = ("acc", "gold_logprob", "overconfidence", "brier_score")
    metrics = {"knowledge": choice, "math": ("exact_match",), "text": ("bits_per_byte", "kl_per_token")}
    return _named_by(settings, "forgetting", metrics)


def safety_tasks(settings: Settings) -> Iterator[TaskUse]:
    """What safety is measured on."""
    yield from refusal_tasks(settings)
    yield from _named_by(settings, "safety", {"continuations": ("expected_max_toxicity",)})


def refusal_tasks(settings: Settings) -> Iterator[TaskUse]:
    """What refusals are measured on: prompts to be refused, and harmless ones like them."""
    return _named_by(settings, "safety", {"harmful": ("complied",), "safe": ("refused",)})


def written_tasks(settings: Settings) -> Iterator[TaskUse]:
    """The tasks of the configuration file whose answers are texts that have to end."""
    return (use for use in configured_tasks(settings) if generates(settings.config.tasks[use.name]))


def judged_tasks(settings: Settings) -> Iterator[TaskUse]:
    """What the judge is asked about."""
    return _named_by(settings, "judging", {"task": ()}, key="judge")


def further_tasks(settings: Settings) -> Iterator[TaskUse]:
    """Those that `--tasks` names."""
    return (TaskUse(name, f"--tasks={','.join(settings.tasks)}") for name in settings.tasks)


def configured_gates(settings: Settings, task: str) -> Iterator[GateUse]:
    """The gates of a task of the configuration file. Raises ConfigError where one is malformed."""
    gates = gates_from_config(task, settings.config.tasks[task].get("gates"))
    return (configured_gate(settings, gate) for gate in gates)


def configured_gate(settings: Settings, gate: GateSpec) -> GateUse:
    """A gate of the configuration file, with where it stands there."""
    return GateUse(gate, at(settings, f"tasks.{gate.task}, gate {gate.number}"))


def at(settings: Settings, key: str) -> str:
    """A key of the configuration file, as errors name it."""
    file = settings.config.file
    return f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}: {key}"


def everything(settings: Settings, complaints: Complaints) -> Needs:
    """All that the suites which ship would need; malformed gates are noted."""
    gates: list[GateUse] = []
    for name in settings.config.tasks:
        with complaints.noting(settings.config.file.name):
            gates += configured_gates(settings, name)
    judge = settings.judge is not None
    groups = [configured_tasks, further_tasks, forgetting_tasks, safety_tasks, *([judged_tasks] if judge else [])]
    tasks = [use for group in groups for use in group(settings)]
    return Needs(
        tasks=tasks,
        gates=gates,
        measured=measured_in(tasks, gates),
        candidate=settings.candidate is not None
        or settings.adapter is not None
        or settings.config.candidate is not None,
        shipped=True,
        served=True,
        training_data=True,
        canaries=True,
        judge=judge,
        limits=True,
        every_row=True,
    )


def _named_by(
    settings: Settings, section: str, metrics: Mapping[str, tuple[str, ...]], key: str = ""
) -> Iterator[TaskUse]:
    """Tasks named by a section's keys; `metrics` are what the suite gates on each."""
    for name, wanted in metrics.items():
        task = getattr(getattr(settings, section), name)
        if task is not None:
            yield TaskUse(task, at(settings, f"{key or section}.{name}"), metrics=wanted)
