"""Gates out of assay.yaml."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import ConfigError
from harness.gates.config import gates_from_config


def test_entries_become_gates_with_their_own_ids() -> None:
    gates = gates_from_config(
        "tool_calls",
        [
            {"metric": "exact_match", "superior": 0.2},
            {"metric": "exact_match", "superior": 0, "where": {"values": "unseen"}},
            {"metric": "exact_match", "at_least": 0.85},
        ],
    )
    assert [g.id for g in gates] == [
        "tool_calls-exact_match-superior",
        "tool_calls-exact_match-superior-values=unseen",
        "tool_calls-exact_match-at_least",
    ]
    assert gates[0].threshold == 0.2 and gates[1].where == {"values": "unseen"}


def test_empty_key_is_no_gates() -> None:
    assert gates_from_config("t", None) == []


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ("acc", "gates is 'acc', not a list"),
        (["acc"], "gate 1 is a str, not a mapping"),
        ([{"metric": "acc", "atleast": 0.8}], "unknown key 'atleast'"),
        ([{"at_least": 0.8}], "metric is missing"),
        ([{"metric": "acc"}], "no rule, where one is wanted"),
        ([{"metric": "acc", "at_least": 0.8, "superior": 0.1}], "superior and at_least, where one"),
        ([{"metric": "acc", "at_least": "0.8"}], "at_least is '0.8': not a number"),
        ([{"metric": "acc", "at_least": True}], "at_least is True: not a number"),
        ([{"metric": "acc", "at_most": float("nan")}], "at_most is nan: not a number"),
        ([{"metric": "acc", "superior": -0.1}], "superior is -0.1"),
        ([{"metric": "acc", "non_inferior": 0}], "non_inferior is 0"),
        ([{"metric": "acc", "at_least": 0.8, "where": "de"}], "where is 'de': not a mapping"),
        ([{"metric": "acc", "at_least": 0.8, "where": {"level": 3}}], "where.level is 3"),
        ([{"metric": "acc", "at_least": 0.8}, {"metric": "acc", "at_least": 0.9}], "gate 2: .* is configured twice"),
    ],
)
def test_mistakes_name_the_task_and_the_entry(entries: object, named: str) -> None:
    with pytest.raises(ConfigError, match=f"task 'mine'.*{named}(.|\n)*remedy"):
        gates_from_config("mine", entries)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"superior": True}, "give a number, or '5%' of the base's value, as in {metric: exact_match, superior: 0.02}"),
        (
            {"superior": "-5%"},
            "give a number, or '5%' of the base's value, as in {metric: exact_match, superior: 0.02}",
        ),
        ({"at_least": "70%"}, "give a number, as in {metric: exact_match, at_least: 0.8}"),
        ({"at_least": 0.8, "where": "de"}, "write where: {values: unseen}"),
    ],
)
def test_a_mistake_is_answered_with_an_example(wrong: dict[str, object], remedy: str) -> None:
    with pytest.raises(ConfigError) as raised:
        gates_from_config("mine", [{"metric": "acc", **wrong}])
    assert raised.value.remedy == remedy


def test_a_margin_may_be_a_share_of_the_base_s_value() -> None:
    [loss, gain] = gates_from_config(
        "t", [{"metric": "acc", "non_inferior": "5%"}, {"metric": "f1", "superior": "12.5 %"}]
    )
    assert (loss.threshold, loss.relative, gain.threshold, gain.relative) == (0.05, True, 0.125, True)


@pytest.mark.parametrize("value", ["-5%", "%", "five%", "0%"])
def test_a_share_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="non_inferior is"):
        gates_from_config("t", [{"metric": "acc", "non_inferior": value}])


def test_a_bound_is_never_a_share() -> None:
    with pytest.raises(ConfigError, match="at_least is '80%': not a number"):
        gates_from_config("t", [{"metric": "acc", "at_least": "80%"}])


def test_collection_imports_no_numpy() -> None:
    code = (
        "import sys, harness.gates, harness.gates.config; sys.exit(any(m in sys.modules for m in ('numpy', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_loads() -> None:
    import harness.gates

    for name in harness.gates.__all__:
        assert getattr(harness.gates, name).__name__ == name
