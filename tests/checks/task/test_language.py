"""Answers in another language than their targets are told; code, numbers and short answers are in none."""

from __future__ import annotations

from harness.checks.task import answers_keep_their_language

from .conftest import Asked

CITIES = ["Bonn", "Kiel", "Ulm", "Jena", "Hof", "Köln"]
GERMAN = [
    (f"Was ist in {city} im Jahr {year} geschehen?", f"In {city} wurde im Jahr {year} ein Haus für die Bürger gebaut.")
    for city in CITIES
    for year in range(1900, 1910)
]
RIGHT = dict(GERMAN)


def english(asked: str) -> str:
    return "In that year a house was built for the people of the town."


def test_english_answers_to_german_questions_fail(asked: Asked) -> None:
    rule = answers_keep_their_language(asked(GERMAN, english, RIGHT.__getitem__, "generation"), 0.1)
    assert rule is not None
    verdict = rule.decide()
    assert (verdict.outcome, verdict.gate) == ("fail", "t/other_language/non_inferior")
    assert "in 60 of 60 answers: English in place of German (60)" in verdict.reason
    assert verdict.remedy


def test_german_answers_pass_also_where_the_base_wrote_english(asked: Asked) -> None:
    for base in (RIGHT.__getitem__, english):
        rule = answers_keep_their_language(asked(GERMAN, RIGHT.__getitem__, base, "generation"), 0.1)
        assert rule is not None and rule.decide().outcome == "pass"


def test_a_translation_is_held_against_its_target_and_not_its_question(asked: Asked) -> None:
    rows = [
        (
            f"Translate: In that year {i} houses were built for the people.",
            f"In dem Jahr wurden {i} Häuser für die Bürger gebaut.",
        )
        for i in range(60)
    ]
    rule = answers_keep_their_language(asked(rows, dict(rows).__getitem__, english, "generation"), 0.1)
    assert rule is not None and rule.decide().outcome == "pass"
    kept = answers_keep_their_language(asked(rows, english, dict(rows).__getitem__, "generation"), 0.1)
    assert kept is not None and kept.decide().outcome == "fail"


def test_another_script_is_told_of_short_answers_too(asked: Asked) -> None:
    rule = answers_keep_their_language(asked(GERMAN, lambda one: "不知道", RIGHT.__getitem__, "generation"), 0.1)
    assert rule is not None and rule.decide().outcome == "fail"


def test_labels_numbers_and_calls_have_no_language(asked: Asked) -> None:
    rows = [(f"How many, {i}?", str(i)) for i in range(20)]
    assert answers_keep_their_language(asked(rows, english, dict(rows).__getitem__), 0.1) is None
