"""The zoo: sabotaged adapters, each of which a named gate must catch, and healthy ones that none may reject.

    python -m benchmarks.zoo [--release | --methods] [--only NAME] [--list]

`--methods` shows adapters that were trained by DPO, KTO, GRPO and so on, on a small base of its own, rightly and wrongly.
`--release` shows what ships of a healthy adapter in place of adapters: right, and wrong in a way that a gate of the release suite
must catch. What cannot be made here (GGUF files without llama.cpp, ASSAY_LLAMA_CPP) is left out with the reason.

Adapters are trained on first use and kept in the user's cache. Rows of a Markdown table appear as they are known, then
how long each gate took; the last line is `caught=N/N false_alarms=0/M`, and the exit code is 0 where it says so.
pytest's output and the runs with their reports are kept under the directory named first.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.zoo.exhibits import Exhibit
from benchmarks.zoo.faults import EXHIBITS, METHOD_EXHIBITS, RELEASE_EXHIBITS
from benchmarks.zoo.shipments import UnavailableError
from benchmarks.zoo.table import HEADER, left_out, listing, row, score, times
from harness.errors import AssayError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the zoo.

    Returns:
        0 where every fault was caught and no healthy adapter rejected, 1 where not, 2 on misuse.
    """
    parsed = _parse(arguments)
    held = RELEASE_EXHIBITS if parsed.release else METHOD_EXHIBITS if parsed.methods else EXHIBITS
    shown = [one for one in held if not parsed.only or one.name in parsed.only]
    if parsed.list:
        print(listing(shown))
        return 0
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("harness").setLevel(logging.INFO)  # not httpx's, which says a line of each request to llama.cpp
    output = parsed.output or Path(tempfile.mkdtemp(prefix="assay-zoo-"))
    output.mkdir(parents=True, exist_ok=True)
    print(f"runs and output of pytest: {output}\n\n{HEADER}", flush=True)
    try:
        return _tour(shown, output)
    except AssayError as error:
        print(f"zoo: {error}", file=sys.stderr)
        return 2


def _tour(shown: Sequence[Exhibit], output: Path) -> int:
    import transformers  # noqa: F401  # its logger keeps the stderr of its import, which would be pytest's, closed later

    from benchmarks.zoo.keeper import Keeper
    from benchmarks.zoo.running import put_to_gates

    outcomes = []
    with tempfile.TemporaryDirectory() as scratch:
        keeper = Keeper(Path(scratch))
        for exhibit in shown:
            started = time.monotonic()
            try:
                adapter, project = keeper.on_trial(exhibit), keeper.project(exhibit)
                released_on = keeper.released_on(exhibit)
            except UnavailableError as error:
                print(left_out(exhibit, error.problem), flush=True)
                continue
            making_s = time.monotonic() - started
            outcome = put_to_gates(exhibit, adapter, keeper.base_of(exhibit), project, output, released_on)
            print(row(outcome, making_s), flush=True)
            outcomes.append(outcome)
    print(f"\n{times(outcomes)}\n\n{score(outcomes)}")
    return 0 if all(outcome.right for outcome in outcomes) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [exhibit.name for exhibit in (*EXHIBITS, *RELEASE_EXHIBITS, *METHOD_EXHIBITS)]
    parser.add_argument(
        "--methods", action="store_true", help="what goes wrong by the method of a training, on a small base"
    )
    parser.add_argument("--release", action="store_true", help="what ships, in place of adapters")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="may be given several times")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    parser.add_argument("--output", type=Path, help="where runs and output go (default: a new temporary directory)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
