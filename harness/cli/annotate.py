"""`assay annotate`: a run's answers put to people, and what they said read back as one more judge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.arguments import path_argument
from harness.cli.runs import add_places, settings_of
from harness.errors import ConfigError, RunError
from harness.paths import cache_dir
from harness.runs.baselines import find_run
from harness.runs.location import write_atomically
from harness.runs.storage import open_store

if TYPE_CHECKING:
    from harness.annotate.answers import Filled
    from harness.runs import Run

_EPILOG = "the page works from disk and does not tell which model answered; its answers are saved to a file"


def add_annotate_command(commands: Any) -> None:
    """Add `annotate` to the commands of `assay`."""
    annotate = commands.add_parser("annotate", help="have people compare a run's answers, blind", epilog=_EPILOG)
    annotate.add_argument("annotated", metavar="RUN", help="baseline name, run id, path or URL")
    annotate.add_argument("--task", help="whose answers (default: those the run's judge compared, or the only ones)")
    annotate.add_argument("--limit", type=int, metavar="N", help="pairs to draw (default: all)")
    annotate.add_argument("--seed", type=int, help="another draw and order (default: 0)")
    annotate.add_argument(
        "--answers", type=path_argument, nargs="+", metavar="FILE", help="read filled-in pages instead of writing one"
    )
    annotate.add_argument(
        "--export-gold", type=path_argument, metavar="FILE", help="with --answers: pairs for `judge.gold`"
    )
    annotate.add_argument(
        "--output",
        type=path_argument,
        metavar="FILE",
        help="the page (default: annotate-RUN.html), or what was read (in the run)",
    )
    add_places(annotate, "with the runs")
    annotate.set_defaults(run=_annotate)


def _annotate(arguments: argparse.Namespace) -> None:
    _check(arguments)
    settings = settings_of(arguments)
    run = find_run(arguments.annotated, settings.reports_dir, open_store(settings.store)).run
    if arguments.answers is None:
        _write_page(run, arguments)
    else:
        _read_pages(run, arguments)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.answers is None and arguments.export_gold is not None:
        raise ConfigError("--export-gold needs judgements", "give the saved pages with --answers as well")
    if arguments.export_gold is not None and arguments.export_gold.suffix != ".jsonl":
        raise ConfigError(f"--export-gold={arguments.export_gold} is no .jsonl file", "end its name in .jsonl")
    for name in ("task", "limit", "seed"):
        if arguments.answers is not None and getattr(arguments, name) is not None:
            raise ConfigError(
                f"--{name} is for writing a page", "leave it out: the files of --answers say it themselves"
            )
    if arguments.limit is not None and arguments.limit < 1:
        raise ConfigError(f"--limit={arguments.limit} draws nothing", "give a number of pairs from 1")


def _write_page(run: Run, arguments: argparse.Namespace) -> None:
    from harness.annotate.page import render_page
    from harness.annotate.review import choose_task, make_review
    from harness.report.facts import sensitive_tasks
    from harness.report.text import plural

    task = choose_task(run, arguments.task)
    review = make_review(run, task, seed=arguments.seed or 0, limit=arguments.limit)
    if not review.shown:
        raise RunError(f"all {len(review.drawn)} answers drawn of {task} are identical", "there is nothing to compare")
    path = arguments.output or Path(f"annotate-{run.id}.html")
    page = render_page(review, sensitive=task in sensitive_tasks(run.manifest))
    write_atomically(path, page.encode("utf-8"))
    print(path)
    print(f"{task}: {plural(len(review.shown), 'pair')}, {len(review.drawn) - len(review.shown)} identical left out")
    print(f"next: open it, judge, save; then `assay annotate {arguments.annotated} --answers FILE`")


def _read_pages(run: Run, arguments: argparse.Namespace) -> None:
    from harness.annotate.answers import check_once, read_answers
    from harness.annotate.record import annotations_json, render_table
    from harness.annotate.results import results

    record = arguments.output or _beside(run)
    pages = [read_answers(path, run) for path in arguments.answers]
    check_once(pages)
    found = results(run, pages)
    write_atomically(record, annotations_json(pages, found).encode("utf-8"))
    print(render_table(found))
    print(f"written: {record}")
    if arguments.export_gold is not None:
        _export_gold(pages, arguments.export_gold)


def _beside(run: Run) -> Path:
    from harness.annotate.record import ANNOTATIONS

    if run.path.is_relative_to(cache_dir() / "runs"):
        problem = f"the run {run.id} was fetched from a store, and its copy here is a cache"
        raise ConfigError(problem, "say with --output FILE where what was read is to be written")
    return run.path / ANNOTATIONS


def _export_gold(pages: list[Filled], path: Path) -> None:
    from harness.annotate.gold import gold_rows
    from harness.judges.health import MIN_PAIRS

    gold = gold_rows(pages)
    if not gold.rows:
        raise RunError("no pair was judged in a way that a gold pair can be made of", "have more pairs judged")
    write_atomically(path, gold.jsonl().encode("utf-8"))
    left_out = f"{gold.disputed} disputed and {gold.conversations} with conversations of their own left out"
    print(f"gold pairs: {path} ({len(gold.rows)}; {left_out})")
    if len(gold.rows) < MIN_PAIRS:
        print(f"  a judge is tried on at least {MIN_PAIRS}")
