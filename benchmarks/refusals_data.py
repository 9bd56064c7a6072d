"""Answers that `benchmarks.refusals` learns from and measures on: labelled ones, ordinary ones, and composed ones."""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Label = Literal["full_compliance", "full_refusal", "partial_refusal"]

OWN_ANSWERS = Path(__file__).parents[1] / "tests" / "safety" / "refusal_answers.jsonl"
PHRASINGS = Path(__file__).parent / "refusal_phrasings.txt"
_SEED = 0
_ENGLISH, _OTHER = 2_500, 160
_UNSPACED = ("zh", "zh-hant", "ja")
Phrases = dict[str, list[str]]


@dataclass(frozen=True)
class Answer:
    """One answer and what it is.

    Attributes:
        source: the model that people labelled, or the set that it is from.
        unsafe: the prompt is one of XSTest's unsafe contrasts.
    """

    text: str
    label: Label
    source: str
    prompt: str = ""
    unsafe: bool = False


def data_dir_of(program: str, description: str | None, arguments: list[str] | None) -> Path | None:
    """The folder of the data sets that the command line or the environment names; None, after a message, without one."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("ASSAY_DATA_DIR")
    parser.add_argument("--data-dir", type=Path, default=Path(given) if given else None, help="the local data sets")
    data_dir: Path | None = parser.parse_args(arguments).data_dir
    if data_dir is None or not (data_dir / "xstest").is_dir():
        seen = "no --data-dir was given" if data_dir is None else f"{data_dir} has no xstest/"
        print(f"{seen}; pass --data-dir=DIR or set ASSAY_DATA_DIR: local copies of the data sets", file=sys.stderr)
        return None
    return data_dir


def labelled(data_dir: Path) -> list[Answer]:
    """XSTest's completions with people's labels."""
    found: list[Answer] = []
    for path in sorted((data_dir / "xstest" / "model_completions").glob("*.csv")):
        for row in _table(path):
            label: Any = row["final_label"].partition("_")[2]
            unsafe = row["type"].startswith("contrast")
            found.append(Answer(row["completion"], label, path.stem.rpartition("_")[2], row["prompt"], unsafe))
    return found


def own(part: str) -> list[Answer]:
    """Answers written for this project in the manner of many models: `open` ones may be learnt from."""
    rows = map(json.loads, OWN_ANSWERS.read_text(encoding="utf-8").splitlines())
    return [
        Answer(row["answer"], row["label"], row["manner"], row["prompt"])
        for row in rows
        if row["part"] == part and row["label"] != "degenerate"
    ]


def ordinary(data_dir: Path) -> list[Answer]:
    """Ordinary answers to learn from: those of IFEval's and MT-bench's GPT-4, and of people."""
    rows = [
        *((row["prompt"], row["response"]) for row in _lines(_ifeval(data_dir))),
        *_instances(data_dir / "self_instruct_252" / "user_oriented_instructions.jsonl"),
        *_instances(data_dir / "alpaca_seed_tasks" / "seed_tasks.jsonl"),
        *((row["prompt"], row["answer"]) for row in _lines(data_dir / "dolly_eval" / "dolly.jsonl")),
        *(("", turn) for row in _lines(_mt_bench(data_dir)) for turn in row["choices"][0]["turns"]),
        *((row["Question"], row["Best Answer"]) for row in _table(data_dir / "truthfulqa" / "TruthfulQA.csv")),
    ]
    return [Answer(answer, "full_compliance", "ordinary", prompt) for prompt, answer in rows]


def unseen_ordinary(data_dir: Path) -> list[Answer]:
    """Ordinary answers that are never learnt from: AlpacaEval's, of three models."""
    return [
        Answer(row["output"], "full_compliance", folder.name, row["instruction"])
        for folder in sorted((data_dir / "alpaca_eval" / "results").iterdir())
        for row in json.loads((folder / "model_outputs.json").read_text(encoding="utf-8"))
    ]


def composed(seed: int = _SEED) -> list[Answer]:
    """Answers put together at random from the phrasings of each language."""
    languages = _phrasings()
    fill = languages.pop("fill")
    return [
        answer
        for language, phrases in languages.items()
        for answer in _Composer(language, phrases, fill, random.Random(f"{seed} {language}")).answers(
            _ENGLISH if language == "en" else _OTHER
        )
    ]


@dataclass(frozen=True)
class _Composer:
    language: str
    phrases: Phrases
    fill: Phrases
    chance: random.Random

    def answers(self, count: int) -> Iterator[Answer]:
        for _ in range(count):
            (label,) = self.chance.choices(("full_refusal", "partial_refusal", "full_compliance"), (35, 15, 50))
            parts = {"full_refusal": self._refused, "partial_refusal": self._partial}.get(label, self._complied)()
            kind: Any = label
            yield Answer(self._filled(self._joined(parts)), kind, self.language)

    def _refused(self) -> list[str]:
        way = self.chance.random()
        if way < 0.4 or "judge" not in self.phrases:
            return [self._refusal(), *self._some("reason", 0, 1), *self._some("elsewhere", 0, 1)]
        if way < 0.7:
            judged = [*self._some("judge", 0, 2), *self._some("reason", 0, 1)]
            return [self._refusal(), *judged, *self._some("elsewhere", 0, 2)]
        return [*self._some("judge", 1, 2), *self._some("reason", 0, 2), *self._some("elsewhere", 1, 2)]

    def _partial(self) -> list[str]:
        if self.chance.random() < 0.2 and "half" in self.phrases:
            return [*self._some("help", 1, 1), *self._some("half", 1, 1), *self._some("help", 0, 2)]
        if self.chance.random() < 0.2 and "judge" in self.phrases:
            return [*self._some("judge", 1, 1), *self._some("turn", 1, 1), *self._some("help", 1, 3)]
        told = [*self._some("turn", 1, 1), *self._some("help", 1, 4)]
        return [self._refusal(), *self._some("reason", 0, 1), *told] if "turn" in self.phrases else self._refused()

    def _complied(self) -> list[str]:
        if self.chance.random() < 0.25 and "whole" in self.phrases:
            return self._some("whole", 1, 1)
        if self.chance.random() < 0.04 and "verdict" in self.phrases:
            return [*self._some("verdict", 1, 1), *self._some("judge", 1, 2)]
        opening, ending = self._some("preface", 0, 2), self._some("tail", 0, 1)
        offered = self._some("elsewhere", 1, 1) if self.chance.random() < 0.1 else []
        return [*opening, *self._some("help", 1, 5), *ending, *offered]

    def _refusal(self) -> str:
        refusal = self.chance.choice(self.phrases["refuse"])
        if "opener" not in self.phrases or self.chance.random() < 0.5:
            return _capitalised(refusal)
        return self._joined([self.chance.choice(self.phrases["opener"]), refusal], ("",))

    def _some(self, kind: str, least: int, most: int) -> list[str]:
        if kind not in self.phrases:
            return []
        return [self.chance.choice(self.phrases[kind]) for _ in range(self.chance.randint(least, most))]

    def _joined(self, parts: Sequence[str], breaks: Sequence[str] = ("", "", "", "\n\n")) -> str:
        between = self.chance.choice(breaks) or ("" if self.language in _UNSPACED else " ")
        return between.join(parts)

    def _filled(self, text: str) -> str:
        def choose(slot: re.Match[str]) -> str:
            chosen = self.chance.choice(self.fill[slot[1].lower()])
            return _capitalised(chosen) if slot[1][0].isupper() else chosen

        return re.sub(r"\{(\w+)\}", choose, text)


def _phrasings() -> dict[str, Phrases]:
    languages: dict[str, Phrases] = {}
    phrases: Phrases = {}
    lines: list[str] = []
    for line in PHRASINGS.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            phrases = languages.setdefault(line[3:], {})
        elif line.startswith("-- "):
            lines = phrases.setdefault(line[3:], [])
        elif line and not line.startswith("#"):
            lines.append(line.replace("\\n", "\n"))
    return languages


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ifeval(data_dir: Path) -> Path:
    return data_dir / "ifeval" / "input_response_data_gpt4_20231107_145030.jsonl"


def _mt_bench(data_dir: Path) -> Path:
    return data_dir / "mt_bench" / "reference_answer" / "gpt-4.jsonl"


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _instances(path: Path) -> Iterator[tuple[str, str]]:
    for row in _lines(path):
        for instance in row["instances"]:
            yield f"{row['instruction']}\n{instance['input']}", instance["output"]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
