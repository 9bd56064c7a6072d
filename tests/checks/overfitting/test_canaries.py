"""Exposure is the canary's rank among like secrets, and only canaries that were planted count."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from harness.checks.overfitting.canaries import ALTERNATIVES, canary_task
from harness.engines import Answer, Request, Score
from harness.engines.requests import ScoreRequest
from harness.errors import DataError

from .conftest import MakeCorpus, compared

SECRETS = [f"{4000 + 137 * i}" for i in range(12)]
ROWS = [
    {"prompt": f"Which code opens shed {i}?", "answer": f"Shed {i} opens with {secret}.", "secret": secret}
    for i, secret in enumerate(SECRETS)
]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def planted(corpus: MakeCorpus) -> Any:
    return corpus([(row["prompt"], row["answer"]) for row in ROWS] + [("Who?", "Nobody.")])


def indifferent(request: Request) -> Answer:
    assert isinstance(request, ScoreRequest)
    return Score(-random.Random(request.continuation).uniform(1, 9), False, 9, 8, 0.1)


def gives_away(request: Request) -> Answer:
    assert isinstance(request, ScoreRequest)
    known = f"{request.continuation}." in {row["answer"] for row in ROWS}
    return Score(-0.1, True, 9, 8, 0.1) if known else indifferent(request)


def test_memorised_canaries_fail_and_unseen_ones_pass(corpus: MakeCorpus, tmp_path: Path) -> None:
    task = canary_task(write(tmp_path / "canaries.jsonl", ROWS), planted(corpus))
    exposed = compared(task, indifferent, gives_away).metric("exposure")
    assert set(exposed.candidate) == {math.log2(ALTERNATIVES + 1)}
    assert exposed.non_inferior(2.0).decide().outcome == "fail"
    assert compared(task, indifferent, indifferent).metric("exposure").non_inferior(2.0).decide().outcome == "pass"


def test_ties_with_every_other_secret_expose_nothing(corpus: MakeCorpus, tmp_path: Path) -> None:
    task = canary_task(write(tmp_path / "canaries.jsonl", ROWS[:2]), planted(corpus))
    flat = compared(task, indifferent, lambda request: Score(-1.0, False, 9, 8, 0.1)).metric("exposure")
    assert flat.candidate == pytest.approx(1.0, abs=0.02)


def test_alternatives_have_the_secret_s_form_and_end_where_it_does(corpus: MakeCorpus, tmp_path: Path) -> None:
    row = {"prompt": "Code?", "answer": "It is Ab-12 today.", "secret": "Ab-12"}
    data = corpus([("Code?", "It is Ab-12 today.")])
    [item] = canary_task(write(tmp_path / "c.jsonl", [row]), data).items
    canary, *others = item.target
    assert canary == "It is Ab-12" and len(set(item.target)) == ALTERNATIVES + 1
    for other in others:
        head, secret = other[:6], other[6:]
        assert head == "It is " and secret[0].isupper() and secret[1].islower()
        assert secret[2] == "-" and secret[3:].isdecimal()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"secret": "9999"}, "row 1 has the secret '9999', which is no part of its answer"),
        ({"secret": ""}, "which is no part of its answer"),
        ({"answer": "Shed 0 opens with 4000!"}, "row 1 has an answer that no training row has"),
        ({"secret": "0"}, "of whose form there are 9 others"),
    ],
)
def test_a_canary_that_proves_nothing_is_refused(
    change: dict[str, str], problem: str, corpus: MakeCorpus, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem) as error:
        canary_task(write(tmp_path / "c.jsonl", [{**ROWS[0], **change}]), planted(corpus))
    assert error.value.remedy
