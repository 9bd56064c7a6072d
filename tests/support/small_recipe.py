"""A recipe small enough to train in a second on the tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.training import Recipe, load_recipe

MakeRecipe = Callable[..., Recipe]


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    """Prompt/completion rows the tiny model can learn something from."""
    cities = ["Paris", "Rome", "Oslo", "Lima", "Cairo"]
    return [
        {"prompt": f"Weather number {i} in {cities[i % 5]}?", "completion": f"get_weather {cities[i % 5]}"}
        for i in range(first, first + count)
    ]


def write_jsonl(path: Path, data: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")


@pytest.fixture
def make_recipe(tmp_path: Path) -> MakeRecipe:
    """Write data and a recipe; keyword arguments replace top-level keys, `trainer` and the arguments of LoRA under `peft` are
    merged in."""

    def make(
        *, peft: dict[str, Any] | str | None = None, trainer: dict[str, Any] | None = None, **changes: Any
    ) -> Recipe:
        lora = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]}
        if peft is None or (isinstance(peft, dict) and "peft_type" not in peft):
            peft = {**lora, **(peft or {})}
        write_jsonl(tmp_path / "train.jsonl", rows(16))
        write_jsonl(tmp_path / "validation.jsonl", rows(4, first=100))
        document = {
            "base": "tiny",
            "quantization": "none",
            "early_stopping_patience": None,
            "peft": peft,
            "data": {"train": {"path": "train.jsonl"}, "validation": {"path": "validation.jsonl"}},
            "trainer": {
                "max_steps": 4,
                "per_device_train_batch_size": 4,
                "learning_rate": 0.01,
                "lr_scheduler_type": "constant",
                "eval_strategy": "steps",
                "eval_steps": 2,
                "logging_steps": 1,
                "activation_checkpointing": False,
                "seed": 3,
                **(trainer or {}),
            },
            **changes,
        }
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        return load_recipe(tmp_path / "tiny.yaml", root=tmp_path)

    return make
