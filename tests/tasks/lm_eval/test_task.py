from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError, DataError, TaskError
from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask


def options(yaml_dir, **settings):
    return LmEvalOptions(include_path=yaml_dir, **settings)


def by_length(request):
    return -float(len(request.continuation))


def test_importing_the_package_loads_neither_torch_nor_lm_eval():
    code = "import sys, harness.tasks.lm_eval; sys.exit(bool({'torch', 'lm_eval', 'datasets'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_choices_become_samples_with_subject_choice_and_probabilities(scripted, yaml_dir):
    samples = LmEvalTask("tiny_group", options(yaml_dir)).evaluate(scripted(score=by_length), "candidate")
    assert len(samples) == 8
    first = samples[0]
    assert first.prompt == "Question: The quick brown fox jumps over the lazy\nAnswer:"
    assert (first.task, first.role, first.cluster) == ("tiny_group", "candidate", "tiny_group_animals")
    assert first.tags == {"subject": "animals"}
    assert (first.target, first.answer) == ("dog", "dog")
    assert first.parsed == {"choice_logprobs": [-4.0, -5.0, -23.0, -4.0], "gold": 0, "choice": 0}
    assert first.scores["acc"] == 1.0
    assert first.scores["gold_logprob"] == -4.0
    assert first.scores["gold_prob"] == pytest.approx(1 / (2 + np.exp(-1) + np.exp(-19)))
    assert (first.stop_reason, first.prompt_tokens, first.completion_tokens) == (None, 7, 4 + 5 + 23 + 4)
    assert len({sample.item_id for sample in samples}) == 8


def test_a_task_asked_alone_has_no_subject(scripted, yaml_dir):
    samples = LmEvalTask("tiny_group_animals", options(yaml_dir)).evaluate(scripted(), "base")
    assert (samples[0].cluster, samples[0].tags) == (None, {})


def test_each_filter_has_its_own_score_and_the_first_filter_the_plain_name(scripted, yaml_dir):
    engine = scripted(text=lambda request: "Dog, of course")
    first = LmEvalTask("tiny_words", options(yaml_dir)).evaluate(engine, "base")[0]
    assert first.target == "dog"
    assert first.scores["exact_match"] == first.scores["exact_match_strict"] == 0.0
    assert first.scores["exact_match_flexible"] == 1.0
    assert first.parsed["filtered"] == {"strict-match": "Dog, of course", "flexible-extract": "Dog"}
    assert (first.stop_reason, first.scores["stops_with_eos"], first.scores["answer_tokens"]) == ("stop", 1.0, 3.0)


def test_unlike_tasks_of_a_group_are_told_apart_by_none(scripted, yaml_dir, tmp_path):
    for file in yaml_dir.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "mixed.yaml").write_text("group: mixed\ntask: [tiny_group_animals, tiny_words, tiny_text]\n")
    task = LmEvalTask("mixed", options(tmp_path))
    samples = task.evaluate(scripted(), "base")
    scores = {sample.tags["subject"]: sample.scores for sample in samples}
    assert scores["tiny_group_animals"]["exact_match"] is None
    assert scores["tiny_words"]["acc"] is None
    assert scores["tiny_words"]["ece"] is None
    assert "ece" not in scores["tiny_group_animals"]
    assert scores["tiny_words"]["bits_per_byte"] is None
    assert task.metric("bits_per_byte").corpus is not None


def test_metrics_know_their_floor_direction_and_kind(scripted, yaml_dir):
    task = LmEvalTask("tiny_group", options(yaml_dir))
    assert task.metric("acc").kind == "continuous"
    task.evaluate(scripted(score=by_length), "base")
    assert (task.metric("acc").floor, task.metric("acc").kind) == (0.25, "binary")
    assert task.metric("gold_prob").kind == "continuous"
    assert task.metric("ece").corpus is not None
    assert not task.metric("brier_score").higher_is_better
    assert LmEvalTask("tiny_words", options(yaml_dir)).metric("exact_match_flexible").floor == 0.0


def test_an_unknown_metric_names_those_there_are(yaml_dir):
    with pytest.raises(TaskError, match="acc, acc_norm, brier_score, ece, gold_logprob, gold_prob, overconfidence"):
        LmEvalTask("tiny_group", options(yaml_dir)).metric("f1")


def test_the_measurements_of_the_gates_can_be_taken(scripted, yaml_dir):
    from harness.gates import Comparison

    task = LmEvalTask("tiny_group", options(yaml_dir))
    base = task.evaluate(scripted(score=by_length), "base")
    candidate = task.evaluate(scripted(score=lambda request: -1 / len(request.continuation)), "candidate")
    comparison = Comparison(task, base, candidate)
    assert comparison.metric("acc").base_interval(0.95).value == sum(s.scores["acc"] for s in base) / 8
    assert 0 <= comparison.metric("ece").candidate_interval(0.95).value <= 1
    with pytest.raises(ConfigError, match="gate overconfidence"):
        comparison.metric("ece").non_inferior(0.05)
    assert comparison.where(subject="places").metric("acc").n == 4


def test_a_limit_draws_the_same_documents_for_base_and_candidate(scripted, yaml_dir):
    task = LmEvalTask("tiny_group", options(yaml_dir, limit=2))
    base, candidate = task.evaluate(scripted(), "base"), task.evaluate(scripted(), "candidate")
    assert [s.item_id for s in base] == [s.item_id for s in candidate]
    assert [s.tags["subject"] for s in base] == ["animals", "animals", "places", "places"]
    everything = {s.item_id: s for s in LmEvalTask("tiny_group", options(yaml_dir)).evaluate(scripted(), "base")}
    assert all(sample.prompt == everything[sample.item_id].prompt for sample in base)
    assert all(sample.prompt_digest == everything[sample.item_id].prompt_digest for sample in base)


def test_subtasks_without_a_drawn_document_are_not_asked_in_full(scripted, yaml_dir):
    assert len(LmEvalTask("tiny_group", options(yaml_dir, max_items=1)).evaluate(scripted(), "base")) == 1


def test_drawn_few_shot_examples_are_the_same_for_base_and_candidate(scripted, yaml_dir, tmp_path):
    text = (yaml_dir / "animals.yaml").read_text().replace("fewshot_config: {sampler: first_n}\n", "")
    (tmp_path / "drawn.yaml").write_text(text)
    task = LmEvalTask(str(tmp_path / "drawn.yaml"), LmEvalOptions(fewshot=2))
    base, candidate = (task.evaluate(scripted(), role) for role in ("base", "candidate"))
    assert [s.prompt for s in base] == [s.prompt for s in candidate]
    assert base[0].prompt.count("Question:") == 3


def test_changed_documents_and_targets_do_not_pair(scripted, yaml_dir, tmp_path):
    def digests(answer):
        data = tmp_path / f"{answer}.jsonl"
        data.write_text(json.dumps({"question": "q", "choices": ["a", "b"], "answer": answer}) + "\n")
        text = (yaml_dir / "animals.yaml").read_text().replace(str(yaml_dir / "animals.jsonl"), str(data))
        (tmp_path / "one.yaml").write_text(text)
        task = LmEvalTask(str(tmp_path / "one.yaml"))
        return task.evaluate(scripted(), "base")[0].prompt_digest, task.data_digest

    (prompt, data), (other_prompt, other_data) = digests(0), digests(1)
    assert prompt != other_prompt
    assert data != other_data


@pytest.mark.parametrize(
    "change",
    [{"fewshot": 1}, {"limit": 2}, {"chat_template": True}, {"seed": 1}, {"max_items": 3}, {"max_subtasks": 1}],
    ids=str,
)
def test_every_setting_is_part_of_the_digest(yaml_dir, change):
    plain, changed = (LmEvalTask("tiny_group", options(yaml_dir, **c)) for c in ({}, change))
    assert plain.digest != changed.digest
    assert plain.digest == LmEvalTask("tiny_group", options(yaml_dir)).digest


def test_few_shot_examples_as_one_turn_are_another_identity(yaml_dir):
    one = options(yaml_dir, chat_template=True, fewshot_as_multiturn=False)
    assert (
        LmEvalTask("tiny_group", one).digest != LmEvalTask("tiny_group", options(yaml_dir, chat_template=True)).digest
    )


def test_few_shot_conversations_take_turns_only_when_asked_to(scripted, yaml_dir):
    roles = []
    for multiturn in (True, False):
        engine = scripted()
        settings = options(yaml_dir, chat_template=True, fewshot_as_multiturn=multiturn, fewshot=1)
        LmEvalTask("tiny_group_animals", settings).evaluate(engine, "base")
        roles.append([message.role for message in engine.requests[0].prompt.messages])
    assert roles == [["user", "assistant", "user"], ["user"]]


def test_global_random_generators_and_the_librarys_log_level_are_left_alone(scripted, yaml_dir):
    import logging

    random.seed(7)
    np.random.seed(7)
    expected = random.Random(7).random(), np.random.RandomState(7).random_sample()
    level = logging.getLogger("lm_eval").level
    LmEvalTask("tiny_group", options(yaml_dir)).evaluate(scripted(), "base")
    assert (random.random(), np.random.random_sample()) == expected
    assert logging.getLogger("lm_eval").level == level


def test_nothing_is_printed_where_there_is_no_terminal(scripted, yaml_dir, capsys):
    LmEvalTask("tiny_group", options(yaml_dir)).evaluate(scripted(), "base")
    assert "it/s" not in capsys.readouterr().err


def test_a_missing_data_file_is_named(yaml_dir, tmp_path):
    text = (yaml_dir / "animals.yaml").read_text().replace(str(yaml_dir), str(tmp_path))
    (tmp_path / "lost.yaml").write_text(text)
    with pytest.raises(DataError, match=r"animals\.jsonl"):
        _ = LmEvalTask(str(tmp_path / "lost.yaml")).subtasks


def test_a_task_that_runs_generated_code_is_refused(yaml_dir, tmp_path):
    (tmp_path / "code.yaml").write_text((yaml_dir / "words.yaml").read_text() + "unsafe_code: true\n")
    with pytest.raises(TaskError, match="runs code that the model wrote"):
        _ = LmEvalTask(str(tmp_path / "code.yaml")).subtasks


@pytest.mark.parametrize("text", ["- a list\n", "group: [unclosed\n", "no_task: 1\n"])
def test_a_yaml_that_defines_no_task_is_an_error_with_its_path(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(TaskError, match=r"broken\.yaml"):
        _ = LmEvalTask(str(path)).subtasks


@pytest.mark.parametrize("settings", [{"fewshot": -1}, {"limit": 0}, {"max_items": 0}])
def test_counts_out_of_range_are_refused(settings):
    with pytest.raises(TaskError, match=next(iter(settings))):
        LmEvalOptions(**settings)


@pytest.mark.usefixtures("small_stock_index")
class TestStockTasks:
    def test_an_unknown_name_suggests_similar_ones(self):
        with pytest.raises(TaskError, match="similar names: hellaswag"):
            _ = LmEvalTask("helaswag").subtasks

    def test_local_rows_take_the_place_of_the_hubs(self, scripted, tmp_path):
        write_mmlu(tmp_path)
        task = LmEvalTask("mmlu_astronomy", LmEvalOptions(fewshot=2, data_dir=tmp_path))
        first = task.evaluate(scripted(), "base")[0]
        assert first.prompt == (
            "The following are multiple choice questions (with answers) about astronomy.\n\n"
            "dev 0?\nA. a\nB. b\nC. c, d\nD. e\nAnswer: A\n\n"
            "dev 1?\nA. a\nB. b\nC. c, d\nD. e\nAnswer: B\n\n"
            "test 0?\nA. a\nB. b\nC. c, d\nD. e\nAnswer:"
        )
        assert first.target == "A"

    def test_the_data_digest_covers_every_file_used_and_not_where_it_is(self, tmp_path):
        for place in ("here", "there", "changed"):
            write_mmlu(tmp_path / place)
        with (tmp_path / "changed/mmlu/dev/astronomy_dev.csv").open("a") as stream:
            stream.write("more?,a,b,c,d,1\n")
        here, there, changed = (
            LmEvalTask("mmlu_astronomy", LmEvalOptions(data_dir=tmp_path / place)).data_digest
            for place in ("here", "there", "changed")
        )
        assert here == there != changed

    def test_a_missing_local_file_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"astronomy_dev\.csv|astronomy_test\.csv"):
            _ = LmEvalTask("mmlu_astronomy", LmEvalOptions(data_dir=tmp_path)).subtasks

    def test_an_answer_that_is_no_index_names_its_row(self, tmp_path):
        write_mmlu(tmp_path, answer="B")
        with pytest.raises(DataError, match="row 2 has answer 'B'"):
            _ = LmEvalTask("mmlu_astronomy", LmEvalOptions(data_dir=tmp_path)).subtasks

    def test_few_shot_examples_are_not_taken_from_another_split(self, tmp_path):
        (tmp_path / "hellaswag").mkdir()
        row = {"activity_label": "x", "ctx_a": "a", "ctx_b": "b", "label": 1, "endings": ["c", "d"]}
        (tmp_path / "hellaswag/hellaswag_val_1000.jsonl").write_text(json.dumps(row) + "\n")
        assert len(LmEvalTask("hellaswag", LmEvalOptions(data_dir=tmp_path)).subtasks) == 1
        with pytest.raises(TaskError, match="split 'train', which the data directory lacks"):
            _ = LmEvalTask("hellaswag", LmEvalOptions(fewshot=5, data_dir=tmp_path)).subtasks

    def test_a_few_shot_count_that_lm_eval_would_ignore_is_refused(self, tmp_path):
        (tmp_path / "truthfulqa").mkdir()
        targets = {"yes": 1, "no": 0}
        row = {"question": "q", "mc1_targets": targets, "mc2_targets": targets}
        (tmp_path / "truthfulqa/mc_task.json").write_text(json.dumps([row]))
        with pytest.raises(TaskError, match="without few-shot examples"):
            _ = LmEvalTask("truthfulqa_mc1", LmEvalOptions(fewshot=5, data_dir=tmp_path)).subtasks


def write_mmlu(data_dir: Path, answer: str | None = None) -> None:
    for split in ("test", "dev"):
        path = data_dir / f"mmlu/{split}/astronomy_{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f'{split} {i}?,a,b,"c, d",e,{answer or i}' for i in range(3)]
        path.write_text("\n".join(["question,choice0,choice1,choice2,choice3,answer", *rows]) + "\n")


def test_a_task_asked_in_parts_gives_the_samples_of_the_whole(scripted, yaml_dir):
    whole = LmEvalTask("tiny_group", options(yaml_dir))
    expected = {sample.item_id: sample.scores for sample in whole.evaluate(scripted(score=by_length), "base")}
    task = LmEvalTask("tiny_group", options(yaml_dir))
    order = task.random_order()
    assert sorted(order) == sorted({item_id.rsplit("/", 1)[0] for item_id in expected})
    found = {}
    for part in (order[:3], order[3:]):
        samples = task.only(set(part)).evaluate(scripted(score=by_length), "base")
        assert {task.name_of(sample) for sample in samples} == set(part)
        found |= {sample.item_id: sample.scores for sample in samples}
    assert found == expected
    assert task.metric("acc") == whole.metric("acc")
    assert task.metric("acc").kind == "binary"


def test_every_beginning_of_the_order_holds_each_subject_s_share(yaml_dir):
    order = LmEvalTask("tiny_group", options(yaml_dir)).random_order()
    subtasks = [item.rsplit("/", 1)[0] for item in order]
    shares = {subtask: subtasks.count(subtask) / len(subtasks) for subtask in set(subtasks)}
    for end in range(1, len(subtasks) + 1):
        assert all(abs(subtasks[:end].count(subtask) - share * end) <= 1 for subtask, share in shares.items())
