"""`assay noise`: the same candidate measured twice, and which margins are smaller than what comes of that."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError

if TYPE_CHECKING:
    from tqdm import tqdm

    from harness.gates.config import GateSpec
    from harness.session import Session
    from harness.session.display import Display


def add_noise_command(commands: Any) -> None:
    """Add `noise` to the commands of `assay`."""
    noise = commands.add_parser(
        "noise",
        help="measure a candidate twice on a task, and tell which margins are smaller than the difference by chance",
        epilog="later runs of this base, task and number of items show it beside their margins",
    )
    noise.add_argument("task", metavar="TASK", help="a task of assay.yaml, or another that --tasks could name")
    for option, meaning in (
        ("profile", "sizes and margins (default: that of assay.yaml, else smoke)"),
        ("model", "the base, as for pytest"),
        ("adapter", "directory, hub id or recipe:NAME"),
        ("candidate", "what is on trial, as for pytest"),
        ("dtype", "precision, as for pytest"),
        ("quantization", "none, nf4 or int8"),
        ("data-dir", "directory with local copies of benchmarks"),
        ("judge", "model spec of the judge"),
    ):
        noise.add_argument(f"--{option}", help=meaning)
    noise.add_argument("--config", metavar="FILE", help="another file than the assay.yaml found from here upwards")
    noise.set_defaults(run=_noise)


def _noise(arguments: argparse.Namespace) -> None:
    from harness.config import find_config
    from harness.config.settings import make_settings
    from harness.session import Session
    from harness.session.noise import measure_noise

    options = ("profile", "model", "adapter", "candidate", "dtype", "quantization", "data_dir", "judge")
    config = find_config(arguments.config, [Path.cwd()])
    settings = make_settings(config, **{name: getattr(arguments, name) for name in options})
    if settings.candidate_spec is None:
        raise ConfigError("no candidate is named, and one is measured twice", "pass --adapter or --candidate")
    session = Session(settings, progress=_bar)
    found = measure_noise(session, arguments.task)
    gates = _paired_gates(session, arguments.task)
    from harness.report.text import figure, table_text

    task = session.task(arguments.task)
    times = f", each asked {task.settings['repeats']} times" if "repeats" in task.settings else ""
    print(f"{task.name}: {session.models.candidate.name} measured twice on {task.settings['items']:,} items{times}\n")
    rows = [("metric", "first", "second", "difference", "noise floor", "margins")]
    for one in found:
        margins = "; ".join(_margin(gate, one.floor) for gate in gates if gate.metric == one.metric)
        numbers = (
            figure(one.first),
            figure(one.second),
            figure(one.second - one.first, signed=True),
            figure(one.floor),
        )
        rows.append((one.metric, *numbers, margins))
    print(table_text(rows, right=(1, 2, 3, 4)))
    print("\n19 of 20 differences between two such measurements are no larger than the noise floor.")


def _paired_gates(session: Session, task: str) -> list[GateSpec]:
    """The task's gates on a difference over all of its items, with margins in units of the metric."""
    from harness.gates.kinds import KINDS
    from harness.session.needs import configured_gates

    if task not in session.settings.config.tasks:
        return []
    gates = [use.gate for use in configured_gates(session.settings, task)]
    return [one for one in gates if KINDS.get(one.kind).paired and not one.where and not one.relative]


def _margin(gate: GateSpec, floor: float) -> str:
    """As in `superior: 0.01 (under the noise)`."""
    under = " (under the noise)" if 0 < gate.threshold < floor else ""
    return f"{gate.kind}: {gate.threshold:g}{under}"


@contextlib.contextmanager
def _bar(label: str) -> Iterator[Display]:
    from tqdm import tqdm

    with tqdm(desc=label, disable=None, leave=False) as bar:
        yield _Bar(bar)


class _Bar:
    """A bar on the terminal; nothing where there is none."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar

    def answered(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def computed(self, answers: int, seconds: float) -> None: ...
