"""Arguments are compared as JSON values, types included."""

from __future__ import annotations

from typing import Any

import pytest

from harness.metrics.matching import argument_f1, same_arguments, same_value


@pytest.mark.parametrize(
    ("given", "wanted", "same"),
    [
        (3, 3, True),
        ("3", 3, False),
        (True, 1, False),
        (1, True, False),
        (3.0, 3, False),
        (2, 2.0, True),
        (True, 1.0, False),
        (2.5, 2.5, True),
        ("Oslo", "oslo", False),
        (None, None, True),
        ([1, 2], [1, 2], True),
        ([2, 1], [1, 2], False),
        ([1.0], [1], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1]}, {"a": [1]}, True),
    ],
)
def test_values_are_compared_with_their_types(given: Any, wanted: Any, same: bool) -> None:
    assert same_value(given, wanted) is same


def test_argument_f1_by_hand() -> None:
    assert argument_f1({}, {}) == 1.0
    assert argument_f1({}, {"a": 1}) == 0.0
    assert argument_f1({"a": 1, "b": 2}, {"a": 1}) == pytest.approx(2 / 3)
    assert argument_f1({"a": 1, "b": 2}, {"a": 1, "b": 3}) == pytest.approx(0.5)


def test_extra_and_missing_arguments_are_not_the_same_call() -> None:
    assert same_arguments({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same_arguments({"a": 1, "b": None}, {"a": 1})
    assert not same_arguments({}, {"a": 1})
