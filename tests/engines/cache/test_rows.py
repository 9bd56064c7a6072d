"""Packing of answers: nothing is lost, and no damaged row is taken for an answer."""

from __future__ import annotations

import pytest
from stored import answer

from harness.engines import Answer, Choice, Generation, Score
from harness.engines.cache.rows import pack, unpack

KEY = bytes(range(32))


@pytest.mark.parametrize("number", range(9))
def test_an_answer_comes_back_as_it_was_to_the_last_bit(number: int) -> None:
    row = pack(KEY, answer(number))
    back = unpack(row.key, row.kind, row.checksum, row.answer)
    assert back == answer(number)
    assert back is not None and back.cached


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), -1.2345678901234567e-300])
def test_a_log_likelihood_that_is_no_plain_number_survives(value: float) -> None:
    row = pack(KEY, Score(value, True, 5, 2, 0.25))
    assert unpack(row.key, row.kind, row.checksum, row.answer) == Score(value, True, 5, 2, 0.25)


def test_choices_come_back_with_the_unknown_ones_among_them() -> None:
    row = pack(KEY, Choice((-0.1234567890123456, None, float("-inf")), 5, 2, 0.25))
    assert unpack(row.key, row.kind, row.checksum, row.answer) == Choice(
        (-0.1234567890123456, None, float("-inf")), 5, 2, 0.25
    )


@pytest.mark.parametrize("column", ["key", "kind", "checksum", "answer"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_any_flipped_bit_of_any_column_makes_it_a_miss(column: str, number: int) -> None:
    row = pack(KEY, answer(number))
    good = {"key": row.key, "kind": row.kind.encode(), "checksum": row.checksum, "answer": row.answer}
    for bit in range(8 * len(good[column])):
        bad = bytearray(good[column])
        bad[bit // 8] ^= 1 << bit % 8
        columns = {**good, column: bytes(bad)}
        kind = columns["kind"].decode("utf-8", "replace")
        assert unpack(columns["key"], kind, columns["checksum"], columns["answer"]) is None, bit


def test_an_answer_under_another_key_is_a_miss() -> None:
    row = pack(KEY, answer(1))
    assert unpack(bytes(32), row.kind, row.checksum, row.answer) is None


@pytest.mark.parametrize("odd", [None, 7, 1.5, "text", b""])
def test_a_column_of_another_type_is_a_miss(odd: object) -> None:
    row = pack(KEY, answer(1))
    columns = [row.key, row.kind, row.checksum, row.answer]
    for place in range(4):
        assert unpack(*columns[:place], odd, *columns[place + 1 :]) is None


@pytest.mark.parametrize(
    ("given", "most_bytes"),
    [
        (Score(-12.345678901234567, False, 612, 2, 0.12345678901234), 80),
        (Generation("the cat sat on the mat and looked at the dog. " * 20, "length", 612, 256, 1.5), 160),
    ],
)
def test_rows_are_small(given: Answer, most_bytes: int) -> None:
    assert len(pack(KEY, given).answer) < most_bytes
