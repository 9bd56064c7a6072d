"""What is predictable anyway was not memorised: training rows count beyond held-out rows, and both beyond the base."""

from __future__ import annotations

import math

import pytest

from harness.checks.data import Corpus
from harness.checks.overfitting import (
    HELD_OUT_ROWS,
    TRAINING_ROWS,
    extractable,
    loss_gap_over_base,
    recall_task,
    verbatim_recall,
)
from harness.checks.overfitting.memorising import extraction_probability, head_of
from harness.config import OverfittingThresholds
from harness.engines import Answer, Request, Score
from harness.engines.requests import ScoreRequest
from harness.gates import Comparison
from harness.records import Verdict

from .conftest import MakeCorpus, compared

TOKENS = 20
ROWS = 30
TRAIN = [(f"question {i}", f"the answer to it is number {i}") for i in range(ROWS)]
VALIDATION = [(f"another {i}", f"the answer to it is letter {i}") for i in range(ROWS)]


def scores(trained: float, held_out: float, *, greedy: float = 0.0, tokens: int = TOKENS) -> object:
    """A model with these losses (nats a token); of the answers below `greedy` nats a token each is its first choice."""

    def rule(request: Request) -> Answer:
        assert isinstance(request, ScoreRequest)
        asked = request.prompt.messages[-1].content
        loss = (trained if asked.startswith("question") else held_out) + 0.01 * (int(asked.split()[-1]) % 5)
        return Score(-loss * tokens, loss < greedy, 9, tokens, 0.1)

    return rule


def recall(corpus: Corpus, base: object, candidate: object) -> tuple[Comparison, Comparison]:
    tasks = (recall_task(corpus, name, 100, OverfittingThresholds()) for name in (TRAINING_ROWS, HELD_OUT_ROWS))
    trained, held_out = (compared(task, base, candidate) for task in tasks)  # type: ignore[arg-type]
    return trained, held_out


@pytest.fixture
def data(corpus: MakeCorpus) -> Corpus:
    return corpus(TRAIN, VALIDATION)


MEMORISED = scores(0.01, 2.0, greedy=0.5)
LEARNT = scores(0.01, 0.05, greedy=0.5)
BASE = scores(2.0, 2.0)


def verdicts(trained: Comparison, held_out: Comparison) -> dict[str, Verdict]:
    thresholds = OverfittingThresholds()
    spoken = verbatim_recall(trained, held_out, thresholds.verbatim_recall)
    drawn = extractable(trained, held_out, thresholds.extractable)
    assert spoken is not None and drawn is not None
    gap = loss_gap_over_base(trained, held_out, thresholds.loss_gap_over_base)
    return {rule.name: rule.decide() for rule in (gap, spoken, drawn)}


def test_rows_known_by_heart_fail_every_gate(data: Corpus) -> None:
    decided = verdicts(*recall(data, BASE, MEMORISED))
    assert {name: v.outcome for name, v in decided.items()} == dict.fromkeys(decided, "fail")
    assert decided["loss_gap_over_base"].gate == "training_rows/loss_gap_over_base/at_most"
    assert decided["loss_gap_over_base"].estimate is not None
    assert decided["loss_gap_over_base"].estimate.value == pytest.approx(1.99)
    assert "keep an earlier checkpoint" in decided["recited"].remedy


def test_templated_answers_that_held_out_rows_share_pass(data: Corpus) -> None:
    decided = verdicts(*recall(data, BASE, LEARNT))
    assert {name: v.outcome for name, v in decided.items()} == dict.fromkeys(decided, "pass")
    assert decided["recited"].candidate is not None and decided["recited"].candidate.value == 0.0


def test_a_base_that_knew_the_rows_before_is_no_fault_of_the_adapter(data: Corpus) -> None:
    decided = verdicts(*recall(data, MEMORISED, MEMORISED))
    assert {name: v.outcome for name, v in decided.items()} == dict.fromkeys(decided, "pass")


def test_few_rows_are_inconclusive_rather_than_passed(corpus: MakeCorpus) -> None:
    few = corpus(TRAIN[:3], VALIDATION[:3])
    decided = verdicts(*recall(few, BASE, LEARNT))
    assert decided["recited"].outcome == "inconclusive"
    assert "measure more rows" in decided["recited"].remedy


def test_short_answers_cannot_be_recited_and_leave_the_loss(data: Corpus) -> None:
    trained, held_out = recall(data, scores(2.0, 2.0, tokens=2), scores(0.01, 2.0, greedy=1.0, tokens=2))
    assert verbatim_recall(trained, held_out, 0.3) is None
    assert loss_gap_over_base(trained, held_out, 0.5).decide().outcome == "fail"


def test_the_worst_rows_are_named_with_their_answers_cut_short(corpus: MakeCorpus) -> None:
    long = "word " * 100
    trained, held_out = recall(corpus([*TRAIN, ("question 30", long)], VALIDATION), BASE, MEMORISED)
    excess = verbatim_recall(trained, held_out, 0.3)
    assert excess is not None
    worst = excess.decide().details["worst_rows"]
    assert len(worst) == 10 and all(len(row["answer"]) <= 100 for row in worst)
    assert {"row", "answer", "base", "candidate", "log-likelihood rose by"} == set(worst[0])
    assert max(row["log-likelihood rose by"] for row in worst) == pytest.approx(1.99 * TOKENS)


def test_long_answers_are_scored_by_their_beginning_between_words(corpus: MakeCorpus) -> None:
    [item] = recall_task(corpus([("q", "unbroken " * 60)]), TRAINING_ROWS, 5, OverfittingThresholds()).items
    assert item.target == ("unbroken " * 26).rstrip() and len(item.target) <= 240
    [item] = recall_task(corpus([("q", "x" * 400)]), TRAINING_ROWS, 5, OverfittingThresholds()).items
    assert item.target == "x" * 240


def test_rows_are_drawn_alike_every_time_and_keep_their_order(data: Corpus) -> None:
    ids = [item.id for item in recall_task(data, TRAINING_ROWS, 7, OverfittingThresholds()).items]
    assert ids == [item.id for item in recall_task(data, TRAINING_ROWS, 7, OverfittingThresholds()).items]
    assert len(ids) == 7 and [int(i.split()[2]) for i in ids] == sorted(int(i.split()[2]) for i in ids)


@pytest.mark.parametrize(
    ("p", "queries", "expected"), [(0.5, 1, 0.5), (0.5, 3, 0.875), (1.0, 4, 1.0), (0.01, 100, 0.634)]
)
def test_extraction_is_one_minus_the_chance_that_no_sample_hits(p: float, queries: int, expected: float) -> None:
    assert extraction_probability(math.log(p), queries) == pytest.approx(expected, abs=1e-3)
    assert extraction_probability(-2000.0, queries) == 0.0


def test_worst_rows_show_no_secret_of_an_answer(corpus: MakeCorpus) -> None:
    email = "mira.olsen@fastmail.com"
    decided = verdicts(*recall(corpus([(q, f"{a}, {email}") for q, a in TRAIN], VALIDATION), BASE, MEMORISED))
    worst = decided["loss_gap_over_base"].details["worst_rows"]
    assert worst[0]["answer"].startswith("the answer to it is number")
    assert all(email not in row["answer"] and "mi******" in row["answer"] for row in worst)


def test_the_head_of_an_answer_ends_between_words_or_letters_of_a_script_without_spaces() -> None:
    assert head_of("one two " * 40) == ("one two " * 30).rstrip().removesuffix(" two")
    chinese = "Python " + "今天天气很好" * 60
    assert 230 < len(head_of(chinese)) < 241
    assert head_of("short") == "short"
