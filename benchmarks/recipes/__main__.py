"""Every recipe that ships, trained on the embedded model and put to the gates.

    python -m benchmarks.recipes [--only NAME] [--tiny] [--anew] [--page] [--output DIR]

A recipe whose row is there and up to date is left alone, so that a run may be stopped and taken up again; adapters come from
the user's cache where they are there. Each row is kept as soon as it is known (benchmarks/recipes/measured.json), and the page
docs/reference/recipes-run.md is written anew from all of them. The exit code is 1 where a recipe could not be measured.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.recipes.kept import keep, load
from benchmarks.recipes.running import as_written, measure, recipe_digest, recipe_names
from benchmarks.recipes.table import PAGE, page
from benchmarks.recipes.tiny_base import NAME as TINY
from harness.errors import AssayError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not yet known, and write the page.

    Returns:
        0 where every recipe asked for has its row, 1 where one could not be measured.
    """
    parsed = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    named = [] if parsed.page else parsed.only or recipe_names()
    wanted = [name for name in named if parsed.anew or not _is_kept(name, tiny=parsed.tiny)]
    output = parsed.output or Path(tempfile.mkdtemp(prefix="assay-recipes-"))
    if wanted:
        print(f"runs and output of pytest: {output}", flush=True)
    lost = [name for name in wanted if not _measured(name, output, tiny=parsed.tiny)]
    PAGE.write_text(page(load()), encoding="utf-8")
    print(f"{PAGE}: {len(load())} of {len(recipe_names())} recipes")
    return 1 if lost else 0


def _measured(name: str, output: Path, *, tiny: bool) -> bool:
    import transformers  # noqa: F401  # its logger keeps the stderr of its import, which would be pytest's, closed later

    try:
        row = measure(name, output, tiny=tiny)
    except AssayError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    keep(row)
    PAGE.write_text(page(load()), encoding="utf-8")
    print(
        f"{name}: {len(row.passed)} of {row.gates} gates passed; failed: {', '.join(row.failed) or 'none'}", flush=True
    )
    return True


def _is_kept(name: str, *, tiny: bool) -> bool:
    """Whether its row is up to date; one of the tiny base stands in for no other."""
    row = load().get(name)
    return row is not None and (tiny or row.base != TINY) and row.recipe_digest == recipe_digest(as_written(name))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=recipe_names(), metavar="NAME", help="may be given several times"
    )
    parser.add_argument("--tiny", action="store_true", help="on two random layers; only data and log are gated")
    parser.add_argument("--anew", action="store_true", help="also what has its row")
    parser.add_argument("--page", action="store_true", help="measure nothing, and write the page of the rows there are")
    parser.add_argument("--output", type=Path, help="where runs and output go (default: a new temporary directory)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
