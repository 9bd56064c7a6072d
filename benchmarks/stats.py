"""Error rates of the statistics by simulation, and what sequential stopping saves. Needs no model.

    python -m benchmarks.stats [--repeats 2000] [--only coverage|errors|sequential] [--run RUN]

    coverage    how often a 95% interval misses the truth; 5% wanted
    errors      gates whose truth lies exactly at the margin: wrong passes and wrong fails; 2.5% of each wanted
    sequential  wrong decisions at the margin, at most 2.5% in each direction whatever the order; and the median number
                of items to a decision, of all items and of those that a fixed design with 80% power would take;
                with --run, of the real pairs of a stored run instead, in many random orders

A line is `name=rate`, then how it compares with nominal within three Monte-Carlo standard errors: `ok`; `less` (counts
are discrete, so a rate that never exceeds nominal must often be below it); `MORE`, which is a fault. The cells named
`rare` are known to be: so few items differ that most samples hold none of those that matter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.stats_cells import Cell, coverage_cells, error_cells
from benchmarks.stats_sequential import Saving, saving_cells, stopping_cells
from benchmarks.stats_stored import stored_savings
from harness.errors import RunError

ALPHA = 0.025
NAMES = ("coverage", "errors", "sequential")


def main(arguments: list[str] | None = None) -> int:
    parsed = _parse(arguments)
    if parsed.run is not None:
        return _stored(parsed.run, parsed.repeats)
    counts = {"ok": 0, "less": 0, "MORE": 0}

    def report(name: str, rate: float, nominal: float, repeats: int) -> None:
        standing = compare(rate, nominal, repeats)
        counts[standing] += 1
        print(f"{name}={rate:.4f} {standing} (nominal {nominal:g}, {repeats} repeats)", flush=True)

    for name in parsed.only or NAMES:
        FIGURES[name](parsed.repeats, report)
    print(" ".join(f"cells_{standing.lower()}={count}" for standing, count in counts.items()))
    return 0


def compare(rate: float, nominal: float, repeats: int) -> str:
    """`ok` within three Monte-Carlo standard errors of nominal, else `less` or `MORE`."""
    error = 3 * (nominal * (1 - nominal) / repeats) ** 0.5
    if abs(rate - nominal) <= error:
        return "ok"
    return "less" if rate < nominal else "MORE"


Report = Callable[[str, float, float, int], None]


def _coverage(repeats: int, report: Report) -> None:
    for cell in coverage_cells(repeats):
        report(f"coverage.{cell.name}.missed", cell.above + cell.below, 2 * ALPHA, cell.repeats)


def _errors(repeats: int, report: Report) -> None:
    _sides("errors", error_cells(repeats), report)


def _stored(run: Path, repeats: int) -> int:
    try:
        for saving in stored_savings(run, max(1, repeats // 10)):
            _print_saving(saving)
    except RunError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _sequential(repeats: int, report: Report) -> None:
    _sides("sequential", stopping_cells(repeats), report)
    for saving in saving_cells(max(1, repeats // 10)):
        _print_saving(saving)


def _sides(prefix: str, cells: Iterator[Cell], report: Report) -> None:
    for cell in cells:
        report(f"{prefix}.{cell.name}.wrong_pass", cell.above, ALPHA, cell.repeats)
        report(f"{prefix}.{cell.name}.wrong_fail", cell.below, ALPHA, cell.repeats)


def _print_saving(saving: Saving) -> None:
    name = f"sequential.{saving.name}"
    print(f"{name}.median_items={saving.median:g} of {saving.population}, wrong {saving.wrong:.4f}")
    print(f"{name}.share_of_all={saving.median / saving.population:.3f}")
    print(f"{name}.share_of_fixed={saving.median / saving.fixed:.3f} (fixed design: {saving.fixed})", flush=True)


FIGURES: dict[str, Callable[[int, Report], None]] = {
    "coverage": _coverage,
    "errors": _errors,
    "sequential": _sequential,
}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stats",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=2000, help="simulated measurements a cell; counts take 10 times")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help="may be given several times")
    parser.add_argument("--run", type=Path, help="a run directory whose pairs are put to sequential tests")
    parsed = parser.parse_args(arguments)
    if parsed.repeats < 1:
        parser.error(f"--repeats={parsed.repeats}: give 1 or more")
    return parsed


if __name__ == "__main__":
    sys.exit(main())
