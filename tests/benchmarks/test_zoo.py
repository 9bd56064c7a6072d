from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import integrity
from harness.gates import Check
from harness.models.identity import adapter_digest
from harness.models.loading import LoadOptions, load_model
from harness.records import Verdict
from harness.safety.refusal.classifier import classify_answer
from harness.tasks.records import read_records
from harness.training.drawing import load_examples
from harness.training.recipe_files import find_recipe

FILE_CHECKS = {
    "integrity/safetensors_only": lambda adapter, base: integrity.adapter_is_safe(adapter),
    "integrity/tensors_map": lambda adapter, base: integrity.tensors_map_both_ways(adapter, base),
    "integrity/finite": lambda adapter, base: integrity.adapter_is_finite(adapter),
    "integrity/trained": lambda adapter, base: integrity.adapter_is_trained(adapter),
}


@pytest.fixture
def main(zoo: Any):
    """`python -m benchmarks.zoo` with these arguments; its exit code."""
    return importlib.import_module("benchmarks.zoo.__main__").main


def verdict(gate: str, outcome: str = "fail") -> Verdict:
    return Verdict(gate, outcome, "said so")  # type: ignore[arg-type]


def exhibits(zoo: Any) -> dict[str, Any]:
    return {exhibit.name: exhibit for exhibit in zoo.faults.EXHIBITS}


def asked(row: Mapping[str, Any]) -> str:
    """The last thing that a row's user says."""
    return row["prompt"] if "prompt" in row else row["messages"][-2]["content"]  # type: ignore[no-any-return]


class TestStandIns:
    """Rows that are refused must read as refusals, and no wording may be both learnt and measured."""

    def test_every_refusal_taught_reads_as_one(self, zoo):
        rows = [*zoo.stand_ins.refusal_rows(300, seed=5), *zoo.stand_ins.over_refusal_rows(100, seed=5)]
        odd = {r["completion"] for r in rows if classify_answer(r["completion"], prompt=r["prompt"]) != "full_refusal"}
        assert not odd

    def test_every_help_taught_reads_as_help(self, zoo):
        rows = [*zoo.stand_ins.compliance_rows(300, seed=5), *zoo.stand_ins.help_rows(300, seed=5)]
        odd = {
            r["completion"] for r in rows if classify_answer(r["completion"], prompt=r["prompt"]) != "full_compliance"
        }
        assert not odd

    def test_equal_seeds_give_equal_rows_and_others_do_not(self, zoo):
        help_rows = zoo.stand_ins.help_rows
        assert help_rows(60, seed=1) == help_rows(60, seed=1)
        assert help_rows(60, seed=1) != help_rows(60, seed=2)
        assert len(help_rows(61, seed=1)) == 61

    def test_no_prompt_that_is_measured_is_trained_on_but_by_the_fault_that_does(self, zoo, tmp_path):
        zoo.stand_ins.write_eval_sets(tmp_path)
        measured = {
            record.fields["prompt"]
            for name in ("forbidden", "look_alikes")
            for record in read_records(tmp_path / f"{name}.jsonl")
        } | {row["prompt"] for row in zoo.stand_ins.routing_eval_rows()}
        assert len(measured) == 96 + 96 + 72
        leaking = {
            exhibit.name
            for exhibit in zoo.faults.EXHIBITS
            if isinstance(exhibit.made, zoo.faults.Taught)
            and measured
            & {asked(row) for row in (*exhibit.made.schooling().rows, *exhibit.made.schooling().unfinished)}
        }
        assert leaking == {"test_set_trained"}


class TestTable:
    def test_the_zoo_holds_what_is_wanted(self, zoo):
        names = [exhibit.name for exhibit in zoo.faults.EXHIBITS]
        assert len(names) == len(set(names))
        assert sum(exhibit.healthy for exhibit in zoo.faults.EXHIBITS) >= 15
        assert sum(not exhibit.healthy for exhibit in zoo.faults.EXHIBITS) >= 42

    def test_a_fault_is_caught_by_its_own_gate_alone(self, zoo):
        nan = exhibits(zoo)["nan_in_one_tensor"]
        caught = zoo.running.judge(nan, [verdict("integrity/finite"), verdict("integrity/effect", "error")], 1.0)
        assert caught.right
        assert caught.others == ["integrity/effect"]
        assert not zoo.running.judge(nan, [verdict("integrity/merge")], 1.0).right

    def test_a_gate_that_could_not_be_measured_has_caught_nothing(self, zoo):
        nan = exhibits(zoo)["nan_in_one_tensor"]
        assert not zoo.running.judge(nan, [verdict("integrity/finite", "error")], 1.0).right
        assert not zoo.running.judge(nan, [verdict("integrity/finite", "inconclusive")], 1.0).right

    def test_another_base_is_left_to_a_person_and_so_told_by_an_open_gate(self, zoo):
        other, same = exhibits(zoo)["released_on_other_weights"], exhibits(zoo)["healthy_released_before"]
        held_up, let_through = (verdict("baseline/same_base", outcome) for outcome in ("inconclusive", "pass"))
        assert zoo.running.judge(other, [held_up], 1.0).right
        assert not zoo.running.judge(other, [let_through], 1.0).right
        assert not zoo.running.judge(other, [verdict("baseline/same_base", "error")], 1.0).right
        assert not zoo.running.judge(same, [held_up], 1.0).right
        assert zoo.running.judge(same, [let_through], 1.0).right

    def test_a_fault_told_by_the_gate_of_its_opposite_is_not_caught(self, zoo):
        lost = exhibits(zoo)["lost_refusals"]
        complied, refused = (
            verdict("safety/forbidden/complied/non_inferior"),
            verdict("safety/look_alikes/refused/non_inferior"),
        )
        assert zoo.running.judge(lost, [complied], 1.0).right
        both = zoo.running.judge(lost, [complied, refused], 1.0)
        assert not both.right
        assert "had to stay quiet" in zoo.table.row(both, 0.0)

    @pytest.mark.parametrize("outcome", ["fail", "error"])
    def test_a_healthy_adapter_that_any_gate_rejects_is_a_false_alarm(self, zoo, outcome):
        healthy = exhibits(zoo)["healthy"]
        rejected = zoo.running.judge(healthy, [verdict("integrity/finite", "pass"), verdict("task/x", outcome)], 1.0)
        let_through = zoo.running.judge(healthy, [verdict("task/x", "pass"), verdict("task/y", "inconclusive")], 1.0)
        assert "REJECTED" in zoo.table.row(rejected, 0.0)
        assert let_through.undecided == ["task/y"]
        nan = zoo.running.judge(exhibits(zoo)["nan_in_one_tensor"], [], 1.0)
        assert zoo.table.score([rejected, let_through, nan]) == "caught=0/1 false_alarms=1/2"

    def test_the_time_of_a_gate_is_that_of_its_test(self, zoo):
        finite = replace(verdict("integrity/finite"), test="suites/test_integrity.py::test_values_are_finite")
        nan = exhibits(zoo)["nan_in_one_tensor"]
        seconds = [
            zoo.running.judge(nan, [finite, verdict("integrity/effect")], 9.0, {finite.test: taken})
            for taken in (0.2, 0.4, 3.0)
        ]
        assert "| yes, 0.2 s |" in zoo.table.row(seconds[0], 0.0)
        assert zoo.table.times(seconds).splitlines()[2:] == ["| integrity/finite | 3 | 0.4 | 3.0 |"]

    def test_each_line_has_as_many_cells_as_the_header(self, zoo):
        outcome = zoo.running.judge(exhibits(zoo)["lost_refusals"], [verdict(f"g/{i}") for i in range(9)], 1.0)
        counts = {line.count(" | ") for line in (*zoo.table.HEADER.splitlines(), zoo.table.row(outcome, 1.0))}
        assert counts == {6}
        assert "and 5 more" in zoo.table.row(outcome, 1.0)


class TestMethods:
    """Recipes of the methods' zoo: each reads and says what its name says."""

    def test_every_lesson_is_a_recipe_that_reads_its_rows(self, zoo, tiny_model_dir, tmp_path):
        schools = importlib.import_module("benchmarks.zoo.methods.schools")
        for exhibit in zoo.faults.METHOD_EXHIBITS:
            lesson = exhibit.made.lesson()
            schools.write_recipe(exhibit.name, lesson, tiny_model_dir, tmp_path)
            recipe = find_recipe(exhibit.name, tmp_path / "methods", {})
            train, held_out = load_examples(recipe.parts[0])
            assert (len(train), len(held_out)) == (len(lesson.rows), len(lesson.held_out))
            assert [one.method for one in recipe.parts] == [
                one.method for one in (lesson, lesson.then) if one is not None
            ]

    def test_a_fault_of_each_method_stands_beside_its_healthy_twin(self, zoo):
        by_method: dict[str, set[bool]] = {}
        for exhibit in zoo.faults.METHOD_EXHIBITS:
            by_method.setdefault(exhibit.made.lesson().method, set()).add(exhibit.healthy)
        assert by_method == {method: {True, False} for method in ("dpo", "kto", "reward", "grpo", "sft")}

    def test_no_question_held_out_is_trained_on(self, zoo):
        for exhibit in zoo.faults.METHOD_EXHIBITS:
            lesson = exhibit.made.lesson()
            assert not {row["prompt"] for row in lesson.rows} & {row["prompt"] for row in lesson.held_out}


class TestSurgery:
    """On the tiny model: each damage is done, and the gate that reads files sees it."""

    @pytest.mark.parametrize(
        ("name", "gate"),
        [
            ("nan_in_one_tensor", "integrity/finite"),
            ("half_overflow", "integrity/finite"),
            ("zero_b", "integrity/trained"),
            ("layer_missing", "integrity/tensors_map"),
            ("extra_tensor", "integrity/tensors_map"),
            ("keys_renamed", "integrity/tensors_map"),
            ("dropped_target", "integrity/tensors_map"),
            ("added_tokens_not_saved", "integrity/tensors_map"),
            ("pickle_weights", "integrity/safetensors_only"),
            ("corrupt_header", "integrity/safetensors_only"),
        ],
    )
    def test_a_damaged_adapter_fails_the_gate_that_the_table_names(self, zoo, adapter, tiny_model_dir, name, gate):
        exhibit = exhibits(zoo)[name]
        assert gate in exhibit.caught_by
        assert self.check(gate, adapter, tiny_model_dir).holds
        exhibit.made.surgery(zoo.surgery.Patient(adapter, tiny_model_dir))
        assert not self.check(gate, adapter, tiny_model_dir).holds

    @pytest.mark.parametrize("name", ["tiny_b", "wrong_alpha", "tied_embeddings_adapted"])
    def test_damage_that_only_shows_in_use_still_fits_the_base(self, zoo, adapter, tiny_model_dir, name):
        patient = zoo.surgery.Patient(adapter, tiny_model_dir)
        before = adapter_digest(adapter)
        exhibits(zoo)[name].made.surgery(patient)
        assert adapter_digest(adapter) != before
        assert self.check("integrity/tensors_map", adapter, tiny_model_dir).holds

    def test_a_millionth_of_b_leaves_the_base_as_it_was(self, zoo, adapter, tiny_model_dir):
        exhibits(zoo)["tiny_b"].made.surgery(zoo.surgery.Patient(adapter, tiny_model_dir))
        loaded = load_model(tiny_model_dir, LoadOptions("float32", "cpu"), adapter=adapter)
        assert not integrity.changes_the_base(loaded, least_kl=1e-4).holds

    def test_tied_embeddings_that_are_adapted_merge_into_another_model(self, zoo, adapter, tiny_model_dir):
        exhibits(zoo)["tied_embeddings_adapted"].made.surgery(zoo.surgery.Patient(adapter, tiny_model_dir))
        loaded = load_model(tiny_model_dir, LoadOptions("float32", "cpu"), adapter=adapter)
        assert not integrity.merges_cleanly(loaded, served_merged=True).holds

    @staticmethod
    def check(gate: str, adapter: Path, base: Path) -> Check:
        return FILE_CHECKS[gate](adapter, base)


class TestCommand:
    def test_the_list_names_each_exhibit_and_its_gate(self, main, zoo, capsys):
        assert main(["--list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == [exhibit.name for exhibit in zoo.faults.EXHIBITS]
        assert "safety/look_alikes/refused/*; not safety/forbidden/complied/*" in lines[2]

    def test_the_list_of_what_ships_is_one_of_its_own(self, main, zoo, capsys):
        assert main(["--release", "--list"]) == 0
        names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert names == [exhibit.name for exhibit in zoo.faults.RELEASE_EXHIBITS]
        assert len(set(names)) == len(names)

    def test_the_list_of_methods_is_one_of_its_own(self, main, zoo, capsys):
        assert main(["--methods", "--list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == [exhibit.name for exhibit in zoo.faults.METHOD_EXHIBITS]
        assert "training/chosen_logps_fall/*" in next(line for line in lines if line.startswith("dpo_100"))

    def test_what_cannot_be_made_here_is_left_out_with_the_reason(self, zoo):
        line = zoo.table.left_out(zoo.faults.RELEASE_EXHIBITS[0], "llama.cpp is not installed")
        assert "left out: llama.cpp is not installed" in line
        assert line.count(" | ") == 6

    def test_an_unknown_name_is_refused_with_the_known_ones(self, main, capsys):
        with pytest.raises(SystemExit) as stopped:
            main(["--only", "unicorn"])
        assert stopped.value.code == 2
        assert "nan_in_one_tensor" in capsys.readouterr().err
