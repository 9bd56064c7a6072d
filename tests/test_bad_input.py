"""What a person gets who passes something wrong: exit code, the value, the remedy, no traceback, and still a run."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lm_eval_data import write_index
from project import PASSES, ROWS, TASK, Project, counts, gate_test
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter, save_tiny_model

from harness.paths import cache_dir
from harness.runs import location

SUITES = Path(__file__).parents[1] / "suites"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def project(heavy_libraries: None, pytester: pytest.Pytester, tiny_model_dir: Path, tiny_adapter_dir: Path) -> Project:
    project = Project(pytester, tiny_model_dir, Path(shutil.copytree(tiny_adapter_dir, pytester.path / "adapter")))
    project.write_tests(gate_test("gate", PASSES))
    return project


def check_told(project: Project, result: pytest.RunResult, *said: str, errors: int = 1) -> None:
    """One error verdict a test, written as a run, with problem and remedy on the terminal and no traceback."""
    output = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED, output
    assert counts(result) == {"errors": errors}
    for words in (*said, "remedy: "):
        assert words in output
    assert_no_noise(output)
    assert set(project.outcomes.values()) == {"error"}
    assert project.document["status"] == "complete"
    verdict = project.document["verdicts"][0]
    assert verdict["remedy"]
    assert said[0] in verdict["reason"]
    assert (project.run_directory / "report.html").is_file()


def assert_no_noise(output: str) -> None:
    """No frames of this package or its libraries among what is shown of the tests that went wrong."""
    shown = output.partition("= ERRORS =")[2].partition("= release gates =")[0].partition("= warnings summary =")[0]
    assert shown
    for noise in ("Traceback", "harness/", "site-packages"):
        assert noise not in shown


def check_refused(project: Project, result: pytest.RunResult, *said: str) -> None:
    """One usage error before any test, with problem and remedy, and no run."""
    output = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, output
    assert counts(result) == {}
    for words in (*said, "remedy: "):
        assert words in output
    assert "Traceback" not in output
    assert project.runs == []


def poison(project: Project) -> None:
    assert project.adapter is not None
    tensors = load_file(project.adapter / WEIGHTS)
    tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"][0, 0] = torch.nan
    save_file(tensors, project.adapter / WEIGHTS)


def pickle_it(project: Project) -> None:
    assert project.adapter is not None
    (project.adapter / WEIGHTS).rename(project.adapter / "adapter_model.bin")


def take_from_a_wider_base(project: Project) -> None:
    wide = save_tiny_model(project.root / "wide", hidden_size=128)
    project.adapter = save_tiny_adapter(wide, project.root / "stranger")


def truncate(project: Project) -> None:
    assert project.adapter is not None
    (project.adapter / WEIGHTS).write_bytes((project.adapter / WEIGHTS).read_bytes()[:-100])


def forget_config(project: Project) -> None:
    assert project.adapter is not None
    (project.adapter / "adapter_config.json").unlink()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (poison, ["NaN or infinities in 1 tensors", "layers.0.self_attn.q_proj.lora_B", "lower learning rate"]),
        (pickle_it, ["adapter_model.bin is a pickle", "where you trust it, convert it"]),
        (
            take_from_a_wider_base,
            ["does not fit the base", "lora_A.weight is [4, 128], the base needs [4, 64]", "--model"],
        ),
        (truncate, ["is truncated or padded", "copy the adapter again"]),
    ],
)
def test_a_broken_adapter(project: Project, fault: Callable[[Project], None], said: list[str]) -> None:
    fault(project)
    check_told(project, project.run(), *said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "holds adapter_model.safetensors and no adapter_config.json"),
        (["--adapter=./nowhere"], "--adapter=./nowhere: no such directory"),
        (["--adapter=recipe:"], "names no recipe"),
    ],
)
def test_what_is_no_adapter_is_told_once_and_before_any_test(project: Project, arguments: list[str], said: str) -> None:
    forget_config(project)
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = result.stderr.str()
    assert told.count(said) == 1
    assert "remedy: " in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model=./nowhere"], ["--model=./nowhere: no such directory", "a local directory or a hub id"]),
        (["--model=assay.yaml"], ["--model=assay.yaml is a file", "name the directory"]),
        (["--model=."], ["holds no config.json", "save_pretrained"]),
        (["--adapter=recipe:nowhere"], ["recipe 'nowhere' is unknown", "NAME.yaml"]),
    ],
)
def test_a_wrong_option_value_is_found_before_any_test(project: Project, arguments: list[str], said: list[str]) -> None:
    check_refused(project, project.run(*arguments), *said)


def test_where_no_run_can_be_written_nothing_is_measured(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "taken").write_text("a file")
    for where in ("taken", "taken/runs"):
        check_refused(project, project.run(f"--reports-dir={where}"), f"{where} cannot be the reports directory")
    (project.root / "cache" / "runs.lock").mkdir(parents=True)
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(project.root / "cache"))
    check_refused(project, project.run(), "runs.lock cannot be locked", "ASSAY_CACHE_DIR")


def test_what_ships_is_no_path(project: Project) -> None:
    (project.root / "loop").symlink_to("loop")
    project.write_tests("def test_ships(shipping, gate):\n    pass\n")
    check_refused(project, project.run("--shipped=loop"), "--shipped='loop'", "no path that can be used")


def test_a_device_that_is_not_there(project: Project) -> None:
    check_told(project, project.run("--device=abacus"), "--device=abacus cannot be used", "use auto, cpu, cuda")


def test_no_adapter_named_at_all(project: Project) -> None:
    project.adapter = None
    check_refused(project, project.run(), "there is no adapter to judge", "--adapter=DIRECTORY")


def test_a_base_with_pickled_weights(project: Project, tiny_model_dir: Path) -> None:
    base = Path(shutil.copytree(tiny_model_dir, project.root / "base"))
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    check_refused(project, project.run("--model=base"), "pickled weights found: pytorch_model.bin", "save_pretrained")


def broken_rows(line: int) -> str:
    rows = [json.dumps(row) for row in ROWS]
    rows[line - 1] = '{"text": "animal", '
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, ["no such data file", "pets.jsonl", "check the path"]),
        ("", ["pets.jsonl: the file is empty", "write at least one row"]),
        (broken_rows(7), ["pets.jsonl: not JSON at line 7", "correct that line"]),
        (
            '{"pet": "cat", "id": 1, "txt": "x"}\n{"pet": "dog", "id": 2, "text": "x"}\n',
            ["pets.jsonl: row 1 has no field 'text'", "'pet', 'id', 'txt'"],
        ),
        (
            json.dumps({f"c{i}": 1 for i in range(6000)}),
            ["prompt names the field 'text', which no row of", "'c39' and 5960 more"],
        ),
        (
            '{"text": "a", "pet": "cat", "id": 1}\n{"text": "a \\ud800", "pet": "dog", "id": 2}\n',
            ["pets.jsonl: row 2 field 'text' has half a surrogate pair", "write the whole character"],
        ),
        (
            '{"text": "a", "pet": "cat", "id": 1}\n{"text": "b", "pet": "dog", "id": "\\udfff"}\n',
            ["pets.jsonl: row 2 field 'id' has half a surrogate pair", "write the whole character"],
        ),
        ('{"text": "a", "id": "1"}\n', ["target_field names the field 'pet', which no row of", "the rows' fields are"]),
    ],
)
def test_bad_data(project: Project, data: str | None, said: list[str]) -> None:
    if data is None:
        (project.root / "pets.jsonl").unlink()
    else:
        (project.root / "pets.jsonl").write_text(data)
    check_told(project, project.run(), *said)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({**TASK, "kind": "clasification"}, ["kind is 'clasification'", "did you mean 'classification'"]),
        ({**TASK, "max_tokens": 4}, ["unknown key 'max_tokens'", "max_new_tokens"]),
        ({k: v for k, v in TASK.items() if k != "data"}, ["tasks.pets: data is missing"]),
        (None, ["task 'pets': kind is missing"]),
        ({**TASK, "max_new_tokens": 10**12}, ["max_new_tokens is 1000000000000", "of at most 1,000,000"]),
        ({**TASK, "max_new_tokens": True}, ["max_new_tokens is True"]),
    ],
)
def test_a_wrong_task(project: Project, task: object, said: list[str]) -> None:
    project.config["tasks"]["pets"] = task
    check_told(project, project.run(), *said)


def test_an_unknown_task_or_metric(project: Project, tmp_path: Path) -> None:
    write_index(cache_dir(), tmp_path / "definitions")
    project.write_tests(
        gate_test("task", PASSES.replace("pets", "pest")), gate_test("metric", PASSES.replace("answer_tokens", "f1"))
    )
    result = project.run()
    check_told(
        project, result, "task 'pest' is unknown", "the tasks are: pets", "has no metric 'f1'", "accuracy", errors=2
    )


def test_a_recipe_with_an_unknown_key(project: Project, tiny_model_dir: Path) -> None:
    recipe = "{base: %s, pefft: {r: 2}, data: {train: {path: pets.jsonl}}}" % tiny_model_dir  # noqa: UP031
    (project.root / "mine.yaml").write_text(recipe)
    result = project.run("--adapter=recipe:mine.yaml")
    check_refused(project, result, "mine.yaml", "unknown key", "did you mean 'peft'")


def test_the_shipped_integrity_suite_names_each_fault_and_goes_on(project: Project) -> None:
    shutil.copy(SUITES / "test_integrity.py", project.root)
    (project.root / "test_pets.py").unlink()
    poison(project)
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.outcomes == {
        "test_safetensors_only": "pass",
        "test_files_are_those_recorded": "pass",
        "test_tensors_map_to_modules_and_back": "pass",
        "test_config_fits_the_tensors": "pass",
        "test_strength_is_as_trained": "pass",
        "test_base_is_as_trained": "pass",
        "test_tokenizer_is_the_bases": "pass",
        "test_chat_template_is_the_bases": "pass",
        "test_special_tokens_agree": "pass",
        "test_values_are_finite": "fail",
        "test_lora_b_is_not_zero": "pass",
        "test_no_module_stands_out": "pass",
        "test_base_is_intact": "error",
        "test_changes_the_base": "error",
        "test_answers_repeat": "error",
        "test_switches_on_and_off": "error",
        "test_batched_equals_single": "error",
        "test_survives_saving": "error",
        "test_merged_equals_unmerged": "error",
        "test_decoded_as_served": "pass",
        "test_answers_end_by_themselves[pets]": "error",
    }
    pickle_it(project)
    project.run()
    assert project.outcomes["test_safetensors_only"] == "fail"
    assert project.outcomes["test_values_are_finite"] == "error"
    assert project.outcomes["test_lora_b_is_not_zero"] == "error"
    assert_no_noise(project.run().stdout.str())


@pytest.mark.parametrize(("name", "answers"), [("report.html", 20), (".parquet", 10)])
def test_a_full_disk_ends_the_session_with_an_error_and_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, answers: int
) -> None:
    write = location.write_atomic

    def full(path: Path, data: str | bytes) -> None:
        if path.name.endswith(name):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(location, "write_atomic", full)
        result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines(
        [r"the run could not be written: cannot write .*: No space left on device", ".*remedy: free at least"]
    )
    assert "Traceback" not in result.stdout.str()
    assert project.runs == []
    [partial] = (project.root / "reports").glob(".*.partial")
    assert json.loads((partial / "manifest.json").read_text())["status"] in ("running", "complete")

    again = project.run()
    assert again.ret == pytest.ExitCode.OK
    assert project.manifest["answers"] == {"cached": answers, "computed": 20 - answers}
