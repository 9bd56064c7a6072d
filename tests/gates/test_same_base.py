"""Two runs on two bases: a change between them is not the adapter's alone, and what differs is named."""

from __future__ import annotations

from typing import Any

import pytest

from harness.gates.same_base import same_base
from harness.records import ModelFacts

DISK = {
    "weights": "w",
    "config": "c",
    "tokenizer": "t",
    "chat_template": "j",
    "dtype": "float32",
    "generation_config": "g",
}
SERVED = {"server": "http://a/v1", "name": "base", "listed": "yes"}


def facts(parts: dict[str, Any], **changes: str) -> ModelFacts:
    return ModelFacts(name="owner/base", parts={**parts, **changes})


def test_the_same_digests_pass_whatever_else_differs() -> None:
    verdict = same_base(facts(DISK), facts(DISK, dtype="bfloat16"), "main")
    assert (verdict.outcome, verdict.against, verdict.remedy) == ("pass", "main", "")


@pytest.mark.parametrize(
    ("part", "called"),
    [
        ("weights", "weights"),
        ("tokenizer", "tokenizer"),
        ("chat_template", "chat template"),
        ("config", "configuration"),
    ],
)
def test_what_differs_is_named_and_decides_nothing(part: str, called: str) -> None:
    verdict = same_base(facts(DISK, **{part: "another"}), facts(DISK), "main")
    assert verdict.outcome == "inconclusive" and f": {called} differ" in verdict.reason
    assert "baseline/same_base" in verdict.remedy and verdict.open_because


def test_several_parts_are_named_together() -> None:
    assert "weights, tokenizer differ" in same_base(facts(DISK, weights="x", tokenizer="y"), facts(DISK), "main").reason


def test_a_served_base_goes_by_its_name_and_that_is_said() -> None:
    verdict = same_base(facts(SERVED), facts(SERVED), "main")
    assert verdict.outcome == "pass" and "cannot be told apart" in verdict.reason
    assert same_base(facts(SERVED, server="http://b/v1"), facts(SERVED), "main").outcome == "inconclusive"


@pytest.mark.parametrize("before", [SERVED, {}])
def test_a_base_that_was_served_or_not_recorded_is_not_known_to_be_this(before: dict[str, Any]) -> None:
    assert same_base(facts(DISK), facts(before), "main").outcome == "inconclusive"
