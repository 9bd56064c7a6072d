"""What a directory of runs holds, read once and again only where a run changed: a thousand runs are listed at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from harness.errors import AssayError
from harness.records import RunOutcome
from harness.report.concerns import concerns
from harness.report.sentence import sentence
from harness.report.text import NOTHING, one_line
from harness.runs.ids import BASELINES, is_run_id
from harness.runs.run import MANIFEST, SAMPLES, VERDICTS, Run, load_run

_LONGEST = 300

Stamp = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class RunSummary:
    """A run in a list.

    Attributes:
        name: of its directory, by which it is asked for; what its manifest calls it may be anything.
        outcome: None where it cannot be read, and `found` says why.
        found: one sentence on what its gates found.
        tasks: that it measured.
    """

    name: str
    started: str = ""
    model: str = ""
    adapter: str = ""
    profile: str = ""
    outcome: RunOutcome | None = None
    found: str = ""
    tasks: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What a search looks through."""
        return "\n".join((self.name, self.model, self.adapter, self.profile, self.found, *self.tasks)).casefold()


class RunIndex:
    """The runs of a directory, the newest first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, tuple[Stamp, RunSummary]] = {}
        self._lock = Lock()

    def runs(self) -> list[RunSummary]:
        """Every run there is now, those that cannot be read last."""
        with self._lock:
            names = self._names()
            self._known = {name: self._summary(name) for name in names}
            summaries = [summary for _, summary in self._known.values()]
        return sorted(summaries, key=lambda one: (one.started, one.name), reverse=True)

    def path(self, name: str) -> Path | None:
        """The directory of a run that is listed under this name; None for any other text, a path among them."""
        return self.root / name if name in self._names() else None

    def _names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return [path.name for path in self.root.iterdir() if is_run_id(path.name) and _holds_run(path)]

    def _summary(self, name: str) -> tuple[Stamp, RunSummary]:
        path = self.root / name
        stamp = tuple(_stamp(path / file) for file in (MANIFEST, VERDICTS))
        known = self._known.get(name)
        if known is not None and known[0] == stamp:
            return known
        try:
            return stamp, _summary_of(name, load_run(path))
        except (AssayError, OSError) as error:
            return stamp, RunSummary(name, found=one_line(getattr(error, "problem", str(error)), _LONGEST))


def _summary_of(name: str, run: Run) -> RunSummary:
    manifest = run.manifest
    return RunSummary(
        name,
        manifest.started,
        manifest.model.name,
        manifest.adapter.name,
        manifest.profile,
        run.outcome,
        one_line(sentence(concerns(run.verdicts)), _LONGEST) if run.verdicts else NOTHING,
        tuple(dict.fromkeys((*manifest.data, *(v.task for v in run.verdicts if v.task)))),
    )


def _holds_run(path: Path) -> bool:
    """Whether a directory is a run, or what is left of one."""
    return path.name != BASELINES and any((path / file).is_file() for file in (MANIFEST, VERDICTS, SAMPLES))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
