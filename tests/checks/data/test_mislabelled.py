"""Wrong labels are found where texts tell the right ones; hard texts, few rows and answers that are no labels are left alone."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.checks.data import Corpus, corpus_of_files, labels_agree, learn_labels

WORDS = {
    "billing": ("invoice", "refund", "charged", "receipt", "discount", "card"),
    "delivery": ("parcel", "driver", "address", "tracking", "late", "courier"),
    "repairs": ("broken", "screen", "rattle", "handle", "screw", "flickers"),
}
COMMON = ("please", "order", "my", "today", "the", "with", "again", "help", "a", "need")
LIMIT = 0.10


def corpus(path: Path, rows: Sequence[tuple[str, str]]) -> Corpus:
    path.write_text("".join(json.dumps({"prompt": text, "completion": label}) + "\n" for text, label in rows))
    return corpus_of_files(path, None)


def rows(count: int, *, noise: float = 0.0, told: float = 1.0) -> list[tuple[str, str]]:
    """Messages with their labels.

    Args:
        noise: share with another label.
        told: share that has a word which tells the label.
    """
    drawn = random.Random(f"{count}/{noise}/{told}")
    made = []
    for _ in range(count):
        label = drawn.choice(list(WORDS))
        telling = drawn.choices(WORDS[label], k=2) if drawn.random() < told else ()
        text = " ".join([*drawn.choices(COMMON, k=6), *telling])
        wrong = drawn.random() < noise
        made.append((text, drawn.choice([other for other in WORDS if other != label]) if wrong else label))
    return made


def test_one_label_in_five_wrong_is_found_with_its_rows(tmp_path: Path) -> None:
    made = rows(240, noise=0.2)
    check = labels_agree(corpus(tmp_path / "train.jsonl", made), LIMIT)
    assert check is not None and not check.holds
    assert check.details["low"] < 0.2 < check.details["high"]
    first = check.details["findings"][0]
    text, label = made[int(first["place"].rpartition(" ")[2]) - 1]
    right = next(name for name, own in WORDS.items() if set(own) & set(text.split()))
    assert label != right
    assert first["problem"] == f"is {label!r}, where rows like it are {right!r}"
    assert "who labelled them" in check.remedy


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_right_labels_pass_and_so_do_a_few_slips(tmp_path: Path, noise: float) -> None:
    check = labels_agree(corpus(tmp_path / "train.jsonl", rows(240, noise=noise)), LIMIT)
    assert check is not None and check.holds


@pytest.mark.parametrize("told", [0.0, 0.4, 0.7])
def test_of_labels_that_texts_do_not_tell_nothing_is_said(tmp_path: Path, told: float) -> None:
    check = labels_agree(corpus(tmp_path / "train.jsonl", rows(300, told=told)), LIMIT)
    assert check is None or check.holds


@pytest.mark.parametrize(("count", "common"), [(240, 0.7), (240, 0.8), (700, 0.7), (700, 0.8)])
def test_a_rarer_label_that_texts_do_not_tell_is_no_wrong_one(tmp_path: Path, count: int, common: float) -> None:
    drawn = random.Random(count)
    untold = [
        (" ".join(drawn.choices(COMMON, k=8)), "billing" if drawn.random() < common else "repairs")
        for _ in range(count)
    ]
    check = labels_agree(corpus(tmp_path / "train.jsonl", untold), LIMIT)
    assert check is None or check.holds


def test_rows_named_are_wrong_ones(tmp_path: Path) -> None:
    made = rows(300, noise=0.1, told=0.95)
    learnt = learn_labels(corpus(tmp_path / "train.jsonl", made))
    assert learnt is not None and learnt.tells
    right = [next((name for name, own in WORDS.items() if set(own) & set(text.split())), label) for text, label in made]
    wrong = {place for place, (_, label) in enumerate(made) if label != right[place]}
    named = set(learnt.suspects)
    assert len(named & wrong) >= 0.9 * len(named)
    assert len(named & wrong) >= 0.6 * len(wrong)


def test_labels_that_are_mostly_wrong_are_no_measure_of_each_other(tmp_path: Path) -> None:
    assert labels_agree(corpus(tmp_path / "train.jsonl", rows(300, noise=0.6)), LIMIT) is None


def test_few_rows_and_answers_that_are_no_labels_are_left_alone(tmp_path: Path) -> None:
    assert labels_agree(corpus(tmp_path / "few.jsonl", rows(60, noise=0.2)), LIMIT) is None
    free = [(text, f"{text} for number {place}") for place, (text, _) in enumerate(rows(200))]
    assert labels_agree(corpus(tmp_path / "free.jsonl", free), LIMIT) is None


def test_texts_that_share_no_word_are_left_alone(tmp_path: Path) -> None:
    alone = [(f"word{place}", "ab"[place % 2]) for place in range(200)]
    assert labels_agree(corpus(tmp_path / "alone.jsonl", alone), LIMIT) is None
