"""What lm-eval's definitions tell at collection, without lm-eval: metrics, examples, data files and sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lm_eval_data import write_data_dir

from harness.errors import AssayError, DataError, TaskError
from harness.tasks.kinds import TASK_KINDS, TaskContext
from harness.tasks.lm_eval.definitions import read_definitions
from harness.tasks.lm_eval.options import LmEvalOptions
from harness.tasks.lm_eval.task import LmEvalTask

STOCK = {
    "gsm8k": {"exact_match", "exact_match_strict", "exact_match_flexible", "gold_solution_logprob", "answer_tokens"},
    "hellaswag": {"acc", "acc_norm", "gold_logprob", "overconfidence"},
    "mmlu": {"acc", "gold_logprob"},
    "wikitext": {"bits_per_byte", "word_perplexity"},
}


@pytest.mark.parametrize("name", STOCK)
def test_metrics_are_known_of_tasks_and_groups_with_their_filters(name: str) -> None:
    task = LmEvalTask(name)
    for metric in STOCK[name]:
        task.check_metric(metric)
    with pytest.raises(TaskError, match=f"task '{name}' has no metric 'acuracy'"):
        task.check_metric("acuracy")
    assert len(task.definitions.members) == (57 if name == "mmlu" else 1)


@pytest.mark.parametrize("name", ["tiny_group", "tiny_group_animals", "tiny_words"])
def test_what_is_read_agrees_with_lm_eval(yaml_dir: Path, name: str) -> None:
    from harness.tasks.lm_eval.scores import metric_table

    task = LmEvalTask(name, LmEvalOptions(include_path=yaml_dir))
    assert [one.name for one in task.definitions.members] == [one.name for one in task.subtasks]
    assert set(metric_table(task.subtasks, task.chance, set())) <= task.definitions.metrics


def test_a_torn_definition_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "torn.yaml").write_text("task: [torn\n")
    with pytest.raises(TaskError, match=r"torn\.yaml, line 2"):
        read_definitions(str(tmp_path / "torn.yaml"), None)


def test_a_definition_that_only_lm_eval_understands_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("task: mine\noutput_type: generate_until\ndoc_to_text: x\n")  # its own metrics
    (tmp_path / "python.yaml").write_text("task: python\nclass: !function mine.Task\nmetric_list: [{metric: acc}]\n")
    (tmp_path / "counted.yaml").write_text("task: counted\nmetric_list: [{metric: !function utils.pass_at_k}]\n")
    for name in ("mine", "python", "counted"):
        LmEvalTask(name, LmEvalOptions(include_path=tmp_path)).check_metric("whatever")


def test_members_that_have_their_tag_of_what_they_include_are_not_half_known(tmp_path: Path) -> None:
    (tmp_path / "_shared").write_text("tag: mine_all\nmetric_list: [{metric: acc}]\noutput_type: multiple_choice\n")
    (tmp_path / "a.yaml").write_text("task: mine_a\ninclude: _shared\n")
    (tmp_path / "b.yaml").write_text("task: mine_b\ntag: mine_all\nmetric_list: [{metric: acc}]\n")
    assert read_definitions("mine_all", tmp_path) is None
    (tmp_path / "_shared").write_text("metric_list: [{metric: acc_norm}]\noutput_type: multiple_choice\n")
    known = read_definitions("mine_all", tmp_path)
    assert known is not None and [one.name for one in known.members] == ["mine_b"]
    (tmp_path / "g.yaml").write_text("group: mine\ntask: [mine_a, {task: mine_b, num_fewshot: 0}]\nnum_fewshot: 3\n")
    group = read_definitions("mine", tmp_path)
    assert group is not None and [one.config["num_fewshot"] for one in group.members] == [3, 0]
    assert {"acc", "acc_norm"} <= (group.metrics or set())


@pytest.mark.parametrize(
    ("name", "spec", "error", "told"),
    [
        ("gsm8k", {}, None, ""),
        ("mmlu_anatomy", {"fewshot": 5}, None, ""),
        ("mmlu_anatomy", {"fewshot": 6}, TaskError, "has 5 examples to show, and fewshot is 6"),
        ("mmlu_marketing", {}, DataError, "no such data file: .*marketing_dev.csv"),
        ("truthfulqa_mc1", {"fewshot": 2}, TaskError, "defined without few-shot examples; fewshot=2 has no effect"),
        ("hellaswag", {"fewshot": 2}, TaskError, "come from split 'train', which the data directory lacks"),
        ("humaneval", {}, TaskError, "runs code that the model wrote"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_read(
    tmp_path: Path, name: str, spec: dict[str, int], error: type[AssayError] | None, told: str
) -> None:
    data_dir = write_data_dir(tmp_path)
    (tmp_path / "truthfulqa").mkdir()
    (tmp_path / "truthfulqa/mc_task.json").write_text("[]")
    kind, context = TASK_KINDS.get("lm_eval"), TaskContext(tmp_path, data_dir=data_dir)
    if error is None:
        kind.make(name, {"kind": "lm_eval", **spec}, context)
        return
    with pytest.raises(error, match=told):
        kind.make(name, {"kind": "lm_eval", **spec}, context)


def test_items_are_counted_within_the_limits(tmp_path: Path) -> None:
    data_dir = write_data_dir(tmp_path, items=6)
    assert LmEvalTask("gsm8k", LmEvalOptions(data_dir=data_dir)).expected_items() == 6
    assert LmEvalTask("gsm8k", LmEvalOptions(data_dir=data_dir, max_items=4)).expected_items() == 4
    assert LmEvalTask("gsm8k", LmEvalOptions()).expected_items() is None
    assert LmEvalTask("hellaswag", LmEvalOptions(data_dir=data_dir)).expected_items() is None  # lm-eval works them over


def test_reading_definitions_imports_nothing_that_computes() -> None:
    code = (
        "import sys\nfrom harness.tasks.lm_eval.task import LmEvalTask\n"
        "assert len(LmEvalTask('mmlu').definitions.members) == 57\n"
        "print({'lm_eval', 'datasets', 'torch', 'numpy', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
