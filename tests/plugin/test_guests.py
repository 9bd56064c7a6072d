"""In other people's projects: their options, fixtures, plugins and filters, and sessions that gate nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project import FAILS, PASSES, UNDECIDED, UNMEASURABLE, Project, counts, gate_test

from harness.plugin.options import OPTIONS, read_settings

PLAIN = "def test_it():\n    pass\n"
OWN_OPTION = """
def pytest_addoption(parser):
    parser.{group}addoption("--{name}", default="mine", help="the project's own")
"""
MOODY = "RUNS = []\n\ndef test_it(compare, gate):\n    RUNS.append(1)\n" + FAILS.replace("(3)", "(2 + len(RUNS))")
ALLOWED = ("harness.config.options", "harness.errors", "harness.json_files", "harness.moved", "harness.paths")
LIGHT = ("harness.config", "harness.runs", "harness.runs.ids", "harness.plugin", *ALLOWED)


def installed(plugin: str) -> str:
    """Skips where a plugin of others is not there."""
    pytest.importorskip(plugin, reason=f"{plugin} is not installed: pip install adapter-assay[dev]")
    return plugin


@pytest.mark.parametrize("name", ["model", "device", "profile", "adapter", "baseline"])
@pytest.mark.parametrize("group", ["", "getgroup('own')."])
def test_an_option_of_a_project_is_its_own(pytester: pytest.Pytester, name: str, group: str) -> None:
    pytester.makeconftest(OWN_OPTION.format(name=name, group=group))
    pytester.makepyfile(f"def test_it(pytestconfig):\n    assert pytestconfig.getoption('--{name}') == 'theirs'\n")
    assert counts(pytester.runpytest_inprocess(f"--{name}=theirs")) == {"passed": 1}


def test_the_alias_reaches_the_gates_where_a_project_has_taken_the_short_name(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(OWN_OPTION.format(name="model", group=""))
    found = read_settings(pytester.parseconfig("--model=theirs", "--assay-model=ours", "--adapter=also-ours"))
    assert (found.model, found.adapter) == ("ours", "also-ours")


def test_the_value_of_a_short_name_is_no_place_to_look_for_conftests(pytester: pytest.Pytester) -> None:
    (pytester.mkdir("weights") / "conftest.py").write_text("raise RuntimeError('this is a model')")
    pytester.makepyfile(PLAIN)
    assert read_settings(pytester.parseconfig("--model", "weights", "test_it.py")).model == "weights"


def test_gates_say_that_an_option_given_is_not_theirs(project: Project) -> None:
    (project.root / "conftest.py").write_text(OWN_OPTION.format(name="model", group=""))
    project.write_tests(gate_test("it", PASSES))
    result = project.run("--model=theirs")
    assert counts(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["--model is an option of this project here: *; say --assay-model to them"])
    assert "--model is an option" not in project.run().stdout.str()


def test_every_option_has_its_short_name_where_nobody_wants_it(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()
    assert {config.getoption(option.short, "unknown") for option in OPTIONS if option.short} == {None}


@pytest.mark.parametrize("place", ["conftest.py", "test_pets.py", "theirs.py"])
def test_a_fixture_of_a_project_wins_and_the_clash_is_told(project: Project, place: str) -> None:
    own = "import pytest\n\n@pytest.fixture\ndef base():\n    return 'mine'\n"
    uses = "def test_base(base, gate, compare):\n    assert base == 'mine'\n" + PASSES
    if place == "test_pets.py":
        project.write_tests(own, uses)
    else:
        (project.root / place).write_text(own)
        project.write_tests(uses)
    if place == "theirs.py":
        (project.root / "conftest.py").write_text("pytest_plugins = ['theirs']\n")
        project.pytester.syspathinsert()
    result = project.run()
    assert counts(result) == {"passed": 1}
    result.stdout.fnmatch_lines([f"*the fixture 'base' of {place}:* stands in for the one of adapter-assay*"])


def test_nothing_is_told_of_fixtures_where_nothing_gates(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.fixture\ndef gate():\n    return 1\n\ndef test_it(gate):\n    assert gate\n"
    )
    result = pytester.runpytest_inprocess()
    assert counts(result) == {"passed": 1}
    assert "stands in for" not in result.stdout.str()


def test_a_session_that_gates_nothing_imports_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PLAIN)
    script = (
        "import sys, pytest\n"
        "code = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:hypothesispytest', 'test_it.py'])\n"
        "print('CODE', int(code))\n"
        "print('MODULES', *sorted(sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "CODE 0" in ran.stdout
    modules = ran.stdout.partition("MODULES ")[2].split()
    ours = [name for name in modules if name.startswith("harness.") and not name.startswith("harness.plugin.")]
    assert set(ours) <= set(LIGHT)
    assert not {"pydantic", "numpy", "pyarrow", "torch", "yaml", "openai"} & set(modules)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["test_it.py"]


@pytest.mark.parametrize("filters", [["-W", "error"], ["-o", "filterwarnings=error"]])
def test_an_undecided_gate_stays_undecided_where_warnings_are_errors(project: Project, filters: list[str]) -> None:
    project.write_tests(gate_test("it", UNDECIDED))
    result = project.run("--inconclusive=warn", *filters)
    assert (result.ret, project.outcomes) == (0, {"test_it": "inconclusive"})
    assert counts(result) == {"inconclusive": 1}


def test_a_failed_gate_stands_however_often_its_test_is_run_again(project: Project) -> None:
    installed("pytest_rerunfailures")
    project.write_tests(MOODY)
    result = project.run("--reruns=2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [verdict["outcome"] for verdict in project.document["verdicts"]] == ["fail"]


def test_a_failed_assertion_beside_gates_stands_too(project: Project) -> None:
    installed("pytest_rerunfailures")
    project.write_tests(
        "RUNS = []\n\ndef test_it(compare, gate):\n    RUNS.append(1)\n    assert len(RUNS) > 1\n" + PASSES
    )
    assert project.run("--reruns=1").ret == pytest.ExitCode.TESTS_FAILED
    assert {verdict["outcome"] for verdict in project.document["verdicts"]} == {"fail", "pass"}


def test_what_could_not_be_measured_may_be_measured_on_a_rerun(project: Project) -> None:
    installed("pytest_rerunfailures")
    project.write_tests(
        "RUNS = []\n\ndef test_it(compare, gate):\n    RUNS.append(1)\n"
        "    if len(RUNS) == 1:\n        raise OSError('the server is away')\n" + PASSES
    )
    assert project.run("--reruns=1").ret == 0
    assert [verdict["outcome"] for verdict in project.document["verdicts"]] == ["pass"]


def test_a_failed_gate_stands_under_pytest_retry(project: Project) -> None:
    installed("pytest_retry")
    project.write_tests(MOODY)
    assert project.run("--retries=2").ret == pytest.ExitCode.TESTS_FAILED
    assert [verdict["outcome"] for verdict in project.document["verdicts"]] == ["fail"]


def test_a_test_that_ran_out_of_time_is_not_a_failed_gate(project: Project) -> None:
    installed("pytest_timeout")
    slow = "import time\n\ndef test_it(compare, gate):\n    time.sleep(60)\n" + PASSES
    project.write_tests(slow)
    assert project.run("--timeout=1", "--timeout-method=signal").ret != 0
    assert project.outcomes == {"test_it": "error"}


@pytest.mark.parametrize(("plugin", "option"), [("pytest_forked", "--forked")])
def test_plugins_under_which_nothing_can_be_measured_are_refused(project: Project, plugin: str, option: str) -> None:
    installed(plugin)
    project.write_tests(gate_test("it", PASSES))
    result = project.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{option} of {plugin.replace('_', '-')} does not go with gates" in "\n".join(
        result.errlines + result.outlines
    )


@pytest.mark.parametrize("gates", [True, False])
def test_a_worker_that_dies_is_an_error_of_its_test_where_anything_gates(project: Project, gates: bool) -> None:
    dies = "import os\n\ndef test_dies({}):\n    os._exit(1)\n"
    project.write_tests(dies.format("compare, gate" if gates else ""))
    assert project.run("-n1", "--max-worker-restart=0").ret != 0
    told = {verdict["outcome"] for verdict in project.document["verdicts"]} if project.runs else set()
    assert told == ({"error"} if gates else set())


def test_setting_up_alone_makes_no_run(project: Project) -> None:
    project.write_tests(gate_test("it", PASSES))
    project.run("--setup-only")
    assert project.runs == []


def test_an_error_of_a_broken_metric_is_still_one(project: Project) -> None:
    project.write_tests(gate_test("it", UNMEASURABLE))
    assert project.run().ret != 0
