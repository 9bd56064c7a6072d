"""Options: names, aliases, ini twins, assay.yaml, defaults, and which of them wins."""

from __future__ import annotations

import re

import pytest
from project import PASSES, Project, gate_test

from harness.config.settings import Settings
from harness.errors import ConfigError
from harness.plugin.options import OPTIONS, read_settings

OTHER_VALUES = {
    "model": ("a", "b", "c"),
    "adapter": ("a", "b", "c"),
    "dtype": ("float32", "bfloat16", "float16"),
    "quantization": ("nf4", "int8", "none"),
    "device": ("cpu", "cuda", "mps"),
    "inconclusive": ("fail", "warn", "fail"),
}
FLAGS = ("trust_remote_code", "chat_template")


def settings(pytester: pytest.Pytester, *arguments: str) -> Settings:
    return read_settings(pytester.parseconfig("-p", "no:hypothesispytest", *arguments))


@pytest.mark.parametrize("option", OTHER_VALUES)
def test_the_command_line_wins_over_the_ini_file_by_either_name(pytester: pytest.Pytester, option: str) -> None:
    first, second, third = OTHER_VALUES[option]
    ini = f"assay_{option}={third}"
    assert getattr(settings(pytester, f"--{option}={first}", "-o", ini), option) == first
    assert getattr(settings(pytester, f"--assay-{option}={second}", "-o", ini), option) == second
    assert getattr(settings(pytester, "-o", ini), option) == third


def test_the_ini_file_wins_over_assay_yaml_and_assay_yaml_over_the_default(pytester: pytest.Pytester) -> None:
    assert settings(pytester).model is None
    assert settings(pytester).profile.name == "smoke"
    (pytester.path / "assay.yaml").write_text("{model: from-yaml, profile: release, recipe: mine}")
    assert settings(pytester).model == "from-yaml"
    assert settings(pytester).profile.name == "release"
    assert settings(pytester).inconclusive == "fail"
    assert settings(pytester).adapter == "recipe:mine"
    pytester.makeini("[pytest]\nassay_model = from-ini\nassay_profile = smoke\n")
    assert settings(pytester).model == "from-ini"
    assert settings(pytester).inconclusive == "warn"


def test_every_option_has_alias_ini_twin_and_help(pytester: pytest.Pytester) -> None:
    shown_help = pytester.runpytest_inprocess("--help").stdout.str()
    for option in OPTIONS:
        assert f"--assay-{option.name}" in shown_help
        assert f"{option.dest} ({'bool' if option.flag else 'string'})" in shown_help
        if option.name != "config":
            assert f"--{option.name}" in shown_help


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_can_be_set_in_the_ini_file(pytester: pytest.Pytester, flag: str) -> None:
    assert getattr(settings(pytester), flag) is False
    assert getattr(settings(pytester, f"--{flag.replace('_', '-')}"), flag) is True
    assert getattr(settings(pytester, "-o", f"assay_{flag}=true"), flag) is True
    assert getattr(settings(pytester, "-o", f"assay_{flag}=false"), flag) is False


def test_tasks_are_named_by_commas(pytester: pytest.Pytester) -> None:
    assert settings(pytester).tasks == ()
    assert settings(pytester, "--tasks=mmlu, hellaswag,,mmlu").tasks == ("mmlu", "hellaswag")
    assert settings(pytester, "-o", "assay_tasks=arc_easy").tasks == ("arc_easy",)


def test_the_data_directory_is_of_option_ini_file_assay_yaml_or_environment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("option", "ini", "mine/yaml", "environment"):
        (pytester.path / name).mkdir(parents=True)
    assert settings(pytester).data_dir is None
    monkeypatch.setenv("ASSAY_DATA_DIR", "environment")
    assert settings(pytester).data_dir == pytester.path / "environment"
    (pytester.path / "mine/assay.yaml").write_text("data_dir: yaml")
    named = "--assay-config=mine/assay.yaml"
    assert settings(pytester, named).data_dir == pytester.path / "mine/yaml"
    ini = ("-o", "assay_data_dir=ini")
    assert settings(pytester, named, *ini).data_dir == pytester.path / "ini"
    assert settings(pytester, named, *ini, "--data-dir=option").data_dir == pytester.path / "option"


def test_a_data_directory_that_does_not_exist_is_named_with_where_it_was_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="--data-dir=nowhere: no such directory"):
        settings(pytester, "--data-dir=nowhere")
    monkeypatch.setenv("ASSAY_DATA_DIR", "gone")
    with pytest.raises(ConfigError, match="ASSAY_DATA_DIR=gone: no such directory"):
        settings(pytester)


def test_the_configuration_nearest_the_named_tests_is_taken(pytester: pytest.Pytester) -> None:
    for directory in (pytester.path, pytester.mkdir("mine")):
        (directory / "assay.yaml").write_text(f"model: {directory.name}")
    suite = pytester.mkdir("mine/suites") / "test_mine.py"
    suite.touch()
    assert settings(pytester, f"{suite}::test_it").model == "mine"
    assert settings(pytester, "mine/suites").model == "mine"
    assert settings(pytester).model == pytester.path.name


def test_a_named_configuration_is_taken_and_reports_go_beside_it(pytester: pytest.Pytester) -> None:
    pytester.mkdir("mine").joinpath("other.yaml").write_text("model: named")
    assert settings(pytester, "--assay-config=mine/other.yaml").model == "named"
    reports = settings(pytester, "--assay-config=mine/other.yaml").reports_dir
    assert reports == pytester.path / "mine" / "reports"
    assert settings(pytester, "--reports-dir=out").reports_dir == pytester.path / "out"


def test_a_model_named_in_assay_yaml_starts_at_that_file(pytester: pytest.Pytester) -> None:
    (pytester.mkdir("mine") / "base").mkdir()
    (pytester.path / "mine" / "assay.yaml").write_text("model: base")
    assert settings(pytester, "--assay-config=mine/assay.yaml").model == str(pytester.path / "mine" / "base")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile=nightly", "-n2"], "--profile=nightly is unknown*remedy: choose one of: demo, release, smoke"),
        (["--profile=nightly"], "--profile=nightly is unknown*remedy: choose one of: demo, release, smoke"),
        (["--dtype=float8"], "*argument --dtype: invalid choice: 'float8'*bfloat16*"),
        (
            ["-o", "assay_dtype=float8"],
            "--dtype is 'float8'*remedy: did you mean 'float32'? choose one of: auto, float32*",
        ),
        (
            ["-o", "assay_quantization=nf3"],
            "--quantization is 'nf3'*remedy: did you mean 'nf4'? choose one of: none, nf4, int8*",
        ),
        (["-o", "assay_inconclusive=shrug"], "--inconclusive is 'shrug'*remedy: choose one of: fail, warn*"),
        (["-o", "assay_sequential=maybe"], "assay_sequential: *'maybe'*remedy: choose true or false*"),
        (["--data-dir=nowhere"], "--data-dir=nowhere: no such directory*remedy: give the directory that holds mmlu/*"),
        (["--assay-config=nowhere.yaml"], "--assay-config=nowhere.yaml: no such file*remedy: give the path*"),
    ],
)
def test_a_wrong_option_is_one_usage_error_not_one_a_test(project: Project, arguments: list[str], told: str) -> None:
    project.write_tests(gate_test("one", PASSES), gate_test("two", PASSES))
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = " ".join(result.errlines + result.outlines)
    assert not re.search(r"\d (passed|failed|error)", output)
    assert all(part.strip("*") in output for part in told.split("*")), output
    assert output.count("remedy") <= 1
    assert "Traceback" not in output
    assert project.runs == []
