"""Error rates of the statistics, and what sequential stopping saves. Needs no model.

    python -m benchmarks.stats [--repeats 2000] [--only coverage|errors|sequential] [--run RUN]

    coverage    how often a 95% interval misses the truth; 5% wanted
    errors      gates whose truth lies exactly at the margin: wrong passes and wrong fails; 2.5% of each wanted
    sequential  wrong decisions at the margin, at most 2.5% in each direction whatever the order; and the median number
                of items to a decision, of all items and of those that a fixed design with 80% power would take;
                with --run, of the real pairs of a stored run instead, in many random orders

Rates of counts of independent items are summed over all outcomes, the others simulated. A line is `name=rate`, how it
stands to nominal, and the rates of exact tests of the same question, enumerated in the same cell:

    ok       within three Monte-Carlo standard errors of nominal
    exact    below that, yet within as much of the exact test named first, or above it: counts are discrete, so a rate
             that never exceeds nominal must often be below it
    less     below that, and below the exact test named first or with none to compare
    at_most  sequential: a test that may be watched all along promises at most nominal, and stays below it
    MORE     above nominal by more than three such errors: a fault, and the command exits 1.
             Not so in the cells named `rare`, known to be: so few items differ that most samples hold none of those
             that matter; gates do not judge by such a mean.

An enumerated rate has no such error: it may fall short by that of 20,000 repeats, and exceeds nominal by any excess.

What is `less`, and why: shares and pairs where the corrections for skewness and steps are more careful than the exact
test (of shares by one count), or where that test is told what ours is not, that nothing is gained. Counts of which few
clusters differ: a clustered t or a bootstrap t errs up to 64% there, so ours supposes that whole clusters fail as one
until more are seen. Means of few items or few that differ: on the side that the data lean to the interval is stretched
for a tail of which few were drawn; the other is never shorter than a plain t, and longer by what few items far off on that
side add, since it errs up to 5% else where few changes have both signs.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.stats_cell import STANDINGS, Figure, missed, sides
from benchmarks.stats_cells import coverage_cells, error_cells
from benchmarks.stats_sequential import Saving, saving_cells, stopping_cells
from benchmarks.stats_stored import stored_savings
from harness.errors import RunError

KNOWN = ".rare="


def main(arguments: list[str] | None = None) -> int:
    parsed = _parse(arguments)
    if parsed.run is not None:
        return _stored(parsed.run, parsed.repeats)
    counts: Counter[str] = Counter()
    faults = []
    for name in parsed.only or FIGURES:
        for line in FIGURES[name](parsed.repeats):
            print(line, flush=True)
            if isinstance(line, Figure):
                counts[line.standing] += 1
                if line.standing == "MORE" and KNOWN not in line.name:
                    faults.append(line.name)
    print(" ".join(f"cells_{standing.lower()}={counts[standing]}" for standing in STANDINGS))
    if faults:
        print(f"more than nominal: {', '.join(faults)}", file=sys.stderr)
    return 1 if faults else 0


def _coverage(repeats: int) -> Iterator[Figure]:
    for cell in coverage_cells(repeats):
        yield missed("coverage", cell)


def _errors(repeats: int) -> Iterator[Figure]:
    for cell in error_cells(repeats):
        yield from sides("errors", cell)


def _sequential(repeats: int) -> Iterator[Figure | str]:
    for cell in stopping_cells(repeats):
        yield from sides("sequential", cell, stops=True)
    for saving in saving_cells(max(1, repeats // 10)):
        yield _saving(saving)


def _stored(run: Path, repeats: int) -> int:
    try:
        for saving in stored_savings(run, max(1, repeats // 10)):
            print(_saving(saving), flush=True)
    except RunError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _saving(saving: Saving) -> str:
    name = f"sequential.{saving.name}"
    return (
        f"{name}.median_items={saving.median:g} of {saving.population}, wrong {saving.wrong:.4f}\n"
        f"{name}.share_of_all={saving.median / saving.population:.3f}\n"
        f"{name}.share_of_fixed={saving.median / saving.fixed:.3f} (fixed design: {saving.fixed})"
    )


FIGURES: dict[str, Callable[[int], Iterator[Figure | str]]] = {
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
    parser.add_argument("--repeats", type=int, default=2000, help="simulated measurements a cell")
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help="may be given several times")
    parser.add_argument("--run", type=Path, help="a run directory whose pairs are put to sequential tests")
    parsed = parser.parse_args(arguments)
    if parsed.repeats < 1:
        parser.error(f"--repeats={parsed.repeats}: give 1 or more")
    return parsed


if __name__ == "__main__":
    sys.exit(main())
