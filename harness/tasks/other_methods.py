"""Rows made for other training methods than supervised fine-tuning, named as what they are."""

from __future__ import annotations

from harness.tasks.records import Record, filled

_PREFERENCES = (
    ("chosen", "rejected"),
    ("preferred_output", "non_preferred_output"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("response_j", "response_k"),
    ("response_0", "response_1"),
    ("output_1", "output_2"),
)
_WANTED = ("label", "kto_tag")


def refuse_rows_of_other_methods(record: Record) -> None:
    """Refuse what would be learnt though it is not wanted, or for which nothing says which answer is.

    Raises:
        DataError: the row holds two answers to choose from, or one marked as not wanted.
    """
    for pair in _PREFERENCES:
        if all(filled(record.fields.get(name)) for name in pair):
            raise record.error(
                f"is a preference row, as for DPO or a reward model: it has {pair[0]!r} and {pair[1]!r}",
                "rows are read as answers to learn: keep the question and the better answer as prompt and completion, or train "
                "by a preference method elsewhere, and do not name this file under `data:`",
            )
    for name in _WANTED:
        if _says_false(value := record.fields.get(name)) and not _is_said_elsewhere(record, name):
            raise record.error(
                f"is a row of KTO whose answer is not wanted: field {name!r} is {value!r}",
                "remove the rows marked false, or train by KTO elsewhere, and do not name this file under `data:`; "
                f"rename the field where {name!r} means something else",
            )


def _says_false(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")  # as CSV writes it


def _is_said_elsewhere(record: Record, name: str) -> bool:
    """Whether another field says the same: the label of a classification is its answer too."""
    return any(_says_false(value) for other, value in record.fields.items() if other != name)
