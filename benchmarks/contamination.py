"""How long does the contamination check take, and what does it find?

    python -m benchmarks.contamination --data-dir DIR [--rows 10000]

Training rows made of the benchmarks' own words at random are checked against all of MMLU and GSM8K (`DIR/mmlu`,
`DIR/gsm8k`). Into some of them a test question is planted: as it is, in another case and without its punctuation,
in part (20 words of it), or short and with its answer. Prints rows, items, seconds, matches, and how many of the planted
questions were found; the exit code is 1 where one was missed or a row without any was taken for contaminated.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.data.corpus import Row
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.matches import find_matches
from harness.engines.requests import Message
from harness.metrics.words import words
from harness.tasks.conversations import Conversation
from harness.tasks.lm_eval.local_data import find_local_data

_PLANTED_EACH = 100
_ROW_WORDS = 90
_NGRAM = 13
_FEW_ITEMS = 10


@dataclass(frozen=True)
class Planting:
    """A way to hide a question, and the lengths (in words) of questions that it is for."""

    name: str
    shortest: int
    longest: int
    hide: Callable[[EvaluationItem, random.Random], str]


def _part(item: EvaluationItem, draw: random.Random) -> str:
    said = words(item.question)
    start = draw.randrange(len(said) - 20)
    return " ".join(said[start : start + 20])


PLANTINGS = (
    Planting("verbatim", _NGRAM, 400, lambda item, draw: item.question),
    Planting("rewritten", _NGRAM, 400, lambda item, draw: re.sub(r"[^\w\s]+", " ", item.question).upper()),
    Planting("in part", 25, 400, _part),
    Planting("short, with answer", 4, 7, lambda item, draw: f"{item.question} {item.answer}"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 where everything planted was found and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="holds mmlu/ and gsm8k/")
    parser.add_argument("--rows", type=int, default=10_000, help="training rows to make (default: %(default)s)")
    options = parser.parse_args(arguments)

    items = [*mmlu_items(options.data_dir), *gsm8k_items(options.data_dir)]
    rows, planted = make_rows(items, options.rows)
    started = time.perf_counter()
    matches = find_matches(rows, items, ngram=_NGRAM)
    seconds = time.perf_counter() - started

    hit = {(match.row.location, match.item.question) for match in matches}
    false = {match.row.location for match in matches} - {location for location, _, _ in planted}
    found = Counter(kind for place, question, kind in planted if (place, question) in hit)
    print(f"rows={len(rows)} items={len(items)} seconds={seconds:.1f} matches={len(matches)}")
    for kind, count in Counter(kind for _, _, kind in planted).items():
        print(f"  {kind}: {found[kind]}/{count} found")
    print(f"planted={len(planted)} found={found.total()} false_alarms={len(false)}")
    return 0 if found.total() == len(planted) and not false else 1


def mmlu_items(data_dir: Path) -> Iterator[EvaluationItem]:
    """All test questions of MMLU's 57 subjects."""
    for file in sorted((data_dir / "mmlu" / "test").glob("*_test.csv")):
        subject = file.stem.removesuffix("_test")
        data = find_local_data("cais/mmlu", subject)
        for number, row in enumerate(data.rows(data_dir, "test") if data else ()):
            yield EvaluationItem("mmlu", f"{subject}[{number}]", row["question"], row["choices"][row["answer"]])


def gsm8k_items(data_dir: Path) -> Iterator[EvaluationItem]:
    """All test problems of GSM8K."""
    data = find_local_data("openai/gsm8k", "main")
    for number, row in enumerate(data.rows(data_dir, "test") if data else ()):
        yield EvaluationItem("gsm8k", str(number), row["question"], row["answer"])


def make_rows(items: Sequence[EvaluationItem], count: int) -> tuple[list[Row], list[tuple[str, str, str]]]:
    """Rows of random words, and what was planted: (row, question, how)."""
    draw = random.Random(0)
    pool = [word for item in items for word in words(item.question)]
    planted: list[tuple[str, str, str]] = []
    hidden: dict[int, str] = {}
    places = draw.sample(range(count), min(count, len(PLANTINGS) * _PLANTED_EACH))
    # what many items say is their boilerplate and no evidence: plant what is asked once
    said_by = [" ".join(words(item.question)) for item in items]
    common = Counter(tuple(words(item.question)) for item in items)
    for planting in PLANTINGS:
        fit = [item for item in items if _fits(item, planting) and common[tuple(words(item.question))] == 1]
        while fit and places and sum(kind == planting.name for _, _, kind in planted) < _PLANTED_EACH:
            item = fit.pop(draw.randrange(len(fit)))
            text = planting.hide(item, draw)
            if planting.hide is _part and sum(text in said for said in said_by) > _FEW_ITEMS:
                continue
            number = places.pop()
            hidden[number] = text
            planted.append((f"train.jsonl row {number}", item.question, planting.name))
    rows = []
    for number in range(count):
        filler = draw.choices(pool, k=_ROW_WORDS)
        text = " ".join([*filler[:40], hidden.get(number, ""), *filler[40:60]])
        said = Conversation.answered((Message("user", text),), " ".join(filler[60:]))
        rows.append(Row(f"train.jsonl row {number}", said))
    return rows, planted


def _fits(item: EvaluationItem, planting: Planting) -> bool:
    length = len(words(item.question))
    return planting.shortest <= length <= planting.longest and bool(words(item.answer))


if __name__ == "__main__":
    sys.exit(main())
