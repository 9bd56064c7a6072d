"""Where runs and named baselines are kept: `<store>/<run-id>/` and `<store>/baselines/<name>.json`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from harness.digests import digest_bytes
from harness.errors import RunError, show
from harness.json_files import load_json
from harness.paths import cache_dir
from harness.runs.codec import dump_json
from harness.runs.ids import BASELINES, is_run_id
from harness.runs.location import Location, write_atomically
from harness.runs.run import MANIFEST, SAMPLES, TRAINING, VERDICTS, Run, in_order, list_runs, load_run
from harness.runs.secrets import without_secrets

_log = logging.getLogger(__name__)

BASELINE_SCHEMA = 1
_NEEDED = (VERDICTS, SAMPLES, TRAINING)
_REPORTS = ("report.html", "summary.md", "junit.xml")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _warn(error: RunError) -> None:
    _log.warning("%s", error)


@dataclass(frozen=True)
class Baseline:
    """A run by the name it was promoted under.

    Attributes:
        run: its id.
        set: when it was promoted, ISO.
        adapter: what it judged.
        forced: why it was promoted although it should not have been; None for one that passed.
    """

    name: str
    run: str
    set: str
    adapter: str = ""
    forced: str | None = None


@dataclass(frozen=True)
class Store:
    """Runs and baselines in one place, on this disk or behind a URL."""

    location: Location

    def runs(self) -> list[Run]:
        """The finished runs, oldest first. One that cannot be read is left out with a logged warning."""
        if not self.location.is_remote:
            return list_runs(self.location.local)
        runs = []
        for name in self.location.names():
            if name != BASELINES and not name.startswith("."):
                try:
                    run = fetch_run(self.location.child(name), files=(VERDICTS,))
                except RunError as error:
                    _log.warning("left out of the list of runs: %s", error)
                    continue
                runs += [run] if run is not None else []
        return in_order(runs)

    def run_ids(self) -> list[str]:
        """The ids of the runs, none of which is opened; behind a URL whatever may be one."""
        names = [name for name in self.location.names() if name != BASELINES and is_run_id(name)]
        local = self.location.local
        return [name for name in names if self.location.is_remote or (local / name / MANIFEST).is_file()]

    def run(self, run_id: str) -> Run | None:
        """The run of that id; None where there is none."""
        if not self.location.is_remote:
            path = self.location.local / run_id
            return load_run(path) if path.is_dir() else None
        return fetch_run(self.location.child(run_id))

    def add(self, run: Run) -> None:
        """Copy a run into the store, if it is not there. Its manifest is written last: a torn copy is no run.

        Raises:
            RunError: it cannot be written, or another run has its id.
        """
        location, here = self.location.child(run.id), Location(str(run.path))
        if not location.is_remote and location.local.resolve() == run.path.resolve():
            return
        manifest = here.read(MANIFEST)
        there = location.read(MANIFEST)
        if there is not None and there != manifest:
            raise RunError(f"{location} is another run of the same id", "give the store's run, or use another store")
        if there is not None or manifest is None:
            return
        for name in (*_NEEDED, *_REPORTS):
            data = here.read(name)
            if data is not None:
                location.write(name, data)
        location.write(MANIFEST, manifest)

    def baselines(self, tell: Callable[[RunError], object] = _warn) -> list[Baseline]:
        """All baselines by name; one that cannot be read is told and left out."""
        found: list[Baseline] = []
        for file in self.location.child(BASELINES).names():
            name = file.removesuffix(".json")
            if name == file or not is_name(name):
                continue
            try:
                baseline = self.baseline(name)
            except RunError as error:
                tell(error)
                continue
            found += [] if baseline is None else [baseline]
        return found

    def baseline(self, name: str) -> Baseline | None:
        """The baseline of that name; None where there is none.

        Raises:
            RunError: it cannot be read.
        """
        data = self.location.read(f"{BASELINES}/{check_name(name)}.json")
        if data is None:
            return None
        try:
            document = load_json(data)
            if document.pop("schema") != BASELINE_SCHEMA:
                raise ValueError("another version of adapter-assay wrote it")
            for key, value in document.items():
                if not isinstance(value, str | None if key == "forced" else str):
                    raise ValueError(f"{key} is {show(value)}")
            if not is_run_id(document["run"]):
                raise ValueError(f"{document['run']!r} is no run's id")
            return Baseline(**{**document, "name": name})  # a file may call itself anything, and shells see the name
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(
                f"the baseline {name} in {self.location} cannot be read: {error}",
                "set it again: `assay baseline set RUN`",
            ) from error

    def set_baseline(self, run: Run, name: str, forced: str | None = None) -> Baseline:
        """Point a name at a run of the store, in one step: a reader sees the old run or the new one."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        baseline = Baseline(check_name(name), run.id, now, run.manifest.adapter.name, forced)
        document = without_secrets({"schema": BASELINE_SCHEMA, **asdict(baseline)})
        self.location.write(f"{BASELINES}/{name}.json", (dump_json(document, indent=1) + "\n").encode())
        return baseline

    def named_baseline(self, name: str) -> Baseline:
        """The baseline of that name.

        Raises:
            RunError: there is none.
        """
        if (found := self.baseline(name)) is not None:
            return found
        known = ", ".join(baseline.name for baseline in self.baselines()) or "none yet"
        raise RunError(
            f"there is no baseline {name!r} in {self.location}",
            f"its baselines: {known}; set one with `assay baseline set RUN --name {name}`",
        )

    def remove_baseline(self, name: str) -> None:
        """Forget the name of a baseline there is; its run stays."""
        self.location.remove(f"{BASELINES}/{self.named_baseline(name).name}.json")


def check_name(name: str) -> str:
    """`name` itself.

    Raises:
        RunError: it is no plain name.
    """
    if not is_name(name):
        raise RunError(
            f"{name!r} is no name for a baseline", "use letters, digits, '.', '_' and '-', at most 64 of them"
        )
    return name


def is_name(text: str) -> bool:
    """Whether a text can be the name of a baseline, or a run's id, rather than a path."""
    return _NAME.fullmatch(text) is not None


def fetch_run(location: Location, files: tuple[str, ...] = _NEEDED) -> Run | None:
    """A run behind a URL, its files copied to the user's cache; None where there is none.

    What was fetched before is not fetched again: the copy is kept under the digest of the manifest.
    """
    manifest = location.read(MANIFEST)
    if manifest is None:
        return None
    copy = cache_dir() / "runs" / digest_bytes(manifest)[:32] / location.text.rstrip("/").rpartition("/")[2]
    for name in files:
        if not (copy / name).exists() and (data := location.read(name)) is not None:
            write_atomically(copy / name, data)
    write_atomically(copy / MANIFEST, manifest)
    return load_run(copy)


def open_store(text: str, *, to_write: bool = False) -> Store:
    """The store at a URL or a path.

    Args:
        to_write: something is to be kept there.

    Raises:
        RunError: it is no place, or what is to be kept there would be gone with this process.
    """
    location = Location(text)
    if location.is_remote and not all(part.strip("/") for part in text.split("://", 1)):
        raise RunError(f"{location} is no place to keep runs", "give a directory, or a URL like s3://BUCKET/DIR")
    if to_write and not location.lasts:
        raise RunError(
            f"what is kept in the store {location} is gone when this command ends",
            "give a directory, or a URL such as s3://bucket/releases",
        )
    return Store(location)
