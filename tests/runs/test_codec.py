import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Estimate
from harness.runs.codec import clean_text, dump_json, number


@given(st.floats())
def test_a_diverged_loss_survives_json(value: float) -> None:
    back = number(json.loads(dump_json(value)))
    assert back is not None
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_json_never_holds_a_nan_literal_that_javascript_cannot_read() -> None:
    assert dump_json({"loss": [math.nan, -math.inf]}) == '{"loss": ["NaN", "-Infinity"]}'


def test_numpy_scalars_and_dataclasses_are_stored_as_plain_json() -> None:
    assert json.loads(dump_json({"a": np.float64(0.5), "b": np.int64(3), "e": Estimate(1.0)})) == {
        "a": 0.5,
        "b": 3,
        "e": {"value": 1.0, "low": None, "high": None},
    }


def test_a_value_without_json_form_is_refused_not_guessed() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        dump_json({"x": object()})


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_can_be_encoded_after_cleaning(text: str) -> None:
    assert len(clean_text(text)) == len(text)
    clean_text(text).encode("utf-8")
