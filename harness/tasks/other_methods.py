"""Rows made for other training methods than supervised fine-tuning, named as what they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.tasks.conversations import ANSWERS, CHATS
from harness.tasks.records import Record, filled

WORSE = (
    "rejected",
    "non_preferred_output",
    "rejected_response",
    "response_rejected",
    "rejected_messages",
    "rejected_output",
)
BETTER = ("chosen", "preferred_output", "chosen_response", "response_chosen")
_EITHER = (
    ("response_j", "response_k"),
    ("response_0", "response_1"),
    ("response_a", "response_b"),
    ("response1", "response2"),
    ("output_1", "output_2"),
)
WANTED = ("label", "kto_tag")
_ZERO_OR_ONE = {"0": False, "0.0": False, "1": True, "1.0": True}


def refuse_rows_of_other_methods(record: Record, marks: Collection[str] = ()) -> None:
    """Refuse what would be learnt though it is not wanted, or for which nothing says which answer is.

    Args:
        marks: fields that mark answers by 0 and 1 (`numbered_marks`).

    Raises:
        DataError: the row holds two answers to choose from, or one marked as not wanted.
    """
    if answers := answers_to_choose_from(record):
        raise record.error(
            f"is a preference row, as for DPO or a reward model: it has {' and '.join(map(repr, answers))}",
            "train by `method: dpo`, or another that learns from pairs (`format: pairs` under `data:` for an adapter without "
            "its recipe); or keep the question and the better answer as prompt and completion",
        )
    for name in WANTED:
        value = record.fields.get(name)
        by_number = name in marks and _ZERO_OR_ONE.get(str(value)) is False
        if by_number or (_says_false(value) and not _is_said_elsewhere(record, name)):
            raise record.error(
                f"is a row of KTO whose answer is not wanted: field {name!r} is {value!r}",
                "train by `method: kto` (`format: judged` under `data:` for an adapter without its recipe), or remove the rows "
                f"marked false; rename the field where {name!r} means something else",
            )


def numbered_marks(records: Sequence[Record]) -> frozenset[str]:
    """Fields in which a file marks its answers as wanted or not by 1 and 0, as tables and CSV do.

    A class is none, although it is numbered so: the answers say it in words, and the same ones again and again.
    """
    return frozenset(name for name in WANTED if _is_zero_and_one(records, name) and not _is_a_class(records, name))


def answers_to_choose_from(record: Record) -> list[str]:
    """The fields of two answers of which one is to be chosen; empty where the row has none."""
    fields = record.fields
    worse = [name for name in WORSE if name in fields]
    better = [name for name in BETTER if _is_answer(fields.get(name))]
    if any(_is_answer(fields[name]) for name in worse) or (worse and better):
        return [*better[:1], *worse[:1]]
    return next((list(pair) for pair in _EITHER if all(_is_answer(fields.get(name)) for name in pair)), [])


def _is_answer(value: object) -> bool:
    return isinstance(value, str | list | dict) and filled(value)


def _is_zero_and_one(records: Sequence[Record], name: str) -> bool:
    values = {str(record.fields.get(name)) for record in records}
    return values <= _ZERO_OR_ONE.keys() and len({_ZERO_OR_ONE[value] for value in values}) == 2


def _is_a_class(records: Sequence[Record], name: str) -> bool:
    """Whether each answer goes with one of the numbers, and recurs."""
    pairs = {(_answer(record), str(record.fields.get(name))) for record in records}
    return len({answer for answer, _ in pairs}) == len(pairs) <= len(records) / 2


def _answer(record: Record) -> str:
    value = next((record.fields[name] for name in (*ANSWERS, *CHATS) if name in record.fields), None)
    return str(value[-1] if isinstance(value, list) and value else value)


def says_whether(value: object) -> bool | None:
    """Yes or no as files write it; None for anything else."""
    said = str(value).strip().lower()
    return {"true": True, "false": False}.get(said, _ZERO_OR_ONE.get(said))


def _says_false(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")  # as CSV writes it


def _is_said_elsewhere(record: Record, name: str) -> bool:
    """Whether another field says the same: the label of a classification is its answer too."""
    return any(_says_false(value) for other, value in record.fields.items() if other != name)
