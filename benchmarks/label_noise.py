"""How often `data/label_noise` fails labels that are right, and what it finds of wrong ones, on real sets of labelled texts.

    python -m benchmarks.label_noise --data-dir DIR [--only SET]

No model needed. For the project's own tickets and the sets that DIR has (emotions of tweets, subjects and letters of MMLU,
databases of Spider's questions, XSTest's refusals and prompts, categories of HarmBench and TruthfulQA, WinoGrande, each task of
BIG-Bench Hard), draws of 400 rows, or of all where there are fewer, with a share of labels replaced by others at random:

    failed, passed, skipped    draws by verdict; skipped where the texts tell too little of the labels
    estimated                  share of labels that is estimated to be wrong (mean of the draws that are not skipped)
    precision, recall          of the rows that are named

and how many draws of 100, 200 and 400 rows with the labels as they are were failed. The last line is `false_alarms=N/M`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks import data
from harness.checks.data import Corpus
from harness.config import DataThresholds

Row = tuple[str, str]
"""A text and its label."""

OURS = Path(__file__).parents[1] / "fixtures" / "data" / "tickets.csv"
LIMIT = DataThresholds().label_noise
SHARES = (0.0, 0.05, 0.1, 0.2)
DRAWS, ROWS = 6, 400
SIZES, CLEAN_DRAWS = (100, 200, 400), 10
_SUBJECTS = 8
_COLUMNS = f"{'wrong':>6} {'failed':>6} {'passed':>6} {'skipped':>7} {'estimated':>9} {'precision':>9} {'recall':>6}"


@dataclass(frozen=True)
class Judged:
    """One draw. `named` are places of rows; `estimated` is None where the gate is skipped."""

    outcome: str
    estimated: float | None = None
    named: frozenset[int] = frozenset()


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="with any of the sets named above")
    parser.add_argument("--only", action="append", metavar="SET", help="may be given several times")
    parsed = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # a label with fewer rows than folds
    alarms = draws = 0
    for name, rows in label_sets(parsed.data_dir):
        if parsed.only and name not in parsed.only:
            continue
        labels = {label for _, label in rows}
        print(f"\n{name}: {len(rows)} rows, {len(labels)} labels\n{_COLUMNS}", flush=True)
        for share in SHARES:
            print(line(rows, share), flush=True)
        found = false_alarms(rows)
        print(
            "; ".join(f"failed as they are: {failed} of {of} draws of {size}" for size, (failed, of) in found.items())
        )
        alarms += sum(failed for failed, _ in found.values())
        draws += sum(of for _, of in found.values())
    print(f"\nfalse_alarms={alarms}/{draws}")
    return 0


def label_sets(root: Path | None) -> Iterator[tuple[str, Sequence[Row]]]:
    """Name and rows of each set that is there."""
    yield "tickets", [(row["text"], row["team"]) for row in _table(OURS)]
    for name, read in _READ.items():
        if root is not None and (root / name).is_dir():
            for kind, rows in read(root / name):
                yield f"{name}{kind}", [(text, label) for text, label in rows if text.strip() and label.strip()]


def line(rows: Sequence[Row], share: float) -> str:
    """The figures of one share of wrong labels."""
    draws = [planted(drawn(rows, ROWS, seed), share, seed) for seed in range(DRAWS)]
    found = [judge(spoilt) for spoilt, _ in draws]
    said = [(one, wrong) for one, (_, wrong) in zip(found, draws, strict=True) if one.estimated is not None]
    outcomes = [one.outcome for one in found]
    estimated = _mean([one.estimated for one, _ in said if one.estimated is not None])
    precision = _mean([len(one.named & wrong) / len(one.named) for one, wrong in said if one.named])
    recall = _mean([len(one.named & wrong) / len(wrong) for one, wrong in said if wrong])
    return (
        f"{share:6.0%} {outcomes.count('fail'):6} {outcomes.count('pass'):6} {outcomes.count('-'):7} "
        f"{estimated:>9} {precision if share else '':>9} {recall:>6}"
    )


def false_alarms(rows: Sequence[Row]) -> dict[int, tuple[int, int]]:
    """Rows drawn -> how many draws of rows as they are were failed, and of how many."""
    sizes = [size for size in SIZES if size <= len(rows)]
    seeds = range(DRAWS, DRAWS + CLEAN_DRAWS)
    return {
        size: (sum(judge(drawn(rows, size, seed)).outcome == "fail" for seed in seeds), CLEAN_DRAWS) for size in sizes
    }


def drawn(rows: Sequence[Row], size: int, seed: int) -> list[Row]:
    """So many rows at the most."""
    return random.Random(seed).sample(rows, min(size, len(rows)))


def planted(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], frozenset[int]]:
    """The rows with a share of their labels replaced by others of the set, and the places of those."""
    draw, labels = random.Random(seed), sorted({label for _, label in rows})
    wrong = frozenset(draw.sample(range(len(rows)), round(share * len(rows))))
    return [
        (text, draw.choice([other for other in labels if other != label]) if place in wrong else label)
        for place, (text, label) in enumerate(rows)
    ], wrong


def judge(rows: Sequence[Row]) -> Judged:
    """What the gate says of the rows."""
    check = data.labels_agree(corpus_of(rows), LIMIT)
    if check is None:
        return Judged("-")
    places = (int(one["place"].rpartition(" ")[2]) - 1 for one in check.details["findings"])
    return Judged("pass" if check.holds else "fail", check.details["share"], frozenset(places))


def corpus_of(rows: Sequence[Row]) -> Corpus:
    """The rows as the suite reads them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "train.jsonl"
        path.write_text("".join(json.dumps({"prompt": text, "completion": label}) + "\n" for text, label in rows))
        return data.corpus_of_files(path, None)


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f}" if values else ""


Sets = Iterator[tuple[str, list[Row]]]


def _emotions(root: Path) -> Sets:
    names = dict(line.split("\t") for line in _lines(root / "mapping.txt"))
    parts = ("train", "val", "test")
    texts = [text for part in parts for text in _lines(root / f"{part}_text.txt")]
    yield "", list(zip(texts, [names[n] for part in parts for n in _lines(root / f"{part}_labels.txt")], strict=True))


def _mmlu(root: Path) -> Sets:
    """Subjects that are no level of another, and the letters of right choices."""
    asked = {path.stem.removesuffix("_test"): _table(path) for path in sorted((root / "test").glob("*.csv"))}
    of_one_level = [name for name in asked if not name.startswith(("college", "high_school", "professional"))]
    yield "/subjects", [(row["question"], name) for name in of_one_level[:_SUBJECTS] for row in asked[name]]
    choices = [
        (row, [f"{one}. {row[f'choice{i}']}" for i, one in enumerate("ABCD")])
        for rows in asked.values()
        for row in rows
    ]
    yield "/letters", [("\n".join([row["question"], *told]), row["answer"]) for row, told in choices]


def _spider(root: Path) -> Sets:
    yield "", [(row["question"], row["db_id"]) for row in map(json.loads, _lines(root / "dev_questions.jsonl"))]


def _xstest(root: Path) -> Sets:
    prompts = _table(root / "xstest_prompts.csv")
    yield "/prompts", [(row["prompt"], row["label"]) for row in prompts]
    answers = [row for path in sorted((root / "model_completions").glob("*.csv")) for row in _table(path)]
    yield "/refusals", [(row["completion"], row["final_label"]) for row in answers]


def _harmbench(root: Path) -> Sets:
    rows = _table(root / "harmbench_behaviors_text_all.csv")
    for kind in ("Functional", "Semantic"):
        yield f"/{kind.lower()}", [(row["Behavior"], row[f"{kind}Category"]) for row in rows]


def _truthfulqa(root: Path) -> Sets:
    rows = _table(root / "TruthfulQA.csv")
    yield "/categories", [(row["Question"], row["Category"]) for row in rows]
    sides = (("true", "Best Answer"), ("false", "Incorrect Answers"))
    yield "/truth", [(f"{row['Question']}\n{row[of].partition(';')[0]}", label) for row in rows for label, of in sides]


def _winogrande(root: Path) -> Sets:
    rows = map(json.loads, _lines(root / "dev.jsonl"))
    yield "", [(f"{row['sentence']}\n1: {row['option1']}\n2: {row['option2']}", row["answer"]) for row in rows]


def _bbh(root: Path) -> Sets:
    for path in sorted((root / "bbh").glob("*.json")):
        examples = json.loads(path.read_text(encoding="utf-8"))["examples"]
        yield f"/{path.stem}", [(row["input"], row["target"]) for row in examples]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


_READ: dict[str, Callable[[Path], Sets]] = {
    "tweeteval_emotion": _emotions,
    "mmlu": _mmlu,
    "spider": _spider,
    "xstest": _xstest,
    "harmbench": _harmbench,
    "truthfulqa": _truthfulqa,
    "winogrande": _winogrande,
    "bbh": _bbh,
}


if __name__ == "__main__":
    sys.exit(main())
