"""Every method trains through the one way there is, on the tiny model, and what it leaves loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import MakeRecipe
from transformers import AutoTokenizer

from harness.errors import AdapterError, RecipeError
from harness.models.loading import LoadOptions, load_model
from harness.training import TrainingLog
from harness.training.data import rows_of_example
from harness.training.history import TrainingHistory, read_history
from harness.training.methods import GONE, METHODS, PROVIDER, MethodName
from harness.training.recipe import RecipeFile
from harness.training.trainer import fit

OPTIONS = LoadOptions("float32", "cpu")
CITIES = ["Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito"]
PAIRS = [{"prompt": f"Weather in {c}?", "chosen": f"get_weather {c}", "rejected": "I think so"} for c in CITIES]
JUDGED = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for row in PAIRS
    for side in ("chosen", "rejected")
]
PROMPTS = [{"prompt": row["prompt"], "answer": row["chosen"]} for row in PAIRS]
ROWS = {"conversations": [{"prompt": p["prompt"], "completion": p["chosen"]} for p in PAIRS], "pairs": PAIRS,
        "judged": JUDGED, "prompts": PROMPTS}  # fmt: skip
SAMPLING = {"max_completion_length": 6, "num_generations": 2, "temperature": 1.0}
FURTHER: dict[str, dict[str, Any]] = {
    "grpo": SAMPLING, "rloo": SAMPLING, "online_dpo": {"max_new_tokens": 6, "max_length": 64},
    "orpo": {"max_length": 64}, "cpo": {"max_length": 64}, "simpo": {"max_length": 64},
}  # fmt: skip
REWARD = """
def pays_for_letters(prompts, completions, answer, **rest):
    assert prompts[0][0]["role"] == "user" and answer[0].startswith("get_weather")
    return [float(sum(letter in "aeiou" for letter in said[0]["content"])) for said in completions]
"""


@pytest.fixture
def recipe_of(make_recipe: MakeRecipe, tmp_path: Path) -> Any:
    """A recipe of a method with rows for it."""

    def make(method: str, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Any:
        how = METHODS[method]
        trainer = {
            "max_steps": 2,
            "learning_rate": 0.01,
            "per_device_train_batch_size": 2,
            "per_device_eval_batch_size": 2,
            "eval_strategy": "no" if how.best is None else "steps",
            "eval_steps": None if how.best is None else 2,
            **FURTHER.get(method, {}),
            **changes.pop("trainer", {}),
        }
        data = {"train": {"path": "rows.jsonl"}, **({} if how.best is None else {"validation": {"path": "rows.jsonl"}})}
        if how.rows == "prompts" and "grader" not in changes:
            (tmp_path / f"rewards_{tmp_path.name}.py").write_text(REWARD)
            changes.setdefault("reward", f"rewards_{tmp_path.name}:pays_for_letters")
        made = make_recipe(method=method, trainer=trainer, **{"data": data, **changes})
        lines = [json.dumps(row) for row in rows or ROWS[how.rows]]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        return made

    return make


def train(recipe: Any, base: Path, tmp_path: Path) -> TrainingLog:
    (tmp_path / "work").mkdir()
    adapter = tmp_path / "adapter"
    log = fit(recipe, base_path=str(base), work_dir=tmp_path / "work", adapter_dir=adapter)
    log.write(adapter)
    (adapter / "recipe.json").write_text(json.dumps(recipe.to_json()))
    return log


def history(tmp_path: Path) -> TrainingHistory:
    """Of the training, as suites read it."""
    found = read_history(tmp_path / "adapter", TrainingLog.read(tmp_path / "adapter"))
    assert found is not None
    return found


def shift(base: Path, adapter: Path) -> float:
    """How far a training moved the logits, and whether off is the base."""
    ids = torch.arange(40, 52).reshape(1, -1)
    loaded, plain = load_model(base, OPTIONS, adapter=adapter), load_model(base, OPTIONS)
    with torch.no_grad(), loaded.adapter(on=False) as off:
        base_logits = plain.in_memory().model(input_ids=ids).logits
        assert torch.equal(off(input_ids=ids).logits, base_logits)
    with torch.no_grad(), loaded.adapter(on=True) as on:
        return float((on(input_ids=ids).logits - base_logits).abs().max())


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("sft", "reward")])
def test_a_method_trains_and_leaves_a_candidate(
    recipe_of: Any, method: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(method)
    log = train(recipe, tiny_model_dir, tmp_path)
    assert (log.summary.steps, log.summary.best_step) == (2, 2)
    assert shift(tiny_model_dir, tmp_path / "adapter") > 1e-5
    told = history(tmp_path)
    assert told.method is METHODS[method].log
    for quantity in ("margin", "accuracy", "reward"):
        if quantity in told.method.keys and method != "kto":
            assert told.quantity(quantity), quantity  # type: ignore[arg-type]
    assert bool(told.evaluated) == (METHODS[method].best is not None)


def test_a_reward_model_is_trained_and_is_no_candidate(recipe_of: Any, tiny_model_dir: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    log = train(recipe_of("reward", trainer={"max_steps": 3}), tiny_model_dir, tmp_path)
    assert {"accuracy", "margin"} <= log.logged.keys() & log.evaluated.keys()
    base = AutoModelForSequenceClassification.from_pretrained(tiny_model_dir, num_labels=1)
    scores = PeftModel.from_pretrained(base, tmp_path / "adapter")(torch.arange(40, 52).reshape(1, -1)).logits
    assert scores.shape == (1, 1)
    with pytest.raises(AdapterError, match="trained for task_type 'SEQ_CLS', whose model writes no text"):
        load_model(tiny_model_dir, OPTIONS, adapter=tmp_path / "adapter")


def test_answers_are_rewarded_by_the_grader_of_a_task(recipe_of: Any, tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(row) for row in PROMPTS))
    task: dict[str, Any] = {
        "kind": "exact_match",
        "data": "test.jsonl",
        "prompt": "Call: {prompt}",
        "target_field": "answer",
    }
    task["metrics"] = ["sentence_chrf"]
    named = {"path": "rows.jsonl", "task": "calls"}
    data = {"train": named, "validation": named}
    recipe = recipe_of("grpo", data=data, grader=["sentence_chrf", "answer_tokens"])
    recipe = recipe.model_copy(update={"tasks": {"calls": task}})
    log = train(recipe, tiny_model_dir, tmp_path)
    assert all(value > 0 for _, value in log.logged["rewards/sentence_chrf/mean"])
    assert all(-6 <= value < 0 for _, value in log.logged["rewards/answer_tokens/mean"])
    assert log.summary.best_eval_loss is None


@pytest.mark.parametrize("losses", ["hinge", ["sigmoid", "sft"]])
def test_losses_of_dpo_pass_through(recipe_of: Any, tiny_model_dir: Path, tmp_path: Path, losses: Any) -> None:
    train(recipe_of("dpo", trainer={"loss_type": losses, "loss_weights": None}), tiny_model_dir, tmp_path)
    assert history(tmp_path).quantity("margin")


def test_weighed_answers_are_tokenised_as_those_learnt(recipe_of: Any, tiny_model_dir: Path) -> None:
    from harness.training.drawing import load_examples

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    [[pair]], [[learnt]] = (
        [rows_of_example(examples[0], tokenizer)]
        for examples, _ in (load_examples(recipe_of("dpo")), load_examples(recipe_of("sft")))
    )
    assert [*pair.input_ids, *pair.answers[0]] == list(learnt.input_ids)
    assert pair.answers[1][-1] == tokenizer.eos_token_id
    [unpaired, other] = (rows_of_example(one, tokenizer)[0] for one in load_examples(recipe_of("kto"))[0][:2])
    assert (unpaired.wanted, other.wanted) == (True, False)
    assert (unpaired.answers, other.answers) == ((pair.answers[0],), (pair.answers[1],))
    [prompt] = rows_of_example(load_examples(recipe_of("grpo"))[0][0], tokenizer)
    assert prompt.input_ids == pair.input_ids


def test_pairs_serve_where_answers_are_judged_one_by_one(recipe_of: Any, tiny_model_dir: Path, tmp_path: Path) -> None:
    log = train(recipe_of("kto", PAIRS), tiny_model_dir, tmp_path)
    assert (log.summary.rows, len(log.logged["kl"])) == (6, 2)


@pytest.mark.parametrize(
    ("method", "changes", "said"),
    [
        ("ppo", {}, "has no ppo any more: TRL 1.12 was the last that had it.*use rloo or grpo"),
        ("dpo", {"trainer": {"loss_type": "sigmoyd"}}, r"loss_type is 'sigmoyd'.*did you mean 'sigmoid'"),
        ("DPO", {}, "method is 'DPO'.*did you mean 'dpo'"),
        (["sft", "dpo"], {}, r"method is \['sft', 'dpo'\]"),
        ("dpo", {"trainer": {"loss_type": []}}, r"loss_type is \[\].*name one or several of: aot"),
        ("sft", {"trainer": {"learning_rate": -1e-4}}, "learning_rate is -0.0001.*above 0"),
        ("sft", {"trainer": {"per_device_train_batch_size": 0}}, "per_device_train_batch_size is 0"),
        ("dpo", {"trainer": {"max_length": -1}}, "max_length is -1"),
        ("dpo", {"trainer": {"betta": 0.1}}, "unknown key 'betta'.*did you mean 'beta'"),
        ("orpo", {"trainer": {"loss_type": "sigmoid"}}, "unknown key 'loss_type'"),
        ("ipo", {"trainer": {"loss_type": "hinge"}}, "method ipo is DPO with loss_type ipo"),
        ("simpo", {"trainer": {"cpo_alpha": 1.0}}, "method simpo is CPO with cpo_alpha 0.0"),
        ("dpo", {"reward": "a:b"}, "reward is of methods that reward answers, not of dpo"),
        ("grpo", {}, "method grpo rewards answers, and nothing says by what"),
        ("grpo", {"grader": "exact_match"}, "grader is exact_match, and data.train names no task"),
        ("rloo", {"reward": ["a:b", "a:c"], "trainer": {"reward_weights": [1.0]}}, r"reward_weights are \[1.0\].* 2 rewards"),
        ("dpo", {"data": {"train": {"path": "a", "task": "t"}}}, "rows of pairs bring their own prompts"),
        ("dpo", {"data": {"train": {"path": "a"}, "rehearsal": {"path": "b"}}}, "data.rehearsal is of answers to learn"),
        ("online_dpo", {"reward": "a:b", "data": {"train": {"path": "a"}, "split": 0.5}}, "does not evaluate"),
        ("dpo", {"peft": {"init_lora_weights": "pissa"}}, "holds the model against the base"),
        ("sft", {"peft": {"peft_type": "LORRA"}}, "peft.peft_type is 'LORRA'.*did you mean 'LORA'"),
        ("sft", {"peft": {"peft_type": "lora"}}, "peft.peft_type is 'lora'.*did you mean 'LORA'"),
        ("sft", {"peft": {"init_lora_weights": "eva"}}, "starts by activations of the base"),
        ("sft", {"peft": {"peft_type": "PREFIX_TUNING"}, "trainer": {"gradient_checkpointing": True}}, "does without"),
        ("sft", {"peft": {"peft_type": "XLORA"}}, "what was trained is lost"),
        ("sft", {"peft": "none", "quantization": "nf4"}, "packs the base's weights"),
        ("sft", {"trainer": {"completion_only_loss": False, "assistant_only_loss": True}}, "say otherwise"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_anything_is_loaded(
    tmp_path: Path, method: Any, changes: dict[str, Any], said: str
) -> None:
    from harness.training import load_recipe

    document = {"base": "x", "method": method, "data": {"train": {"path": "a.jsonl"}}, **changes}
    (tmp_path / "r.yaml").write_text(json.dumps(document))
    with pytest.raises(RecipeError, match=rf"(?s){said}") as told:
        load_recipe(tmp_path / "r.yaml", root=tmp_path)
    assert told.value.remedy


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "returned None .NoneType. for 2 answers"),
        ("return 0.5", "returned 0.5 .float. for 2 answers"),
        ("return [0.5]", r"returned \[0.5\] .list. for 2 answers"),
        ("return ['good', 'bad']", "returned .*for 2 answers"),
        ("return [columns['gold'] for _ in completions]", r"raised KeyError: 'gold' \(.*odd_.*.py:2\)"),
    ],
)
def test_a_reward_that_is_no_number_an_answer_is_told_by_name(
    recipe_of: Any, tmp_path: Path, body: str, said: str
) -> None:
    from harness.training.drawing import load_examples
    from harness.training.rewards import rewards_of

    (tmp_path / f"odd_{tmp_path.name}.py").write_text(f"def odd(completions, **columns):\n    {body}\n")
    recipe = recipe_of("grpo", reward=f"odd_{tmp_path.name}:odd")
    [reward] = rewards_of(recipe, load_examples(recipe)[0], 0)
    with pytest.raises(RecipeError, match=f"reward 'odd_.*:odd' {said}") as told:
        reward(completions=["a", "b"], number=[0, 1], completion_ids=[[1], [2]])
    assert told.value.remedy


def test_the_table_names_what_recipes_may_say_and_no_more() -> None:
    from typing import get_args

    assert get_args(MethodName) == (*METHODS, PROVIDER)
    assert not METHODS.keys() & GONE.keys()
    assert all(method.is_installed for method in METHODS.values())
    assert set(RecipeFile.model_fields["method"].annotation.__args__) == {*METHODS, PROVIDER}  # type: ignore[union-attr]
