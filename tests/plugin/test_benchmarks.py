"""lm-eval's tasks in a session: by name, by --tasks, in assay.yaml, and in the forgetting suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lm_eval_data import write_data_dir, write_index
from project import Project, counts, gate_test

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return write_data_dir(tmp_path / "data")


@pytest.fixture
def bench(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without tasks of its own, that knows a few of lm-eval's."""
    write_index(Path(os.environ["ASSAY_CACHE_DIR"]), tmp_path / "definitions")
    return project


def forgetting_suite(project: Project) -> None:
    shutil.copy(ROOT / "suites/test_forgetting.py", project.root / "test_forgetting.py")


def test_forgetting_is_measured_on_the_benchmarks_of_the_data_directory(bench: Project, data_dir: Path) -> None:
    bench.config["tasks"] = {}
    forgetting_suite(bench)
    bench.run(f"--data-dir={data_dir}", "--dtype=float32", "--tasks=hellaswag", "-k", "not text and not near")
    verdicts = bench.verdicts
    asked = {(v["task"], v["metric"]) for v in verdicts.values() if v["outcome"] != "error"}
    assert asked == {
        *(("mmlu", metric) for metric in ("acc", "gold_logprob", "overconfidence", "brier_score")),
        *(("gsm8k", metric) for metric in ("exact_match", "gold_solution_logprob")),
        ("hellaswag", "acc"),
    }
    accuracy = verdicts["forgetting/mmlu/acc/non_inferior"]
    assert accuracy["n"] == 12
    assert set(accuracy["details"]["slices"]["subject"]) == {"anatomy", "astronomy"}
    assert {"right_to_wrong", "wrong_to_right"} <= accuracy["details"].keys()
    assert verdicts["forgetting/gsm8k/exact_match/non_inferior"]["reason"].startswith("at floor")

    data = bench.manifest["data"]
    assert data["mmlu"]["fewshot"] == [5]
    assert (data["mmlu"]["items"], data["mmlu"]["leaf_tasks"], data["mmlu"]["chat_template"]) == (12, 2, False)
    assert all(len(data[name][key]) == 64 for name in data for key in ("digest", "task"))
    assert bench.manifest["options"]["tasks"] == ["hellaswag"]


def test_chat_template_is_recorded_and_asks_other_requests(bench: Project, data_dir: Path) -> None:
    bench.write_tests(gate_test("chat", '    gate(compare("gsm8k").metric("answer_tokens").non_inferior(500))\n'))
    plain = [f"--data-dir={data_dir}", "--dtype=float32", "-o", "assay_profile=smoke"]
    bench.run(*plain)
    first = bench.manifest
    bench.run(*plain, "--chat-template")
    second = bench.manifest
    assert (first["data"]["gsm8k"]["chat_template"], second["data"]["gsm8k"]["chat_template"]) == (False, True)
    assert second["data"]["gsm8k"]["fewshot_as_multiturn"] is True
    assert first["data"]["gsm8k"]["digest"] == second["data"]["gsm8k"]["digest"]
    assert first["data"]["gsm8k"]["task"] != second["data"]["gsm8k"]["task"]
    assert second["answers"]["cached"] == 0
    bench.run(*plain, "--chat-template")
    assert bench.manifest["answers"] == {"cached": second["answers"]["computed"], "computed": 0}


def test_a_task_of_the_file_is_asked_as_it_says_and_gated(bench: Project, data_dir: Path) -> None:
    bench.config["data_dir"] = str(data_dir)
    bench.config["tasks"] = {
        "stars": {
            "kind": "lm_eval",
            "task": "mmlu_astronomy",
            "fewshot": 2,
            "limit": 4,
            "gates": [{"metric": "acc", "at_least": 0.99}],
        }
    }
    bench.write_tests("def test_task(task_gate, compare, gate):\n    gate(task_gate.apply(compare(task_gate.task)))\n")
    result = bench.run("--dtype=float32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert bench.verdicts["pets/stars/acc/at_least"]["n"] == 4
    assert bench.manifest["data"]["stars"]["fewshot"] == [2]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("compare('mmlu_astronomi')", ["task 'mmlu_astronomi' is unknown", "the tasks are: pets", "mmlu_astronomy"]),
        ("compare('gsm8k')", ["no such data file", "gsm8k/train.jsonl", "--data-dir"]),
        ("compare('hellaswag', fewshot=5)", ["split 'train', which the data directory lacks"]),
        ("compare('pets', fewshot=5)", ["pets", "takes no few-shot examples; fewshot=5 has no effect"]),
        ("compare('nowhere.yaml')", ["nowhere.yaml"]),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_says_why(
    bench: Project, data_dir: Path, call: str, told: list[str]
) -> None:
    (data_dir / "gsm8k/train.jsonl").unlink()
    bench.write_tests(f"def test_it(compare, gate):\n    {call}\n")
    result = bench.run(f"--data-dir={data_dir}", "--dtype=float32")
    output = result.stdout.str() + result.stderr.str()
    assert all(part in output for part in told), output
    assert "Traceback" not in output
    assert counts(result) == {"errors": 1}
    assert bench.document["verdicts"][0]["outcome"] == "error"


def test_another_few_shot_count_is_another_task(bench: Project, data_dir: Path) -> None:
    bench.write_tests(
        "def test_counts(compare, gate):\n"
        "    five, again, none = compare('mmlu'), compare('mmlu', fewshot=5), compare('mmlu', fewshot=0)\n"
        "    assert five.task is again.task\n"
        "    assert (five.task.name, none.task.name) == ('mmlu', 'mmlu-0shot')\n"
        "    assert (five.base[0].prompt.count('Answer:'), none.base[0].prompt.count('Answer:')) == (6, 1)\n"
        "    gate(none.metric('ece').at_most(1))\n"
    )
    result = bench.run(f"--data-dir={data_dir}", "--dtype=float32")
    assert counts(result) == {"passed": 1}


def test_without_a_task_named_the_further_ones_are_skipped_and_say_so(bench: Project) -> None:
    bench.write_tests("def test_more(further_task, compare, gate):\n    raise NotImplementedError\n")
    result = bench.run("-rs")
    assert counts(result) == {"skipped": 1}
    result.stdout.fnmatch_lines(["*SKIPPED*--tasks names no further task*"])


def test_collecting_imports_nothing_heavy(data_dir: Path, tmp_path: Path) -> None:
    write_index(Path(os.environ["ASSAY_CACHE_DIR"]), tmp_path / "definitions")
    code = (
        "import sys, pytest\n"
        "status = pytest.main(sys.argv[1:])\n"
        "assert status == 0, status\n"
        "heavy = {'torch', 'transformers', 'lm_eval', 'datasets', 'pandas', 'scipy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["suites/test_forgetting.py", "--collect-only", "-q", "--tasks=hellaswag,gsm8k"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, f"--data-dir={data_dir}", "-p", "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_is_not_worse_at[gsm8k]" in done.stdout
