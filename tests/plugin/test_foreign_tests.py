"""What the installed plugin must not do to tests that have nothing to do with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PLAIN = ("-p", "no:hypothesispytest")
BROKEN_YAML = "modell: [x\n"
HEAVY = (
    "[name for name in ('torch', 'transformers', 'peft', 'pandas', 'numpy', 'scipy', 'pyarrow') if name in sys.modules]"
)


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = f"import sys, harness.plugin; print({HEAVY})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_collecting_gates_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"import sys\ndef pytest_unconfigure(config):\n    print('heavy:', {HEAVY})\n")
    (pytester.path / "assay.yaml").write_text(
        "tasks: {pets: {kind: classification, data: pets.csv, prompt: 'A {text}?', target_field: pet, "
        "gates: [{metric: accuracy, superior: 0.1}]}}"
    )
    (pytester.path / "pets.csv").write_text("text,pet\npurrs,cat\nbarks,dog\n")
    (pytester.path / "adapter").mkdir()
    (pytester.path / "adapter" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 2}')
    pytester.makepyfile(
        "from harness.checks import integrity\nfrom harness.gates import Scalar\n"
        "from harness.checks.training.curves import loss_gap\n"
        "def test_gate(task_gate, compare, gate): pass\ndef test_task(task_name, adapter): pass\n"
    )
    result = pytester.runpytest_subprocess(*PLAIN, "--collect-only", "-q", "-s", "--adapter=adapter")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*::test_gate?pets-accuracy-superior?", "*::test_task?pets?", "heavy: []"])
    assert not (pytester.path / "reports").exists()


def test_a_broken_configuration_and_a_wrong_option_do_not_touch_them(pytester: pytest.Pytester) -> None:
    (pytester.path / "assay.yaml").write_text(BROKEN_YAML)
    pytester.makepyfile(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\n@pytest.mark.skip\ndef test_c(): pass\n"
    )
    result = pytester.runpytest_inprocess(*PLAIN, "--profile=nightly")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.no_fnmatch_line("*release gates*")
    assert not (pytester.path / "reports").exists()


def test_their_own_fixtures_by_our_names_stay_theirs(pytester: pytest.Pytester) -> None:
    (pytester.path / "assay.yaml").write_text(BROKEN_YAML)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def gate():
            return "theirs"

        @pytest.fixture
        def task_name():
            return "theirs"

        def test_fails(gate):
            assert gate != "theirs"

        def test_name(task_name):
            assert task_name == "theirs"

        @pytest.mark.parametrize(("task_gate", "gate"), [(1, 2), (3, 4)])
        def test_parametrised(task_gate, gate):
            assert gate == task_gate + 1
        """
    )
    result = pytester.runpytest_inprocess(*PLAIN)
    result.assert_outcomes(passed=3, failed=1)
    assert not (pytester.path / "reports").exists()


def test_a_short_option_taken_by_another_plugin_keeps_its_alias_only(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        early="def pytest_addoption(parser):\n    parser.addoption('--profile', action='store_true', dest='theirs')\n",
        test_both=(
            "def test_both(request):\n    assert request.config.getoption('theirs') is True\n"
            "    assert request.config.getoption('assay_profile') == 'release'\n"
        ),
    )
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess(*PLAIN, "-p", "early", "--profile", "--assay-profile=release")
    result.assert_outcomes(passed=1)
