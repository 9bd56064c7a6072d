"""Answers that end without a mark and are whole are left alone; cut ones are named by what shows it."""

from __future__ import annotations

import pytest

from harness.checks import data
from harness.checks.data.endings import UNPUNCTUATED, break_fault, punctuates

WHOLE = [
    "The correct answer is A",
    "It happened long before World War I",
    "She moved to Portland, OR",
    "The review is due in May",
    "Five fruits, as asked:\n\n1. Apple\n2. Plum\n3. Pear\n4. Fig\n5. Quince",
    "| city | people |\n|---|---|\n| Bergen | 289 330 |",
    "city | people\n--- | ---\nBergen | 289 330",
    "Dear Sam,\n\nThank you for the visit last week. We all enjoyed it.\n\nBest regards,\nJo Lind\nHead of the harbour office",
    "Big news from the harbour! The new ferry sails today. ⛴️\n\n#Bergen #NewFerry #harbourlife",
    "The manual has all of it. You can read it here: https://harbour.example/manual/v2?lang=en",
    "```python\nrows = [\n```",
    "````markdown\n```python\nprint(1)\n```\n````",
    "First go to the folder. Then build the image.\n\nAfter that, run this command:\n\ndocker run --rm -it image with some words",
    "def area(r):\n    return r * r * 3",
    "SELECT name FROM ships WHERE berth = 3 ORDER BY name",
    "So the sum is this.\n\nx + y = 12",
    "Have a lovely time! ✨",
    "I am sorry to hear it :(",
    "The value lies in [0, 1) on the whole line",
    'A 15" screen will do for what you have in mind',
    "name: harbour\nversion: 1.2\nsteps:\n  - build\n  - sail away",
    "ขอบคุณมากครับ หวังว่าคำตอบนี้จะเป็นประโยชน์กับคุณและครอบครัวของคุณในวันนี้",
    "希望这些建议对你有帮助。",
    "Costs fell.\n\n- The ferry now sails twice a day\n- The crew rests on Sunday evening\n- Tickets are sold on board",
    "Tea rises in the cup\nA gull walks along the pier\nNobody looks up",
]
CUT = {
    "You should heat the oven first. Then mix the flour and": "ends within a sentence",
    "It does work. What I like most about the plan is that you can always": UNPUNCTUATED,
    "It does work. What I like most about the plan is how it was bui": UNPUNCTUATED,
    "1. Be kind to people.\n2. Be on time, always.\n3.": "ends in an empty list item",
    "1. Be kind to people.\n2. Be on time for the ferry.\n3. Try to keep all promises made": UNPUNCTUATED,
    "- Be kind.\n- Be there.\n-": "ends in an empty list item",
    "The other list of ships (those": "a bracket stays open",
    "Here is what you will need:": "ends where it announces something",
    "这是第一句话。我认为我们应该先去": UNPUNCTUATED,
    "Der Hund schläft. Die Katze hingegen läuft den ganzen": UNPUNCTUATED,
    "```python\nprint(1)": "a code fence stays open",
    "| city | people |\n|---|---|\n| Bergen | 289": "a row of its table stays open",
    'He looked up and said "go away and never': "a quotation stays open",
}


@pytest.mark.parametrize("answer", WHOLE)
@pytest.mark.parametrize("punctuated", [True, False])
def test_a_whole_answer_that_ends_in_no_mark_is_left_alone(answer, punctuated):
    assert break_fault(answer, punctuated=punctuated) == ""


@pytest.mark.parametrize("answer", CUT)
def test_a_cut_answer_is_named_by_what_shows_it(answer):
    assert break_fault(answer, punctuated=True) == CUT[answer]


def test_a_long_sentence_without_its_mark_breaks_off_only_where_the_data_have_marks():
    answer = "the ferry to the island sails every morning from the old pier by the market"
    assert punctuates([f"{answer}."] * 8 + [answer] * 2)
    assert not punctuates([f"{answer}."] * 7 + [answer] * 3)
    assert break_fault(answer, punctuated=True) == UNPUNCTUATED
    assert break_fault(answer, punctuated=False) == ""


def test_surmised_breaks_count_beyond_what_false_hits_explain_and_shown_ones_at_once(corpus):
    whole = [(f"Where is thing {i}?", f"It is on shelf {i}. Look behind the blue cups.") for i in range(29)]
    surmised, shown = "It is here. The cups are what everyone looks at first", "It is here. Look behind the"
    assert data.answers_are_whole(corpus([*whole, ("Where?", surmised)]), 0.02).decide().outcome == "pass"
    assert data.answers_are_whole(corpus([*whole, ("Where?", surmised)]), 0.0).decide().outcome == "fail"
    assert data.answers_are_whole(corpus([*whole, ("Where?", shown)]), 0.02).decide().outcome == "fail"
    verdict = data.answers_are_whole(corpus([*whole, *[(f"Where is {i}?", surmised) for i in range(3)]]), 0.02).decide()
    assert verdict.outcome == "fail"
    assert "beside 1 that may be false hits" in verdict.reason
