"""Languages of ordinary answers are told, and what is in none is left alone."""

from __future__ import annotations

import pytest

from harness.metrics.languages import differ, language_of, script_of

SAID = {
    "English": [
        "Paris is the capital of France.",
        "I cannot help with that request.",
        "It was written by Jane Austen in 1813.",
    ],
    "German": [
        "Die Hauptstadt von Frankreich ist Paris.",
        "Das kann ich leider nicht tun.",
        "Sie können die Ware innerhalb von 30 Tagen zurückgeben.",
    ],
    "French": ["La capitale de la France est Paris.", "Je suis désolé, je ne peux pas vous aider avec cela."],
    "Spanish": ["La capital de Francia es París.", "Puede devolver el artículo en un plazo de 30 días."],
    "Italian": ["La capitale della Francia è Parigi.", "Mi dispiace, ma non posso aiutarti con questo."],
    "Portuguese": ["A capital da França é Paris.", "Desculpe, não posso ajudar com isso."],
    "Dutch": ["Het spijt me, daar kan ik je niet mee helpen."],
    "Polish": ["Przykro mi, ale nie mogę w tym pomóc."],
    "Russian": ["К сожалению, я не могу вам с этим помочь."],  # noqa: RUF001
    "Chinese": ["法国的首都是巴黎。"],
    "Japanese": ["フランスの首都はパリです。"],
    "Korean": ["프랑스의 수도는 파리입니다."],
}
IN_NONE = [
    "", "42", "1,234.5", "Paris", "positive", "Johann Wolfgang von Goethe", '{"city": "Berlin", "und": "die"}',
    '<tool_call>{"name": "none"}</tool_call>', "```python\nfor i in the_list: print(i)\n```",
    "def f(x):\n    for i in range(3):\n        if x is not None and i in x:\n            return x[i]",
    "SELECT name FROM users WHERE id = 3;", "x = 3; y = 4",
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [(one, text) for one, texts in SAID.items() for text in texts])
def test_a_sentence_is_told(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", IN_NONE)
def test_numbers_names_labels_code_and_json_are_in_no_language(text: str) -> None:
    assert language_of(text) is None


def test_no_two_of_these_languages_are_taken_for_one() -> None:
    texts = [(one, text) for one, of_one in SAID.items() for text in of_one]
    assert all(differ(text, other) == (one != another) for one, text in texts for another, other in texts)


def test_a_script_is_told_of_few_letters() -> None:
    assert (script_of("да, это"), script_of("ok"), script_of("巴黎和")) == ("Cyrillic", None, "Chinese")
    assert differ("巴黎和", "Paris") and not differ("Paris", "London")
