"""Local copies of benchmarks in place of the hub's: the rows that the stock task definitions expect, from other files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.digests import digest_file
from harness.errors import DataError
from harness.tasks.records import Record, read_records

Row = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """One split of a data set: a file below the data directory, and what a row of it is on the hub."""

    file: str
    convert: Callable[[Record], Row]


@dataclass(frozen=True)
class LocalData:
    """A data set of which a local copy is known.

    Attributes:
        splits: by the split's name on the hub; a split that has no local copy is missing.
    """

    splits: Mapping[str, Split]

    def rows(self, data_dir: Path, split: str) -> list[Row]:
        """The rows of a split as they are on the hub."""
        return [
            self.splits[split].convert(record) for record in read_records(_existing(data_dir / self.splits[split].file))
        ]

    def check_files(self, data_dir: Path, splits: Iterable[str]) -> None:
        """Raise DataError where a file is not there."""
        for split in splits:
            _existing(data_dir / self.splits[split].file)

    def count(self, data_dir: Path, split: str) -> int:
        """How many rows a split has."""
        return len(read_records(_existing(data_dir / self.splits[split].file)))

    def file_digests(self, data_dir: Path, splits: Iterable[str]) -> dict[str, str]:
        """Digest of each file, by its name below the data directory."""
        files = [self.splits[split].file for split in splits]
        return {file: digest_file(_existing(data_dir / file)) for file in files}


def find_local_data(dataset_path: str, dataset_name: str | None) -> LocalData | None:
    """The local copy of a data set by its name on the hub; None where none is known."""
    known = _DATA_SETS.get(dataset_path)
    return known.find(dataset_name or "") if known else None


def local_folder(dataset_path: str) -> str | None:
    """The folder below the data directory in which a data set is looked for; None where none is known."""
    known = _DATA_SETS.get(dataset_path)
    return known.folder if known else None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"no such data file: {path}", "check --data-dir; how it is laid out is in the README of the data"
        )
    return path


def _as_it_is(record: Record) -> Row:
    return dict(record.fields)


def _fields(*names: str) -> Callable[[Record], Row]:
    return lambda record: {name: record.get(name) for name in names}


def _mmlu(subject: str) -> LocalData:
    def convert(record: Record) -> Row:
        choices = [record.text(f"choice{i}") for i in range(4)]
        answer = record.text("answer")
        if answer not in ("0", "1", "2", "3"):
            raise record.error(f"has answer {answer!r}", "write the index of the right choice, 0 to 3")
        return {"question": record.text("question"), "subject": subject, "choices": choices, "answer": int(answer)}

    return LocalData({split: Split(f"mmlu/{split}/{subject}_{split}.csv", convert) for split in ("test", "dev")})


def _hellaswag(record: Record) -> Row:
    return {**record.fields, "label": str(record.get("label"))}


def _arc(name: str) -> LocalData | None:
    if name != "ARC-Challenge":
        return None

    def reformatted(record: Record) -> Row:
        return _arc_row(record, record.text("question"), record.get("options"), record.text("answer"))

    def original(record: Record) -> Row:
        question = record.get("question")
        return _arc_row(record, question["stem"], question["choices"], record.text("answerKey"))

    return LocalData(
        {
            "test": Split("arc_challenge/arc_challenge_test.jsonl", reformatted),
            "validation": Split("arc_challenge/ARC-Challenge-Dev.jsonl", original),
        }
    )


def _arc_row(record: Record, question: str, choices: list[dict[str, str]], answer: str) -> Row:
    labels = [choice["label"] for choice in choices]
    if answer not in labels:
        raise record.error(f"has answer {answer!r}, which is none of {labels}", "correct the row")
    texts = [choice["text"] for choice in choices]
    return {
        "id": record.text("id"),
        "question": question,
        "choices": {"text": texts, "label": labels},
        "answerKey": answer,
    }


def _truthfulqa(name: str) -> LocalData | None:
    if name == "multiple_choice":
        return LocalData({"validation": Split("truthfulqa/mc_task.json", _truthfulqa_choices)})
    if name == "generation":
        return LocalData({"validation": Split("truthfulqa/TruthfulQA.csv", _truthfulqa_open)})
    return None


def _truthfulqa_choices(record: Record) -> Row:
    row: Row = {"question": record.text("question")}
    for targets in ("mc1_targets", "mc2_targets"):
        truth: dict[str, int] = record.get(targets)
        row[targets] = {"choices": list(truth), "labels": list(truth.values())}
    # the task definition takes the first choice for the right one
    if row["mc1_targets"]["labels"][0] != 1 or sum(row["mc1_targets"]["labels"]) != 1:
        raise record.error("does not have its one true answer first in `mc1_targets`", "put it first")
    return row


def _truthfulqa_open(record: Record) -> Row:
    def answers(field: str) -> list[str]:
        return [text.strip() for text in record.text(field).split(";") if text.strip()]

    return {
        "type": record.text("Type"),
        "category": record.text("Category"),
        "question": record.text("Question"),
        "best_answer": record.text("Best Answer"),
        "correct_answers": answers("Correct Answers"),
        "incorrect_answers": answers("Incorrect Answers"),
        "source": record.text("Source"),
    }


@dataclass(frozen=True)
class _DataSet:
    """Where a data set is kept below the data directory; `find` takes the name of its configuration on the hub."""

    folder: str
    find: Callable[[str], LocalData | None]


def _same(folder: str, convert: Callable[[Record], Row], **files: str) -> _DataSet:
    """A data set that is the same by every name; `files` of its folder by split."""
    data = LocalData({split: Split(f"{folder}/{file}", convert) for split, file in files.items()})
    return _DataSet(folder, lambda name: data)


def _bbh(name: str) -> LocalData:
    return LocalData({"test": Split(f"bbh/bbh/{name}.json", _fields("input", "target"))})


_DATA_SETS: Mapping[str, _DataSet] = {
    "cais/mmlu": _DataSet("mmlu", _mmlu),
    "hails/mmlu_no_train": _DataSet("mmlu", _mmlu),
    "openai/gsm8k": _same("gsm8k", _fields("question", "answer"), train="train.jsonl", test="test.jsonl"),
    "Rowan/hellaswag": _same("hellaswag", _hellaswag, validation="hellaswag_val_1000.jsonl"),
    "allenai/ai2_arc": _DataSet("arc_challenge", _arc),
    "truthfulqa/truthful_qa": _DataSet("truthfulqa", _truthfulqa),
    "allenai/winogrande": _same(
        "winogrande",
        _fields("sentence", "option1", "option2", "answer"),
        train="train_xs.jsonl",  # the smallest official train split serves for few-shot examples
        validation="dev.jsonl",
    ),
    "google/IFEval": _same("ifeval", _as_it_is, train="input_data.jsonl"),
    "SaylorTwift/bbh": _DataSet("bbh", _bbh),
    "HuggingFaceH4/MATH-500": _same("math500", _as_it_is, test="test.jsonl"),
}
