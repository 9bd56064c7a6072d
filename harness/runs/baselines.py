"""Finding a run by whatever names it, and promoting one to a baseline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from harness.errors import RunError, some_of
from harness.paths import user_path
from harness.records import Verdict
from harness.runs.gate_names import comparable_names
from harness.runs.location import Location, is_url
from harness.runs.run import Run, load_run
from harness.runs.storage import Baseline, Store, check_name, fetch_run, is_name

DEFAULT_NAME = "main"

SUITE = "baseline"
"""What names of verdicts on candidate against baseline adapter begin with. A file may be called so too: see `own`."""


@dataclass(frozen=True)
class NamedRun:
    """A run and what to call it: the name of its baseline, else its id."""

    run: Run
    name: str


def find_run(text: str, reports_dir: Path, store: Store) -> NamedRun:
    """The complete run that a baseline's name, a run id, a path or a URL means, in that order.

    Args:
        reports_dir: where run ids are looked up before the store.

    Raises:
        RunError: there is none, it cannot be read, or it was interrupted.
    """
    found = _find(text, reports_dir, store)
    require_complete(found.run, "it holds a part of the evidence")
    return found


def _find(text: str, reports_dir: Path, store: Store) -> NamedRun:
    if is_url(text):
        run = fetch_run(Location(text))
        if run is None:
            raise RunError(f"there is no run at {Location(text)}", "give the URL of a run: STORE/RUN-ID")
        return NamedRun(run, run.id)
    if is_name(text):
        baseline = store.baseline(text)
        if baseline is not None:
            return NamedRun(baseline_run(baseline, store), baseline.name)
        for kept in (Store(Location(str(reports_dir))), store):
            run = kept.run(text)
            if run is not None:
                return NamedRun(run, run.id)
    path = user_path(text.removeprefix("file://"), "the run", RunError)
    if path.is_dir() or os.sep in text or text.startswith("."):
        run = load_run(path)
        return NamedRun(run, run.id)
    known = ", ".join(baseline.name for baseline in store.baselines()) or "none"
    raise RunError(
        f"{text!r} is neither a baseline ({known}) nor a run, in {reports_dir}"
        + ("" if store.location.local == reports_dir and not store.location.is_remote else f" or {store.location}"),
        "see `assay runs` for what there is, or set a baseline: `assay baseline set RUN --name NAME`",
    )


def baseline_run(baseline: Baseline, store: Store) -> Run:
    """The run that a baseline means.

    Raises:
        RunError: it is gone from the store.
    """
    run = store.run(baseline.run)
    if run is None:
        raise RunError(
            f"the baseline {baseline.name} means the run {baseline.run}, which is no longer in {store.location}",
            f"set another: `assay baseline set RUN --name {baseline.name}`",
        )
    return run


def own(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those of the suites' gates, without the verdicts on candidate against baseline adapter."""
    return [verdict for verdict in verdicts if not verdict.against]


def promote(
    run: Run, store: Store, name: str = DEFAULT_NAME, *, force: str | None = None, today: date | None = None
) -> Baseline:
    """Make a run the baseline of that name, copying it into the store where it is not there.

    An interrupted run never becomes one, nor one whose samples cannot be read. A run that failed, had errors, decided
    nothing, or left gates out, be it of those that the baseline of that name has, does only for a reason, which is kept
    with the baseline: what is in production may have failed a gate that came later. A failure that is waived is none as
    long as the waiver lasts.

    Args:
        force: the reason.
        today: the day that waivers are held against; None takes that of the clock, UTC.

    Raises:
        RunError: the run may not become a baseline, or the store cannot be written.
    """
    check_name(name)
    require_complete(run, "it cannot become a baseline")
    run.read_columns("item_id")  # a baseline without samples would be found out when the next candidate is measured
    objection = _objection(run, today or datetime.now(UTC).date()) or _lacking(run, store, name)
    if objection and not force:
        raise RunError(
            f"the run {run.id} {objection}: it should not become a baseline",
            "promote a whole run that passed, or give the reason why this one is in production: --force REASON",
        )
    store.add(run)
    return store.set_baseline(run, name, force if objection else None)


def require_complete(run: Run, why: str) -> None:
    """Refuse a run that was interrupted; `why` says what that means here.

    Raises:
        RunError: it was.
    """
    if run.status != "complete":
        raise RunError(
            f"the run {run.id} was interrupted: {why}",
            "run it again to its end; answers it had computed come from the cache",
        )


def waived(run: Run) -> list[str]:
    """The gates of a run that failed and are waived, each with by whom and until when."""
    return [
        f"{v.gate} by {v.waiver.who} until {v.waiver.until}" for v in run.verdicts if v.waived and v.waiver is not None
    ]


def _objection(run: Run, today: date) -> str:
    if not run.verdicts:
        return "decided no gate"
    if run.outcome in ("fail", "error"):
        return (
            f"has the outcome {run.outcome} ({some_of([v.gate for v in run.verdicts if v.bearing == run.outcome], 3)})"
        )
    past = [v.gate for v in run.verdicts if v.waived and v.waiver is not None and v.waiver.until < today.isoformat()]
    if past:
        return f"failed gates whose waivers have expired since ({some_of(past, 3)})"
    manifest = run.manifest
    if manifest.options.sequential:
        return "is partial (--sequential leaves out items that its own gates did not need)"
    if manifest.selected:
        return f"is partial (it was narrowed by {some_of(manifest.selected, 3)})"
    return f"is partial ({manifest.deselected} of its tests were deselected)" if manifest.deselected else ""


def _lacking(run: Run, store: Store, name: str) -> str:
    """The gates that the baseline of that name has and this run does not, in words."""
    try:
        baseline = store.baseline(name)
        before = () if baseline is None else baseline_run(baseline, store).verdicts
    except RunError:  # what is damaged or gone must not stand in the way of what replaces it
        return ""
    mine, theirs = comparable_names(own(run.verdicts), own(before))
    lacking = sorted(theirs - mine)
    return f"lacks gates that the baseline {name} has ({some_of(lacking, 3)})" if lacking else ""
