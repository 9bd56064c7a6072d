"""`assay runs`, `assay baseline` and `assay compare`: what was measured, and runs held against each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.arguments import path_argument
from harness.errors import RunError
from harness.runs.baselines import DEFAULT_NAME, NamedRun, find_run, promote, waived
from harness.runs.run import Run
from harness.runs.storage import open_store

if TYPE_CHECKING:
    from harness.compare.runs import RunsCompared
    from harness.config import Config
    from harness.config.settings import Settings

STORE_HELP = "where baselines are kept: a directory or a URL like s3://... (default: `store:` of assay.yaml, else {})"
_LAST = 10
_MOST = 1_000_000_000
_COMPARE_EPILOG = "exits 0 without a regression, 1 with one, 2 where the runs cannot be found or compared"


def add_run_commands(commands: Any) -> None:
    """Add `runs`, `baseline` and `compare` to the commands of `assay`."""
    runs = commands.add_parser("runs", help="list the runs and the baselines among them, or a task from run to run")
    runs.add_argument("--task", help="show how this task went from run to run")
    runs.add_argument("--last", type=positive, metavar="N", help="the last runs only (with --task by default 10)")
    runs.add_argument("--names", action="store_true", help="nothing but run ids and names of baselines, a line each")
    add_places(runs, "the reports directory")
    runs.set_defaults(run=_runs)

    baseline = commands.add_parser("baseline", help="name the run that the next candidate is held against")
    actions = baseline.add_subparsers(required=True, metavar="ACTION")

    promoted = actions.add_parser("set", help="promote a run; a whole one that passed")
    promoted.add_argument("promoted", metavar="RUN", help="run id, path or URL")
    promoted.add_argument("--name", default=DEFAULT_NAME, help=f"default: {DEFAULT_NAME}")
    promoted.add_argument("--force", metavar="REASON", help="promote a run that failed gates or left some out; kept")
    promoted.set_defaults(run=_set)

    shown = actions.add_parser("show", help="what a baseline is")
    shown.add_argument("name", nargs="?", default=DEFAULT_NAME, help=f"default: {DEFAULT_NAME}")
    shown.set_defaults(run=_show)

    listed = actions.add_parser("list", help="all baselines")
    listed.set_defaults(run=_list)

    removed = actions.add_parser("rm", help="forget a baseline's name; its run stays")
    removed.add_argument("name", help="the baseline")
    removed.set_defaults(run=_remove)

    compare = commands.add_parser("compare", help="hold runs against the first of them", epilog=_COMPARE_EPILOG)
    compare.add_argument(
        "runs", metavar="RUN", nargs="+", help="baseline name, run id, path or URL; the reference first"
    )
    compare.add_argument("--gates", action="store_true", help="show every gate that the runs share, not only concerns")
    compare.add_argument(
        "--html", type=path_argument, metavar="FILE", help="write the comparison as one HTML file as well"
    )
    compare.set_defaults(run=_compare)

    for action in (promoted, shown, listed, removed, compare):
        add_places(action, "with the runs")


def add_places(parser: argparse.ArgumentParser, default: str) -> None:
    """Options that say where runs and baselines are; `default` is where baselines are without any."""
    parser.add_argument("--store", help=STORE_HELP.format(default))
    parser.add_argument("--reports-dir", metavar="DIR", help="where runs were written (default: reports/)")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Reports directory, store and margins as options and configuration say."""
    from harness.config import find_config
    from harness.config.settings import make_settings

    config = find_config(None, [Path.cwd()])
    return make_settings(config, baseline_store=arguments.store, reports_dir=arguments.reports_dir)


def positive(text: str) -> int:
    """A number from 1 of the command line."""
    number = int(text)
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text:.20} is not a number from 1 to {_MOST:,}")
    return number


def _runs(arguments: argparse.Namespace) -> None:
    from harness.report.text import table_text

    settings = settings_of(arguments)
    store = open_store(settings.store)
    listed = store if arguments.store else open_store(str(settings.reports_dir))
    if arguments.names:
        print("\n".join([*listed.run_ids(), *(baseline.name for baseline in store.baselines())]))
        return
    runs = listed.runs()
    if not runs:
        print(f"no runs in {listed.location} yet")
        return
    if arguments.task is not None:
        _show_history(runs, arguments.task, arguments.last or _LAST)
        return
    names: dict[str, list[str]] = {}
    for baseline in store.baselines():
        names.setdefault(baseline.run, []).append(baseline.name)
    head = ("run", "started", "model", "adapter", "profile", "outcome", "baseline")
    print(table_text([head, *(_row(run, names.get(run.id, [])) for run in runs[-(arguments.last or len(runs)) :])]))


def _show_history(runs: Sequence[Run], task: str, last: int) -> None:
    from harness.compare.history import history
    from harness.errors import nearest
    from harness.report.history import history_table

    steps = history((run for run in runs if run.status == "complete"), task)
    if not steps:
        known = sorted({verdict.task for run in runs for verdict in run.verdicts if verdict.task})
        raise RunError(f"no run gated a task {task!r}", nearest(task, known))
    print(history_table(steps[-last:]))


def _row(run: Run, names: list[str]) -> tuple[str, ...]:
    from harness.report.text import moment

    return (
        run.id,
        moment(run.manifest.started),
        run.manifest.model.name,
        run.manifest.adapter.name,
        run.manifest.profile,
        run.outcome,
        ", ".join(names),
    )


def _set(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    store = open_store(settings.store, to_write=True)
    found = find_run(arguments.promoted, settings.reports_dir, store)
    baseline = promote(found.run, store, arguments.name, force=arguments.force)
    print(f"baseline {baseline.name}: run {baseline.run} ({baseline.adapter or 'no adapter named'}), {store.location}")
    if baseline.forced:
        print(f"  forced: {baseline.forced}")
    for one in waived(found.run):
        print(f"  waived: {one}")


def _show(arguments: argparse.Namespace) -> None:
    from harness.report.text import moment, table_text
    from harness.runs.baselines import baseline_run

    store = open_store(settings_of(arguments).store)
    baseline = store.named_baseline(arguments.name)
    run = baseline_run(baseline, store)
    facts = {
        "baseline": baseline.name,
        "run": run.id,
        "set": moment(baseline.set),
        "forced": baseline.forced,
        "model": run.manifest.model.name,
        "adapter": run.manifest.adapter.name,
        "digest": run.manifest.adapter.digest,
        "profile": run.manifest.profile,
        "outcome": run.outcome,
        "waived": "; ".join(waived(run)),
        "gates": len(run.verdicts),
        "tasks": ", ".join(run.manifest.data),
        "place": store.location.child(run.id),
    }
    print(table_text([(name, str(value)) for name, value in facts.items() if value not in (None, "")]))


def _list(arguments: argparse.Namespace) -> None:
    from harness.report.text import moment, table_text

    store = open_store(settings_of(arguments).store)
    baselines = store.baselines()
    if not baselines:
        print(f"no baselines in {store.location} yet; set one with `assay baseline set RUN`")
        return
    rows = [(b.name, b.run, b.adapter, moment(b.set), b.forced or "") for b in baselines]
    print(table_text([("baseline", "run", "adapter", "set", "forced"), *rows]))


def _remove(arguments: argparse.Namespace) -> None:
    store = open_store(settings_of(arguments).store)
    store.remove_baseline(arguments.name)
    print(f"baseline {arguments.name} is forgotten; its run stays in {store.location}")


def compared_by(config: Config, runs: Sequence[NamedRun]) -> RunsCompared:
    """Runs held against the first of them, with the losses that a configuration tolerates."""
    from harness.compare.runs import compare_runs

    task_margins = {task: config.margins_of(task).baseline for task in config.margins.tasks}
    return compare_runs(runs, margin=config.margins.baseline, task_margins=task_margins)


def _compare(arguments: argparse.Namespace) -> int:
    from harness.report.comparison.text import render_text

    settings = settings_of(arguments)
    store = open_store(settings.store)
    runs = [find_run(text, settings.reports_dir, store) for text in arguments.runs]
    compared = compared_by(settings.config, runs)
    print(render_text(compared, gates=arguments.gates))
    if arguments.html is not None:
        from harness.report.comparison.html import render_comparison
        from harness.runs.location import write_atomically

        write_atomically(arguments.html, render_comparison(compared).encode("utf-8"))
        print(f"report: {arguments.html}")
    return 1 if compared.regressions else 0
