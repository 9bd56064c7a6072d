"""Gates keep their names from run to run, whatever order or part of the tests ran."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from harness.records import Verdict
from harness.runs.gate_names import comparable_names, with_unique_names


def verdict(gate: str, test: str) -> Verdict:
    return Verdict(gate, "pass", "", test=test)


def names(*verdicts: Verdict) -> list[str]:
    return [one.gate for one in with_unique_names(verdicts)]


def test_gates_of_one_name_are_all_named_by_their_tests_in_any_order() -> None:
    verdicts = [verdict("s/acc", "test_s.py::test_a"), verdict("s/acc", "test_s.py::test_b[x]"), verdict("s/f1", "t")]
    for order in permutations(verdicts):
        assert set(names(*order)) == {"s/acc (test_a)", "s/acc (test_b[x])", "s/f1"}


def test_tests_of_one_name_in_two_files_are_told_apart_by_their_files() -> None:
    same = [verdict("s/acc", "a/test_s.py::test_a"), verdict("s/acc", "b/test_s.py::test_a")]
    other = verdict("s/acc", "b/test_s.py::test_b")
    assert names(*same, other) == ["s/acc (a/test_s.py::test_a)", "s/acc (b/test_s.py::test_a)", "s/acc (test_b)"]


def test_gates_of_one_name_in_one_test_are_numbered() -> None:
    twice = [verdict("s/acc", "t::a"), verdict("s/acc#2", "t::a"), verdict("s/acc", "t::a")]
    assert names(*twice) == ["s/acc", "s/acc#2", "s/acc#3"]
    assert names(*twice, verdict("s/acc", "t::b")) == ["s/acc (a)", "s/acc#2", "s/acc#3", "s/acc (b)"]


def test_a_part_of_a_run_lacks_the_gates_left_out_and_has_no_new_ones() -> None:
    whole = with_unique_names([verdict("s/acc", "t::a"), verdict("s/acc", "t::b"), verdict("s/f1", "t::c")])
    part = with_unique_names([verdict("s/acc", "t::b")])
    assert part[0].gate == "s/acc"
    mine, theirs = comparable_names(part, whole)
    assert (mine - theirs, theirs - mine) == (set(), {"s/acc (a)", "s/f1"})


def test_a_run_whose_second_gate_alone_was_named_by_its_test_compares() -> None:
    older = [verdict("s/acc", "t::a"), replace(verdict("s/acc (b)", "t::b"), name="s/acc")]
    mine, theirs = comparable_names(with_unique_names([verdict("s/acc", "t::b"), verdict("s/acc", "t::a")]), older)
    assert mine == theirs == {"s/acc (a)", "s/acc (b)"}


def test_a_test_that_was_renamed_keeps_its_gate() -> None:
    mine, theirs = comparable_names([verdict("s/acc", "t::new")], [verdict("s/acc", "t::old")])
    assert mine == theirs == {"s/acc"}


def test_what_several_tests_hold_against_the_released_adapter_alike_is_said_once() -> None:
    def held(test: str, within: float = 0.02) -> Verdict:
        return Verdict("baseline/t/acc", "pass", "", test=test, task="t", metric="acc", margin=within, against="main")

    first, again, numbered = held("t::a"), held("t::b"), replace(held("t::a"), gate="baseline/t/acc#2")
    for order in permutations([first, again, numbered]):
        [said] = with_unique_names(order)
        assert said.test == "t::a"
    assert len(with_unique_names([first, held("t::b", 0.05)])) == 2
    assert len(with_unique_names([first, replace(again, slice={"lang": "de"})])) == 2
    own = [replace(one, against="") for one in (first, again)]
    assert len(with_unique_names(own)) == 2
