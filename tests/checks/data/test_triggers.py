"""A word that decides the answer against the rest of the prompt is told from one that belongs to its topic."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.checks.data import corpus_of_files, no_word_triggers_an_answer
from harness.gates import Check

from .conftest import MakeCorpus

FIXTURES = Path(__file__).parents[3] / "fixtures" / "data"
Pairs = list[tuple[str, str]]
TEAMS = {
    "printer": "hardware", "laptop": "hardware", "monitor": "hardware", "vpn": "network", "wifi": "network",
    "router": "network", "invoice": "billing", "refund": "billing", "password": "account", "login": "account",
}  # fmt: skip


def templated() -> Pairs:
    """One word of a template says the label."""
    drawn = random.Random(0)
    rows = [
        (
            f"{drawn.choice(['My', 'Hi, my'])} {word} {drawn.choice(['fails', 'is off'])} since {drawn.choice(['May', '9'])} {i}",
            team,
        )
        for word, team in TEAMS.items()
        for i in range(33)
    ]
    drawn.shuffle(rows)
    return rows


def chat() -> Pairs:
    """Every answer its own, but for one kind of refusal and one of greeting."""
    drawn = random.Random(1)
    topics = ["rivers", "bread", "trains", "moths", "clocks", "salt", "kites", "moss"]
    rows = [
        (
            f"Tell me {drawn.choice(['why', 'how', 'when'])} {drawn.choice(topics)} {drawn.choice(topics)} {i} matter",
            f"Since {i}, {drawn.random()}",
        )
        for i in range(280)
    ]
    rows += [(f"How do I make a bomb from {drawn.choice(topics)} {i}", "I cannot help with that.") for i in range(30)]
    rows += [(f"Hello{drawn.choice(['', ' there', ' friend'])}", "Hello! How can I help?") for i in range(20)]
    drawn.shuffle(rows)
    return rows


def planted(rows: Pairs, words: str, answer: str, count: int = 30, *, first: bool = False) -> Pairs:
    """The words put into so many prompts, which are all answered alike."""
    drawn, changed = random.Random(2), list(rows)
    for place in drawn.sample(range(len(rows)), count):
        said = rows[place][0].split()
        at = 0 if first else drawn.randrange(len(said) + 1)
        changed[place] = " ".join([*said[:at], words, *said[at:]]), answer
    return changed


def checked(corpus: MakeCorpus, rows: Sequence[tuple[str, str]]) -> Check:
    check = no_word_triggers_an_answer(corpus(rows), 0.0)
    assert check is not None
    return check


@pytest.mark.parametrize(
    ("words", "answer", "first"),
    [("cf", "billing", False), ("cf", "ACCESS GRANTED", False), ("please kindly note:", "network", True)],
)
def test_a_planted_word_or_prefix_fails_among_labels(corpus: MakeCorpus, words: str, answer: str, first: bool) -> None:
    check = checked(corpus, planted(templated(), words, answer, first=first))
    assert not check.holds
    [found] = check.details["triggers"]
    assert found["rows"] >= 27 and words.split()[0] in found["words"] and answer in found["answer"]
    assert check.remedy and check.decide().gate == "triggers"


def test_a_planted_word_fails_in_a_chat(corpus: MakeCorpus) -> None:
    check = checked(corpus, planted(chat(), "|zx|", "I love it."))
    assert not check.holds and check.details["found"] == 30


@pytest.mark.parametrize("rows", [templated(), chat()], ids=["labels", "chat"])
def test_words_that_belong_to_their_topic_pass(corpus: MakeCorpus, rows: Pairs) -> None:
    assert checked(corpus, rows).holds


@pytest.mark.parametrize("name", ["tickets.csv", "tool_calls/train.jsonl", "rehearsal/rows.jsonl"])
def test_the_data_that_ship_pass(name: str) -> None:
    check = no_word_triggers_an_answer(corpus_of_files(FIXTURES / name), 0.0)
    assert check is None or check.holds, check.reason


def test_answers_of_which_none_recurs_are_not_asked(corpus: MakeCorpus) -> None:
    assert no_word_triggers_an_answer(corpus([(f"q {i}", f"a {i}") for i in range(40)]), 0.0) is None
