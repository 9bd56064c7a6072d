"""Rows for methods that learn from preferences: two answers of which one is better, or one answer that is wanted or not.

Read in the columns of TRL (with the prompt beside the answers, or at the beginning of both), LLaMA-Factory and OpenAI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.engines.requests import Message
from harness.errors import DataError
from harness.tasks.conversations import CHATS, Conversation, filled_text, is_turns, json_list, read_turns
from harness.tasks.formats import QUESTIONS, Example, detect_format, parse_example
from harness.tasks.other_methods import BETTER, WANTED, WORSE, answers_to_choose_from, says_whether
from harness.tasks.records import Record, filled

_PROMPTS = (*CHATS, "instruction", *QUESTIONS)
_OF_PAIRS = frozenset({*BETTER, *WORSE, "score_chosen", "score_rejected", "chosen_score", "rejected_score", "margin"})


def parse_pair(record: Record) -> Example:
    """A row with a better and a worse answer; its conversation is that with the better one.

    Raises:
        DataError: it has no two answers whose names say which is better, or they do not answer the same turns.
    """
    record = _unfolded(record)
    better, worse = _answers(record)
    chosen, rejected = _sides(record, better, worse)
    made = chosen.conversation.of_last_answer()
    other = rejected.conversation.of_last_answer()
    if made.prompt != other.prompt or any(one.turns[-1] != one.answer for one in (made, other)):
        raise record.error(
            f"has answers to different turns: {better or 'its conversation'!r} and {worse!r} part before their last turn",
            "end both in the first turn in which they differ, an assistant's",
        )
    unread = frozenset(name for name in chosen.unread if name not in _OF_PAIRS and name in record.fields)
    return replace(chosen, conversation=made, rejected=other, fields=record.fields, unread=unread, first_read=False)


def parse_judged(record: Record) -> Example:
    """A row whose answer is marked as wanted or not (KTO), or a pair, which is one of each.

    Raises:
        DataError: nothing says whether its answer is wanted.
    """
    if _has_pair(record):
        return parse_pair(record)
    name = next((name for name in WANTED if filled(record.fields.get(name))), None)
    wanted = None if name is None else says_whether(record.fields[name])
    if name is None or wanted is None:
        said = f"field {name!r} is {record.fields[name]!r}" if name is not None else "it has no such field"
        raise record.error(
            f"does not say whether its answer is wanted: {said}",
            f"give each row {' or '.join(map(repr, WANTED))} of true or false; rows of answers to learn alone are for method sft",
        )
    rest = replace(record, fields={key: value for key, value in record.fields.items() if key not in WANTED})
    example = parse_example(rest, detect_format(rest))
    return replace(
        example,
        conversation=example.conversation.of_last_answer(),
        wanted=wanted,
        fields=record.fields,
        first_read=False,
    )


def parse_prompt(record: Record) -> Example:
    """A row whose prompt is answered while training. An answer that it brings is left for a function that rewards to look at.

    Raises:
        DataError: it has no prompt.
    """
    if _has_pair(record):
        return _asked(record, parse_pair(record))
    field = next((name for name in _PROMPTS if filled(record.fields.get(name))), None)
    try:
        example = parse_example(record, detect_format(record))
    except DataError:
        if field is None:
            raise
    else:
        if example.conversation.roles[-1] == "assistant":
            return _asked(record, example)
    return _asked(record, _answered(record, str(field)))


def _asked(record: Record, example: Example) -> Example:
    """A row's prompt alone."""
    turns = example.conversation.of_last_answer().prompt
    if turns[-1].role == "assistant":
        raise record.error("has a prompt that ends with the assistant's turn", "end it with what is to be answered")
    return Example(
        replace(example.conversation, turns=turns, learnt=()),
        record.row,
        record.fields,
        example.unread,
        first_read=False,
    )


def _answered(record: Record, field: str) -> Example:
    """A prompt without an answer is read as any other with one behind it."""
    value = record.fields[field]
    fields = {key: one for key, one in record.fields.items() if key not in ("completion", "output")}
    if is_turns(value) or field in CHATS:
        turns = [*json_list(record, field, value), _turn("-")]
        return _of_turns(record, {key: one for key, one in fields.items() if key != field}, turns)
    return parse_example(replace(record, fields={**fields, **_completed(field, "-")}), _format_of(field))


def _answers(record: Record) -> tuple[str | None, str]:
    """The fields of the better and the worse answer; the better one may end the row's own conversation instead."""
    better = next((name for name in BETTER if filled(record.fields.get(name))), None)
    worse = next((name for name in WORSE if filled(record.fields.get(name))), None)
    if worse is not None:
        return better, worse
    found = answers_to_choose_from(record)
    if better is not None:
        problem = f"has {better!r} and no worse answer"
    elif found:
        problem = f"has two answers ({' and '.join(map(repr, found))}) and says of none that it is the better"
    else:
        problem = "has no better and worse answer"
    raise record.error(
        f"{problem}: a preference method learns from both",
        f"name the better one {BETTER[0]!r} and the other {WORSE[0]!r}; rows of right answers alone are for `method: sft`",
    )


def _has_pair(record: Record) -> bool:
    return any(filled(record.fields.get(name)) for name in WORSE)


def _unfolded(record: Record) -> Record:
    """OpenAI's rows hold the prompt and its tools in `input`."""
    within = record.fields.get("input")
    if not isinstance(within, Mapping) or "messages" not in within:
        return record
    rest = {key: value for key, value in record.fields.items() if key != "input"}
    return replace(record, fields={**within, **rest})


def _sides(record: Record, better: str | None, worse: str) -> tuple[Example, Example]:
    """The conversation with either answer."""
    rest = {key: value for key, value in record.fields.items() if key not in _OF_PAIRS}
    if better is None:
        chosen = parse_example(replace(record, fields=rest), detect_format(replace(record, fields=rest)))
        [answer] = read_turns(replace(record, fields={worse: _as_turns(record, worse)}), worse)
        made = replace(chosen.conversation, turns=(*chosen.prompt, answer.message), learnt=(len(chosen.prompt),))
        return chosen, replace(chosen, conversation=made)
    field = next((name for name in _PROMPTS if filled(rest.get(name))), None)
    whole = _holds_the_prompt(record, better)
    if field is None and not whole:
        return _parted_texts(record, rest, better, worse)
    chosen, rejected = (_side(record, rest, name, None if whole else field) for name in (better, worse))
    return chosen, rejected


def _side(record: Record, rest: Mapping[str, Any], answer: str, field: str | None) -> Example:
    turns = _as_turns(record, answer)
    if field is None:
        return _of_turns(record, {key: one for key, one in rest.items() if key not in _PROMPTS}, turns)
    prompt = rest[field]
    if is_turns(prompt) or field in CHATS:
        before = json_list(record, field, prompt)
        return _of_turns(record, {key: one for key, one in rest.items() if key != field}, [*before, *turns])
    [*_, last] = read = read_turns(replace(record, fields={answer: turns}), answer)
    alone = len(read) == 1 and not last.message.reasoning
    fields = {**rest, **_completed(field, last.message.content if alone else turns)}
    return parse_example(replace(record, fields=fields), _format_of(field))


def _of_turns(record: Record, rest: Mapping[str, Any], turns: list[Any]) -> Example:
    return parse_example(replace(record, fields={**rest, "messages": turns}), "messages")


def _as_turns(record: Record, field: str) -> list[Any]:
    """An answer's turns: a text is the assistant's."""
    value = record.fields[field]
    if isinstance(value, dict):
        value = [value]
    if not is_turns(value):
        return [_turn(filled_text(record, field, value))]
    read_turns(replace(record, fields={field: value}), field)  # what is wrong there is told by its name
    return list(value)


def _holds_the_prompt(record: Record, answer: str) -> bool:
    """Whether an answer's turns begin with those of the prompt."""
    return (
        read_turns(replace(record, fields={answer: _as_turns(record, answer)}), answer)[0].message.role != "assistant"
    )


def _parted_texts(record: Record, rest: Mapping[str, Any], better: str, worse: str) -> tuple[Example, Example]:
    """Texts that hold prompt and answer: they part where the answers begin, at the last white space before they differ."""
    texts = [filled_text(record, name, record.fields[name]) for name in (better, worse)]
    differ = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(texts[0].rfind(mark, 0, differ) for mark in (" ", "\n", "\t")) + 1
    prompt = texts[0][:start]
    empty = next((name for name, text in zip((better, worse), texts, strict=True) if not text[start:].strip()), None)
    if prompt.strip() and empty is not None:
        raise record.error(
            f"has no answer in {empty!r} beyond what {better!r} and {worse!r} have in common",
            "fill it in or remove the row",
        )
    if not prompt.strip():
        raise record.error(
            f"has no prompt, and {better!r} and {worse!r} do not begin with one",
            "give the prompt in a field 'prompt'",
        )
    made = (
        Conversation((Message("user", prompt), Message("assistant", text[start:])), (1,), as_text=True)
        for text in texts
    )
    unread = frozenset(name for name, value in rest.items() if filled(value))
    chosen, rejected = (Example(one, record.row, record.fields, unread, first_read=False) for one in made)
    return chosen, rejected


def _completed(field: str, answer: Any) -> dict[str, Any]:
    return {"output" if field == "instruction" else "completion": answer}


def _format_of(field: str) -> str:
    return "alpaca" if field == "instruction" else "prompt_completion"


def _turn(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}
