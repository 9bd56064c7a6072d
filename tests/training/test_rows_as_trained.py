"""What the trainer is really fed: packed rows that see nothing of each other, plain text, prompts that are learnt too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import MakeRecipe
from transformers import AutoTokenizer, TrainerCallback

from harness.training import Recipe
from harness.training.showing import GENERATED, shown_rows
from harness.training.trainer import fit

STEPS = {"max_steps": 1, "eval_strategy": "no", "eval_steps": None}
IGNORED = -100


class _First(TrainerCallback):
    """Keeps the first batch, and what the model computes of it."""

    def __init__(self) -> None:
        self.batch: dict[str, torch.Tensor] = {}
        self.logits: list[torch.Tensor] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.batch = dict(next(iter(kwargs["train_dataloader"])))
        given = {key: value for key, value in self.batch.items() if key != "labels"}
        with torch.no_grad():
            self.logits.append(kwargs["model"](**given, use_cache=False).logits[0])
            for document in self.documents():
                self.logits.append(kwargs["model"](document[None], use_cache=False).logits[0])

    def documents(self) -> list[torch.Tensor]:
        """Of a packed sequence: it is parted where positions begin again."""
        positions = self.batch.get("position_ids")
        if positions is None:
            return []
        starts = (positions[0] == 0).nonzero().flatten().tolist()
        ids = self.batch["input_ids"][0]
        return [ids[start:end] for start, end in zip(starts, [*starts[1:], len(ids)], strict=True)]


def first_batch(recipe: Recipe, base: Path, tmp_path: Path) -> _First:
    first = _First()
    fit(
        recipe, base_path=str(base), work_dir=tmp_path / "work", adapter_dir=tmp_path / "adapter", callbacks=[first]
    )  # fmt: skip
    return first


@pytest.fixture(autouse=True)
def _work(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()


@pytest.mark.parametrize("train", [{"path": "train.jsonl"}, {"path": "text.jsonl"}], ids=["answers", "text"])
def test_packed_rows_see_nothing_of_each_other(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path, train: dict[str, str]
) -> None:
    texts = [{"text": f"It rains in {city} today."} for city in ("Rome", "Oslo", "Lima", "Cairo", "Quito", "Porto")]
    (tmp_path / "text.jsonl").write_text("\n".join(map(json.dumps, texts)))
    packing = {"packing": True, "max_length": 90, "per_device_train_batch_size": 1}
    recipe = make_recipe(data={"train": train}, trainer={**STEPS, **packing})
    first = first_batch(recipe, learner_dir, tmp_path)
    packed, *alone = first.logits
    assert len(alone) > 1
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(learner_dir)
    assert all(document[-1] == tokenizer.eos_token_id for document in first.documents())


def test_plain_text_is_learnt_whole_and_divided_where_it_is_long(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path
) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 6
    (tmp_path / "text.jsonl").write_text(json.dumps({"text": text.strip(), "source": "a book"}))
    tokenizer = AutoTokenizer.from_pretrained(learner_dir)
    ids = [*tokenizer(text.strip())["input_ids"], tokenizer.eos_token_id]
    limit = len(ids) // 2 + 1
    trainer = {**STEPS, "max_length": limit, "per_device_train_batch_size": 2}
    data = {"train": {"path": "text.jsonl", "format": "text"}}
    batch = first_batch(make_recipe(data=data, trainer=trainer), learner_dir, tmp_path).batch
    rows = [row[mask == 1].tolist() for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
    assert sorted(rows, key=len, reverse=True) == [ids[:limit], ids[limit:]]
    assert bool((batch["labels"] == batch["input_ids"])[batch["attention_mask"] == 1].all())


def test_the_loss_is_on_prompts_too_where_the_recipe_says_so(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(trainer={"max_steps": 1, "eval_steps": 1, "completion_only_loss": False})
    batch = first_batch(recipe, learner_dir, tmp_path).batch
    assert bool((batch["labels"] != IGNORED)[batch["attention_mask"] == 1].all())


def test_noise_and_other_losses_pass_through(make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path) -> None:
    trainer = {"neftune_noise_alpha": 5, "loss_type": "dft", "lr_scheduler_type": "linear", "optim": "adamw_torch"}
    log = fit(
        make_recipe(trainer={**trainer, "max_steps": 2}),
        base_path=str(learner_dir), work_dir=tmp_path / "work", adapter_dir=tmp_path / "adapter",
    )  # fmt: skip
    assert 0 < log.points[0].loss < 0.1  # DFT weighs each token's loss by its probability


@pytest.mark.parametrize(
    ("method", "row", "shown"),
    [
        ("sft", {"prompt": "2+2?", "completion": "4"}, ["row 1 of 1, ", "2+2?", "[[4<|im_end|>]]"]),
        (
            "dpo",
            {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
            ["better: [[4<|im_end|>]]", "worse: [[5<|im_end|>]]"],
        ),
        ("kto", {"prompt": "2+2?", "completion": "5", "label": False}, ["not wanted: [[5<|im_end|>]]"]),
        ("grpo", {"prompt": "2+2?"}, ["2+2?<|im_end|>\n<|im_start|>assistant"]),
    ],
)
def test_rows_are_shown_as_the_model_reads_them(
    make_recipe: MakeRecipe, tiny_model_dir: Path, tmp_path: Path, method: str, row: dict[str, Any], shown: list[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    more = {"reward": "a:b"} if method == "grpo" else {}
    recipe = make_recipe(method=method, data={"train": {"path": "rows.jsonl"}}, trainer=STEPS, **more)
    text = "\n".join(shown_rows(recipe, AutoTokenizer.from_pretrained(tiny_model_dir), 3))
    assert [part for part in shown if part not in text] == []


def test_of_self_play_it_is_shown_that_the_worse_answer_is_yet_to_come(
    make_recipe: MakeRecipe, tiny_model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "2+2?", "completion": "4"}))
    recipe = make_recipe(method="dpo", data={"train": {"path": "rows.jsonl", "rejected": "generated"}}, trainer=STEPS)
    shown = list(shown_rows(recipe, AutoTokenizer.from_pretrained(tiny_model_dir), 1))
    assert "[[4<|im_end|>]]" in shown[-2]
    assert shown[-1] == f"worse: {GENERATED}"
