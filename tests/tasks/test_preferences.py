"""Rows with two answers, or one that is wanted or not, in the layouts that public data have; and prompts alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError
from harness.tasks.formats import Example, parse_text
from harness.tasks.preferences import parse_judged, parse_pair, parse_prompt
from harness.tasks.records import Record

ASK = {"role": "user", "content": "2+2?"}
SYSTEM = {"role": "system", "content": "Be brief."}
FOUR, FIVE = ({"role": "assistant", "content": text} for text in ("4", "5"))
WEATHER = [{"type": "function", "function": {"name": "weather"}}]


def record(**fields: Any) -> Record:
    return Record(Path("pairs.jsonl"), 3, fields)


def turns(example: Example) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in example.conversation.prompt]


PAIRS = {
    "TRL, texts": record(prompt="2+2?", chosen="4", rejected="5"),
    "TRL, turns": record(prompt=[ASK], chosen=[FOUR], rejected=[FIVE]),
    "TRL, the prompt in both": record(chosen=[ASK, FOUR], rejected=[ASK, FIVE]),
    "UltraFeedback, the prompt twice": record(
        prompt="2+2?", chosen=[ASK, FOUR], rejected=[ASK, FIVE], score_chosen=8.0
    ),
    "LLaMA-Factory, alpaca": record(instruction="2+2?", input="", chosen="4", rejected="5"),
    "LLaMA-Factory, sharegpt": record(
        conversations=[{"from": "human", "value": "2+2?"}],
        chosen={"from": "gpt", "value": "4"},
        rejected={"from": "gpt", "value": "5"},
    ),
    "OpenAI": record(
        input={"messages": [ASK], "tools": [], "parallel_tool_calls": True},
        preferred_output=[FOUR],
        non_preferred_output=[FIVE],
    ),
    "Orca": record(question="2+2?", chosen="4", rejected="5"),
    "ms-swift": record(messages=[ASK, FOUR], rejected_response="5"),
    "other names": record(prompt="2+2?", response_chosen="4", response_rejected="5"),
}


@pytest.mark.parametrize("row", PAIRS.values(), ids=PAIRS)
def test_pairs_of_public_layouts_are_one_prompt_with_two_answers(row: Record) -> None:
    pair = parse_pair(row)
    assert turns(pair) == [("user", "2+2?")]
    assert pair.rejected is not None
    assert (pair.completion, pair.rejected.answer.content) == ("4", "5")
    assert pair.rejected.prompt == pair.conversation.prompt
    assert not pair.lost
    assert pair.row == 3


def test_system_prompt_history_and_tools_of_a_pair_are_kept() -> None:
    pair = parse_pair(record(system="Be brief.", prompt=[ASK, FOUR, ASK], chosen="4", rejected="5", tools=WEATHER))
    assert turns(pair) == [("system", "Be brief."), ("user", "2+2?"), ("assistant", "4"), ("user", "2+2?")]
    assert pair.conversation.learnt == (4,)
    assert pair.rejected is not None
    assert pair.rejected.tools == pair.conversation.tools
    openai = parse_pair(
        record(
            input={"messages": [SYSTEM, ASK], "tools": WEATHER}, preferred_output=[FOUR], non_preferred_output=[FIVE]
        )
    )
    assert turns(openai)[0] == ("system", "Be brief.")
    assert openai.conversation.tools == pair.conversation.tools is not None


def test_texts_that_begin_with_their_prompt_part_where_they_differ() -> None:
    said = "Human: 2+2?\n\nAssistant:"
    pair = parse_pair(record(chosen=f"{said} fourteen", rejected=f"{said} four"))
    assert pair.conversation.as_text
    assert pair.conversation.prompt[0].content == f"{said} "
    assert pair.rejected is not None
    assert (pair.completion, pair.rejected.answer.content) == ("fourteen", "four")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (record(prompt="2+2?", completion="4"), "has no better and worse answer: a preference method learns from both"),
        (record(prompt="2+2?", chosen="4"), "has 'chosen' and no worse answer"),
        (
            record(prompt="q", response_a="4", response_b="5"),
            "'response_a' and 'response_b'.*of none that it is the better",
        ),
        (record(chosen="4", rejected="5"), "has no prompt"),
        (record(prompt="2+2?", chosen="4", rejected="  "), "field 'rejected' is empty"),
        (
            record(prompt="2+2?", chosen=[{"role": "bot?", "content": "4"}], rejected="5"),
            r"'chosen\[0\].role' is 'bot\?'",
        ),
        (
            record(chosen=[ASK, FOUR, ASK, FOUR], rejected=[ASK, FIVE, ASK, FIVE]),
            "'chosen' and 'rejected' part before their last turn",
        ),
    ],
)
def test_a_row_without_two_answers_to_one_prompt_is_told(row: Record, said: str) -> None:
    with pytest.raises(DataError, match=rf"pairs\.jsonl: row 3 .*{said}") as told:
        parse_pair(row)
    assert told.value.remedy


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (record(prompt="2+2?", completion="4", label=True), True),
        (record(prompt=[ASK], completion=[FOUR], label="False"), False),
        (record(instruction="2+2?", input="", output="4", kto_tag=1), True),
        (
            record(conversations=[{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}], kto_tag=False),
            False,
        ),
        (record(messages=[ASK, FOUR], label="0"), False),
    ],
)
def test_answers_that_are_wanted_or_not_are_read_in_any_format(row: Record, wanted: bool) -> None:
    judged = parse_judged(row)
    assert (judged.wanted, judged.completion, turns(judged)) == (wanted, "4", [("user", "2+2?")])


def test_an_answer_of_which_nothing_says_whether_it_is_wanted_is_told() -> None:
    assert parse_judged(record(prompt="2+2?", chosen="4", rejected="5")).rejected is not None
    for row, said in (
        (record(prompt="2+2?", completion="4"), "it has no such field"),
        (record(prompt="2+2?", completion="4", label="billing"), "field 'label' is 'billing'"),
    ):
        with pytest.raises(DataError, match=f"does not say whether its answer is wanted: {said}"):
            parse_judged(row)


@pytest.mark.parametrize(
    "row",
    [
        record(prompt="2+2?"),
        record(prompt=[ASK], level=3),
        record(question="2+2?", answer=4),
        record(messages=[ASK]),
        record(messages=[ASK, FOUR]),
        record(prompt="2+2?", chosen="4", rejected="5"),
        record(instruction="2+2?", input=""),
    ],
)
def test_a_prompt_is_read_with_an_answer_or_without(row: Record) -> None:
    prompt = parse_prompt(row)
    assert turns(prompt) == [("user", "2+2?")]
    assert (prompt.conversation.learnt, prompt.conversation.asked.messages) == ((), prompt.conversation.turns)
    assert prompt.fields == row.fields


def test_prompts_that_hold_several_turns_end_with_what_is_asked() -> None:
    several = parse_prompt(record(messages=[SYSTEM, ASK, FOUR, ASK]))
    assert [turn.role for turn in several.conversation.turns] == ["system", "user", "assistant", "user"]
    with pytest.raises(DataError, match="ends with the assistant's turn"):
        parse_prompt(record(prompt=[ASK, FOUR]))


def test_plain_text_is_all_learnt() -> None:
    text = parse_text(record(text="Once upon a time.", source="a"))
    assert (text.conversation.prompt, text.completion, text.conversation.asked.text) == ((), "Once upon a time.", "")
    with pytest.raises(DataError, match="field 'text' is empty"):
        parse_text(record(text=" "))
