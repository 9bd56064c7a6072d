"""A label with too few rows, or with none, is named; free text has no labels."""

from __future__ import annotations

from harness.checks import data
from harness.checks.data import EvaluationItem


def rows(**counts: int) -> list[tuple[str, str]]:
    return [(f"text {label} {i}", label) for label, count in counts.items() for i in range(count)]


def test_balanced_labels_pass(corpus):
    check = data.labels_are_balanced(corpus(rows(cat=20, dog=30)), [], 0.1)
    assert check is not None
    assert check.decide().outcome == "pass"
    assert check.details["rows_by_label"] == {"dog": 30, "cat": 20}


def test_the_rarest_label_fails_below_the_limit(corpus):
    made = corpus(rows(cat=1, dog=59, hen=30))
    check = data.labels_are_balanced(made, [], 0.1)
    assert check is not None
    verdict = check.decide()
    assert verdict.outcome == "fail"
    assert "train.jsonl: label 'cat' has 1 of 90 rows, 3% of an even share among 3 labels" in verdict.reason
    assert verdict.remedy.startswith("add rows of 'cat'")
    low = data.labels_are_balanced(made, [], 0.03)
    assert low is not None
    assert low.holds


def test_a_label_that_the_test_asks_and_no_row_has_fails(corpus):
    items = [EvaluationItem("pets", str(i), "q", label) for i, label in enumerate(("cat", "dog", "owl"))]
    check = data.labels_are_balanced(corpus(rows(cat=20, dog=20)), items, 0.1)
    assert check is not None
    assert not check.holds
    assert "label 'owl' has 0 of 40 rows" in check.reason


def test_an_unrelated_task_asks_for_no_label(corpus):
    items = [EvaluationItem("quiz", str(i), "q", label) for i, label in enumerate(("yes", "no"))]
    check = data.labels_are_balanced(corpus(rows(cat=20, dog=20)), items, 0.1)
    assert check is not None
    assert check.holds


def test_free_text_has_no_labels(corpus):
    assert data.labels_are_balanced(corpus([(f"q{i}", f"answer number {i}") for i in range(40)]), [], 0.1) is None
    assert data.labels_are_balanced(corpus([("q", "the same to all")] * 9), [], 0.1) is None


def intents(count: int, rows_each: int) -> list[tuple[str, str]]:
    return [(f"say {i} of {j}", f"intent_{i}") for i in range(count) for j in range(rows_each)]


def test_seventy_seven_intents_are_checked(corpus):
    check = data.labels_are_balanced(corpus(intents(77, 6)), [], 0.1)
    assert check is not None
    assert check.holds
    rare = data.labels_are_balanced(corpus([*intents(76, 20), ("say it", "card_lost")]), [], 0.1)
    assert rare is not None
    assert not rare.holds
    assert "label 'card_lost' has 1 of 1521 rows" in rare.reason


def test_many_short_answers_that_keep_coming_anew_or_are_amounts_are_no_labels(corpus):
    names = [(f"who {i}", f"person {i}") for i in range(15)]
    assert data.labels_are_balanced(corpus([*intents(60, 8), *names]), [], 0.1) is None
    amounts = [(f"how much {i} {j}", str(37 * i)) for i in range(60) for j in range(8)]
    assert data.labels_are_balanced(corpus(amounts), [], 0.1) is None
    numbered = [(f"which {i} {j}", str(i)) for i in range(60) for j in range(8)]
    assert data.labels_are_balanced(corpus(numbered), [], 0.1) is not None
