from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from transformers.models.llama.modeling_llama import LlamaMLP

from harness.errors import AdapterError, ModelError, RecipeError
from harness.models.adapters.files import check_adapter_files
from harness.training import TrainingLog
from harness.training.cache import _provenance
from harness.training.trainer import fit


def run(recipe: Any, base: Path, tmp_path: Path, *callbacks: TrainerCallback) -> TrainingLog:
    (tmp_path / "work").mkdir(exist_ok=True)
    return fit(
        recipe,
        base_path=str(base),
        work_dir=tmp_path / "work",
        adapter_dir=tmp_path / "adapter",
        callbacks=callbacks,
    )


class _Batches(TrainerCallback):
    """Keeps the first batch the trainer would really be fed."""

    def __init__(self) -> None:
        self.first: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.first = next(iter(kwargs["train_dataloader"]))


def test_real_batches_label_the_completion_and_one_eos_though_padding_is_the_same_token(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    batches = _Batches()
    run(make_recipe(trainer={"max_steps": 1, "eval_steps": 1}), tiny_model_dir, tmp_path, batches)
    padded = 0
    for ids, labels, mask in zip(*(batches.first[k] for k in ("input_ids", "labels", "attention_mask")), strict=True):
        labelled = labels[labels != -100]
        text = tokenizer.decode(labelled)
        assert text.startswith("get_weather ")
        assert text.endswith(tokenizer.eos_token)
        assert int((labelled == tokenizer.eos_token_id).sum()) == 1
        assert ids[mask == 1][-1] == tokenizer.eos_token_id
        assert (labels[mask == 0] == -100).all()
        padded += int((mask == 0).sum())
    assert padded > 0


def test_an_adapter_on_a_layer_that_cannot_have_one_is_named_before_the_first_step(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the router of Llama 4, which hands on more than a tensor."""
    monkeypatch.setattr(LlamaMLP, "forward", lambda mlp, x: mlp.up_proj((x, x)))
    recipe = make_recipe(peft={"target_modules": "all-linear"})
    with pytest.raises(AdapterError, match=r"adapter on model\.layers\.0\.mlp\.up_proj") as told:
        run(recipe, tiny_model_dir, tmp_path)
    assert told.value.remedy == "train without it: exclude_modules: [up_proj]"
    assert not list(tmp_path.rglob("checkpoint-*"))


def test_rehearsal_is_trained_on_and_training_rows_are_judged_apart_from_it(
    make_recipe: Any, learner_dir: Path, tmp_path: Path
) -> None:
    files = {role: {"path": f"{role}.jsonl"} for role in ("train", "rehearsal", "validation")}
    rehearsed = [{"prompt": f"Say {word}.", "completion": f"{word} it is"} for word in ("yes", "no", "so", "ah")]
    (tmp_path / "rehearsal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rehearsed))
    batches = _Batches()
    trainer = {"per_device_train_batch_size": 20, "max_steps": 8}
    recipe = make_recipe(data=files, trainer=trainer, early_stopping_patience=9)
    log = run(recipe, learner_dir, tmp_path, batches)

    tokenizer = AutoTokenizer.from_pretrained(learner_dir)
    texts = [tokenizer.decode(labels[labels != -100]) for labels in batches.first["labels"]]
    assert sorted(text.endswith("it is" + tokenizer.eos_token) for text in texts) == [False] * 16 + [True] * 4
    assert (log.summary.rows, log.summary.rehearsal_rows) == (16, 4)
    evaluated = [p for p in log.points if p.eval_loss is not None]
    assert [p.step for p in evaluated] == [2, 4, 6, 8]
    assert evaluated[-1].train_eval_loss < evaluated[0].train_eval_loss
    assert log.summary.best_eval_loss == min(p.eval_loss for p in evaluated)


def test_the_adapter_lowers_the_loss_it_was_trained_on_and_holds_no_pickle(
    make_recipe: Any, learner_dir: Path, tmp_path: Path
) -> None:
    log = run(make_recipe(trainer={"max_steps": 8}), learner_dir, tmp_path)
    points = {point.step: point for point in log.points}
    assert points[8].eval_loss < points[2].eval_loss
    assert all(p.loss and p.grad_norm and p.learning_rate == 0.01 and p.tokens for p in log.points)
    assert log.summary.steps == 8
    assert log.summary.best_eval_loss == min(p.eval_loss for p in log.points if p.eval_loss is not None)
    assert (log.summary.rows, log.summary.validation_rows, log.summary.truncated_rows) == (16, 4, 0)
    assert 0 < log.summary.trainable_share < 0.5

    adapter = tmp_path / "adapter"
    assert {p.name for p in adapter.iterdir()} == {"adapter_model.safetensors", "adapter_config.json"}
    check_adapter_files(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert config["target_modules"] == ["down_proj", "q_proj"]
    base = AutoModelForCausalLM.from_pretrained(learner_dir)
    ids = torch.arange(3, 19).reshape(1, 16)
    with torch.no_grad():
        before = base(ids).logits
        assert not torch.equal(before, PeftModel.from_pretrained(base, adapter)(ids).logits)


def test_the_kept_adapter_is_the_best_checkpoint_not_the_last(
    make_recipe: Any, learner_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(trainer={"max_steps": 20, "learning_rate": 0.05}, early_stopping_patience=2)
    # What training teaches is wrong here, so the validation loss soon rises.
    row = json.dumps({"prompt": "Weather number 1 in Rome?", "completion": "zzz 98765 QQQ ^^^ {}[]"}) + "\n"
    (tmp_path / "validation.jsonl").write_text(row * 4, encoding="utf-8")
    log = run(recipe, learner_dir, tmp_path)
    assert log.summary.stop_reason == "early_stopping"
    assert log.summary.best_step < log.summary.steps < 20
    best = tmp_path / "work" / "checkpoints" / f"checkpoint-{log.summary.best_step}"
    saved = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()
    assert saved == (best / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "packed"])
def test_nf4_training_goes_on_learning_after_an_evaluation(
    make_recipe: Any, learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dense: bool
) -> None:
    monkeypatch.setattr("harness.training.trainer.trains_dense", lambda recipe, device: dense)
    recipe = make_recipe(quantization="nf4", peft={"target_modules": "all-linear"}, trainer={"max_steps": 6})
    log = run(recipe, learner_dir, tmp_path)
    grad_norms = {p.step: p.grad_norm for p in log.points}
    assert grad_norms[6] > 0
    points = {point.step: point for point in log.points}
    assert points[6].eval_loss < points[2].eval_loss


@pytest.mark.skipif(torch.cuda.is_available(), reason="packed weights are trained on as they are on GPUs")
def test_nf4_weights_are_computed_with_dense_off_gpus_and_the_log_and_the_identity_say_so(
    make_recipe: Any, learner_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run(make_recipe(quantization="nf4", trainer={"max_steps": 2}), learner_dir, tmp_path)
    assert "nf4 weights are computed with dense on cpu" in caplog.text
    packed, plain = (_provenance(make_recipe(quantization=one), "base") for one in ("nf4", "none"))
    assert packed["computed"] == "dense"
    assert "computed" not in plain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft": {"target_modules": ["q_proj", "nonesuch"]}}, "'nonesuch' matches no module"),
        ({"peft": {"target_modules": ["lm_head"]}}, "lm_head"),
        ({"trainer": {"optim": "nonesuch"}}, "nonesuch"),
        ({"trainer": {"learning_rate": 1e-60}}, "start at zero are all zero"),
        ({"trainer": {"max_length": 4}}, "16 of 16 training rows are longer than max_length 4"),
    ],
)
def test_a_recipe_that_cannot_be_trained_says_why(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        run(make_recipe(**changes), tiny_model_dir, tmp_path)


def test_a_base_that_is_not_there_is_a_model_error(make_recipe: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        run(make_recipe(), tmp_path / "nowhere", tmp_path)


def test_training_without_validation_keeps_the_last_step(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(
        data={"train": {"path": "train.jsonl"}},
        trainer={"eval_strategy": "no", "eval_steps": None, "max_steps": 3},
    )
    summary = run(recipe, tiny_model_dir, tmp_path).summary
    assert (summary.best_step, summary.steps, summary.best_eval_loss) == (3, 3, None)
