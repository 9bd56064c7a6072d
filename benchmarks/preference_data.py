"""What the checks on preference pairs find of swapped ones, and how often they are wrong on pairs that are as they should be.

    python -m benchmarks.preference_data --data-dir DIR

No model needed. For the project's own pairs, and those of HH-RLHF (harmless), AlpacaEval and LLMBar that DIR has, with a share of
them swapped (mean of three draws):

    tells       share of the pairs that a model of the others tells
    estimated   share that is estimated to be swapped
    precision, recall   of the pairs that are named, where the check says anything of single ones
    swapped     verdict of data/swapped_pairs: fail, pass, or "-" where text alone tells too little and it is skipped
    held out    verdict of data/held_out_pairs, where the pairs held out are as they should be

and for the pairs as they are, how often they were failed on draws of 200, 400 and 800 (false alarms), and by data/length_bias.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.checks import data
from harness.checks.data import Corpus
from harness.config import DataThresholds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from preference_sets import own_pairs, public_pairs, swapped

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
DRAWS = 3
SIZES = (200, 400, 800)
SUBSETS = 20
RULES = DataThresholds()
Rows = list[dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="with hh_rlhf/, alpaca_eval/ or llmbar/")
    root: Path | None = parser.parse_args(arguments).data_dir
    logging.disable(logging.WARNING)
    for name, (train, held_out) in pair_sets(root).items():
        print(f"\n{name}: {len(train)} pairs, {len(held_out)} held out")
        print(f"{'swapped':>8} {'tells':>6} {'estimated':>9} {'precision':>9} {'recall':>6}  {'swapped':<14} held out")
        for share in SHARES:
            print(line(train, held_out, share))
        for alarm in false_alarms([*train, *held_out]):
            print(alarm)
    return 0


def pair_sets(root: Path | None) -> dict[str, tuple[Rows, Rows]]:
    """Pairs to be swapped, and pairs that are left as they are."""
    found = {"ours": (own_pairs(), own_pairs("heldout"))}
    for name in ("hh_rlhf", "alpaca_eval", "llmbar"):
        if root is not None and (root / name).is_dir():
            rows = public_pairs(root, name)
            random.Random(0).shuffle(rows)
            part = len(rows) // 5
            found[name] = rows[part:], rows[:part]
    return found


def line(train: Rows, held_out: Rows, share: float) -> str:
    """The figures of one share of swapped pairs."""
    draws = range(DRAWS if 0 < share < 1 else 1)
    found = [figures(*swapped(train, share, seed), held_out) for seed in draws]
    tells, estimated, precision, recall = (mean([one[place] for one in found]) for place in range(4))
    verdicts = [" ".join(dict.fromkeys(one[place] for one in found)) for place in (4, 5)]
    numbers = (
        ("" if value is None else f"{value:.2f}").rjust(width)
        for value, width in ((tells, 6), (estimated, 9), (precision, 9), (recall, 6))
    )
    return f"{share:8.0%} {' '.join(numbers)}  {verdicts[0]:<14} {verdicts[1]}"


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def figures(train: Rows, places: set[int], held_out: Rows) -> tuple[Any, ...]:
    """Share told, share estimated to be swapped, precision and recall, and the two verdicts."""
    corpus = corpus_of(train, held_out)
    learnt = data.learn_preferences(corpus)
    assert learnt is not None
    agreed = data.held_out_pairs_agree(corpus)
    held = "-" if agreed is None else agreed.decide().outcome
    if learnt.obstacle:
        return learnt.agreement, learnt.contradicted, None, None, "-", held
    named = set(learnt.suspects)
    hits = len(named & places)
    precision, recall = (hits / len(of) if of else None for of in (named, places))
    outcome = data.preferences_are_not_swapped(learnt, RULES.swapped_pairs).decide().outcome
    return learnt.agreement, learnt.contradicted, precision, recall, outcome, held


def false_alarms(rows: Rows) -> Iterator[str]:
    """How often draws of pairs that nobody swapped are failed."""
    for size in SIZES:
        if size <= len(rows):
            drawn = [random.Random(seed).sample(rows, size) for seed in range(SUBSETS)]
            counts = [alarms(part) for part in drawn]
            swaps, held_out, length = (sum(column) for column in zip(*counts, strict=True))
            print_of = f"{swaps} by swapped_pairs, {held_out} by held_out_pairs, {length} by length_bias"
            yield f"false alarms on {SUBSETS} draws of {size}: {print_of}"


def alarms(rows: Rows) -> tuple[bool, bool, bool]:
    """Whether they are failed by each check, a fifth of them held out."""
    part = len(rows) // 5
    corpus = corpus_of(rows[part:] if len(rows) > SIZES[0] else rows, rows[:part])
    learnt = data.learn_preferences(corpus)
    assert learnt is not None
    told = not learnt.obstacle and not data.preferences_are_not_swapped(learnt, RULES.swapped_pairs).holds
    agreed, biased = data.held_out_pairs_agree(corpus), data.length_bias(corpus, RULES.longer_preferred)
    return told, agreed is not None and not agreed.holds, biased is not None and not biased.holds


def corpus_of(train: Sequence[dict[str, Any]], held_out: Sequence[dict[str, Any]]) -> Corpus:
    """The pairs as the suite reads them."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / "train.jsonl", Path(directory) / "validation.jsonl"]
        for path, rows in zip(paths, (train, held_out), strict=True):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return data.corpus_of_files(*paths, layout="pairs")


if __name__ == "__main__":
    sys.exit(main())
