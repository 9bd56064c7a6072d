"""The stock task definitions on the local copies of the benchmarks; no model is run."""

from __future__ import annotations

import csv
import importlib.util
import os
from pathlib import Path

import pytest

from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask

DATA_DIR = os.environ.get("ASSAY_DATA_DIR", "")
pytestmark = pytest.mark.skipif(not DATA_DIR, reason="ASSAY_DATA_DIR is not set: no local copies of the benchmarks")


def build(name: str, **settings) -> LmEvalTask:
    return LmEvalTask(name, LmEvalOptions(data_dir=Path(DATA_DIR), **settings))


@pytest.mark.parametrize(
    ("name", "subtasks", "documents", "chance"),
    [
        ("mmlu", 57, 14_042, 0.25),
        ("gsm8k", 1, 1_319, None),
        ("hellaswag", 1, 1_000, 0.25),
        ("arc_challenge", 1, 1_172, 0.2501),
        ("truthfulqa_mc1", 1, 790, None),
        ("truthfulqa_mc2", 1, 790, None),
        ("truthfulqa_gen", 1, 790, None),
        ("winogrande", 1, 1_267, 0.5),
        ("bbh", 27, 6_511, None),
        ("hendrycks_math500", 1, 500, None),
    ],
)
def test_every_document_is_there(name, subtasks, documents, chance):
    task = build(name)
    assert len(task.subtasks) == subtasks
    assert sum(len(subtask.docs) for subtask in task.subtasks) == documents
    if chance is not None:
        assert task.chance == pytest.approx(chance, abs=1e-3)
    assert len(task.data_digest) == 64


def test_five_shot_mmlu_prompts_and_targets_are_lm_evals_own(scripted, tmp_path):
    engine = scripted(score=lambda request: 0.0 if request.continuation == " C" else -9.0)
    samples = build("mmlu", fewshot=5, limit=2).evaluate(engine, "base")
    assert len(samples) == 114
    assert len(engine.requests) == 4 * 114
    assert {request.continuation for request in engine.requests} == {" A", " B", " C", " D"}
    assert all(sample.scores["acc"] == float(sample.target == "C") for sample in samples)
    for subject in ("astronomy", "high_school_world_history"):
        theirs = library_task(subject, tmp_path)
        for sample in (s for s in samples if s.tags["subject"] == subject):
            doc = theirs.eval_docs[int(sample.item_id.split("/")[1])]
            assert sample.prompt == theirs.fewshot_context(doc, 5)
            assert sample.target == "ABCD"[doc["answer"]]


def library_task(subject: str, tmp_path: Path):
    """lm-eval's own task object on the same rows, by its own way of reading files."""
    import json

    import lm_eval.tasks
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    files = {}
    for split in ("test", "dev"):
        with (Path(DATA_DIR) / f"mmlu/{split}/{subject}_{split}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        files[split] = str(tmp_path / f"{subject}_{split}.jsonl")
        Path(files[split]).write_text(
            "".join(
                json.dumps(
                    {
                        "question": row["question"],
                        "choices": [row[f"choice{i}"] for i in range(4)],
                        "answer": int(row["answer"]),
                    }
                )
                + "\n"
                for row in rows
            )
        )
    config = load_yaml(Path(lm_eval.tasks.__file__).parent / f"mmlu/default/mmlu_{subject}.yaml")
    config |= {"dataset_path": "json", "dataset_kwargs": {"data_files": files}, "num_fewshot": 5}
    del config["dataset_name"], config["tag"]
    return ConfigurableTask(config=config)


def test_gsm8k_gold_answers_are_right_and_others_wrong(scripted):
    gold = {}
    for subtask in build("gsm8k").subtasks:
        gold = {doc["question"]: doc["answer"] for doc in subtask.docs}
    right = scripted(text=lambda r: gold[r.prompt.text.rsplit("Question: ", 1)[1].removesuffix("\nAnswer:")])
    samples = build("gsm8k", limit=20).evaluate(right, "base")
    assert [sample.scores["exact_match"] for sample in samples] == [1.0] * 20
    assert all(sample.prompt.count("Question: ") == 6 for sample in samples)
    assert right.requests[0].stop == ("Question:", "</s>", "<|im_end|>")
    wrong = build("gsm8k", limit=20).evaluate(scripted(text=lambda r: "#### 123456789"), "base")
    assert [sample.scores["exact_match"] for sample in wrong] == [0.0] * 20


def test_the_smoke_profile_asks_what_two_minutes_allow(scripted, tmp_path):
    from harness.config import BUILT_IN_PROFILES, Config
    from harness.config.settings import make_settings
    from harness.tasks.lookup import find_task

    asked = make_settings(Config(root=tmp_path, profiles=BUILT_IN_PROFILES), data_dir=DATA_DIR)
    assert (asked.forgetting.knowledge, asked.forgetting.math) == ("mmlu", "gsm8k")
    mmlu, gsm8k = find_task("mmlu", asked), find_task("gsm8k", asked)
    questions, problems = mmlu.evaluate(scripted(), "base"), gsm8k.evaluate(scripted(), "base")
    assert (len(questions), len({sample.cluster for sample in questions}), len(problems)) == (120, 10, 4)
    # about 600 tokens of examples a subject and 1,000 a problem, the latter twice; four characters a token
    examples = {sample.cluster: sample.prompt.rpartition("\n\n")[0] for sample in questions}
    characters = sum(map(len, examples.values())) + sum(len(s.prompt.rpartition("\n\n")[2]) for s in questions)
    assert (characters + 2 * sum(len(sample.prompt) for sample in problems)) / 4 < 35_000
    assert mmlu.metric("acc").floor == pytest.approx(0.25)
    assert gsm8k.metric("exact_match").floor == 0.0


def test_gsm8k_s_worked_solutions_are_scored_after_their_questions(scripted):
    engine = scripted(score=lambda request: -float(len(request.continuation)))
    task = build("gsm8k", max_items=3)
    samples = task.evaluate(engine, "base")
    scored = {r.prompt.text: r.continuation for r in engine.requests if hasattr(r, "continuation")}
    assert [scored[sample.prompt] for sample in samples] == [f" {sample.target}" for sample in samples]
    assert all("#### " in sample.target for sample in samples)
    assert [sample.scores["gold_solution_logprob"] for sample in samples] == [-1.0] * 3


@pytest.mark.parametrize("name", ["hellaswag", "arc_challenge", "truthfulqa_mc1", "winogrande"])
def test_the_gold_choice_scores_one_when_it_is_the_likeliest(scripted, name):
    task = build(name, limit=5)
    golds = {(s.prompt, s.target) for s in task.evaluate(scripted(), "base")}

    def score(request):
        if name == "winogrande":  # the choice stands in the context, the rest of the sentence is scored
            return 0.0 if any(request.prompt.text == target for _, target in golds) else -9.0
        return 0.0 if (request.prompt.text, request.continuation.removeprefix(" ")) in golds else -9.0

    samples = task.evaluate(scripted(score=score), "base")
    assert [sample.scores["acc"] for sample in samples] == [1.0] * 5
    assert all(sample.scores["brier_score"] < 0.01 for sample in samples)


def test_bbh_asks_three_worked_examples_of_each_subject(scripted):
    samples = build("bbh", limit=1).evaluate(scripted(text=lambda r: "So the answer is (A)."), "base")
    assert len({sample.tags["subject"] for sample in samples}) == 27
    assert all(sample.prompt.count("Let's think step by step.") == 4 for sample in samples)


def test_a_small_mmlu_is_spread_over_all_subjects(scripted):
    samples = build("mmlu", max_items=200).evaluate(scripted(), "base")
    assert len(samples) == 200
    assert len({sample.tags["subject"] for sample in samples}) >= 50


@pytest.mark.skipif(importlib.util.find_spec("langdetect") is None, reason="lm-eval[ifeval] is not installed")
def test_ifeval_instructions_are_graded(scripted):
    task = build("ifeval")
    assert sum(len(subtask.docs) for subtask in task.subtasks) == 541
    samples = build("ifeval", limit=3).evaluate(scripted(text=lambda r: "no commas here"), "base")
    assert set(samples[0].scores) >= {"prompt_level_strict_acc", "prompt_level_loose_acc"}
