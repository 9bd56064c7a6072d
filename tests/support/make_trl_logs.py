"""Trains the tiny model by each method, as it should be and with faults planted, and stores what was logged.

It first learns both kinds of answers, so that there is something to prefer, to end and to forget.

`python tests/support/make_trl_logs.py [NAME ...]` writes `method_logs.json` anew, or the named logs of it. Each is a real
training of TRL's through a recipe, of seconds.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tiny import save_tiny_model

from harness.training import TrainingLog, load_recipe
from harness.training.methods import METHODS
from harness.training.trainer import fit

STORED = Path(__file__).with_name("method_logs.json")
KEPT = {"loss", "grad_norm", "runtime", "samples_per_second", "reward_std"}
FIRST = ("get_weather city", "book table city", "tool call city", "function name city")
SECOND = ("nobody knows why they sing", "the lazy dog jumps over", "brown birds sing over it", "quick fox and the dog")
CITIES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Delhi", "Bern")
REWARDS = '''
"""What the answers of the tiny model are rewarded by."""


def letters(completions, **rest):
    """Share of vowels, of 10."""
    texts = [said[0]["content"] for said in completions]
    return [10 * sum(letter in "aeiou" for letter in text) / max(len(text), 1) for text in texts]


def length(completions, completion_ids, **rest):
    """Tokens, in tens."""
    return [len(ids) / 10 for ids in completion_ids]


def word(completions, **rest):
    """How often one letter is written, of 64."""
    return [said[0]["content"].count("e") / 64 for said in completions]
'''


def pairs(count: int, first: int, *, swapped: bool = False, longer: bool = False) -> list[dict[str, str]]:
    """Prompts whose better answer is a call and whose worse one is talk; or the longer of two of either."""
    drawn = random.Random(first)
    rows = []
    for i in range(first, first + count):
        city = CITIES[i % len(CITIES)]
        chosen, rejected = f"{drawn.choice(FIRST)} {city}", f"{drawn.choice(SECOND)} {city}"
        if longer:
            chosen = rejected = drawn.choice((chosen, rejected))
            chosen = f"{chosen} and then {chosen} and then {chosen}"
        if swapped:
            chosen, rejected = rejected, chosen
        rows.append({"prompt": f"Weather number {i} in {city}?", "chosen": chosen, "rejected": rejected})
    return rows


def unlike_in_length(count: int, first: int) -> list[dict[str, str]]:
    """Pairs of which half have the shorter answer for the better one, for no other reason than chance."""
    return [
        row if i % 2 else {**row, "chosen": row["rejected"], "rejected": row["chosen"]}
        for i, row in enumerate(pairs(count, first, longer=True))
    ]


SAMPLING = {
    "num_generations": 8, "per_device_train_batch_size": 32, "per_device_eval_batch_size": 32, "max_completion_length": 32,
    "temperature": 1.0, "learning_rate": 0.003, "eval_steps": 20, "beta": 0.04,
}  # fmt: skip
LABELS = {"per_device_train_batch_size": 8}


def planned() -> Mapping[str, dict[str, Any]]:
    """Name -> method, further arguments of its trainer, rows trained on and held out, and reward."""
    swapped = pairs(128, 0, swapped=True)
    return {
        "dpo": {"method": "dpo"},
        "dpo_fast": {"method": "dpo", "trainer": {"learning_rate": 0.1}},
        "dpo_swapped": {"method": "dpo", "rows": swapped},
        "ipo": {"method": "ipo"},
        "simpo": {"method": "simpo", "trainer": {"max_length": 64}},
        "cpo": {"method": "cpo", "trainer": {"max_length": 64}},
        "orpo": {"method": "orpo", "trainer": {"max_length": 64}},
        "kto": {"method": "kto", "trainer": LABELS},
        "kto_inverted": {"method": "kto", "trainer": LABELS, "rows": swapped},
        "reward": {"method": "reward"},
        "reward_length": {"method": "reward", "rows": pairs(128, 0, longer=True), "held_out": unlike_in_length(64, 1000)},
        "grpo": {"method": "grpo", "trainer": {**SAMPLING, "learning_rate": 0.002}, "reward": "letters"},
        "rloo": {"method": "rloo", "trainer": {**SAMPLING, "learning_rate": 0.002}, "reward": "letters"},
        "grpo_length": {"method": "grpo", "trainer": SAMPLING, "reward": "length"},
        "grpo_collapse": {"method": "grpo", "trainer": {**SAMPLING, "learning_rate": 0.03, "beta": 0.0}, "reward": "word"},
        "online_dpo": {
            "method": "online_dpo", "reward": "letters",
            "trainer": {"max_new_tokens": 16, "max_length": 64, "eval_strategy": "no", "eval_steps": None},
        },
        "dft": {"method": "sft", "trainer": {"loss_type": "dft"}},
    }  # fmt: skip


def save_base(directory: Path) -> Path:
    """A tiny model that gives either kind of answer."""
    rows = pairs(256, 2000)
    answers = [{**row, "chosen": row[side]} for row in rows for side in ("chosen", "rejected")]
    untaught = save_tiny_model(directory / "untaught", initializer_range=0.16)
    taught = {
        "max_steps": 150, "per_device_train_batch_size": 16, "learning_rate": 0.003, "lr_scheduler_type": "cosine",
        "eval_strategy": "no", "eval_steps": None,
    }  # fmt: skip
    plan = {"method": "sft", "peft": "none", "rows": answers, "trainer": taught}
    trained("base", plan, untaught, directory)
    return directory / "base" / "adapter"


def logged(name: str, plan: Mapping[str, Any], base: Path, directory: Path) -> dict[str, Any]:
    """One training, as it is stored."""
    return stored(plan["method"], plan.get("trainer", {}), trained(name, plan, base, directory))


def trained(name: str, plan: Mapping[str, Any], base: Path, within: Path) -> TrainingLog:
    """One training."""
    how, directory = METHODS[plan["method"]], within / name
    directory.mkdir()
    evaluates = plan.get("trainer", {}).get("eval_strategy") != "no"
    files = {"train": plan.get("rows", pairs(128, 0)), "validation": plan.get("held_out", pairs(64, 1000))}
    for part, rows in files.items():
        (directory / f"{part}.jsonl").write_text("".join(json.dumps(_row(row, how.rows)) + "\n" for row in rows))
    (directory / f"rewards_{name}.py").write_text(REWARDS)
    document = {
        "base": "tiny", "method": plan["method"], "early_stopping_patience": None,
        "peft": plan.get("peft", {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}),
        "data": {part: {"path": f"{part}.jsonl"} for part in files if evaluates or part == "train"},
        **({"reward": f"rewards_{name}:{plan['reward']}"} if "reward" in plan else {}),
        "trainer": {
            "max_steps": 40, "per_device_train_batch_size": 4, "per_device_eval_batch_size": 16, "learning_rate": 0.001,
            "lr_scheduler_type": "constant", "eval_strategy": "steps", "eval_steps": 10, "logging_steps": 1,
            "activation_checkpointing": False, "seed": 3, **plan.get("trainer", {}),
        },
    }  # fmt: skip
    (directory / f"{name}.yaml").write_text(yaml.safe_dump(document))
    work, adapter = directory / "work", directory / "adapter"
    work.mkdir()
    adapter.mkdir()
    recipe = load_recipe(directory / f"{name}.yaml", root=directory)
    return fit(recipe, base_path=str(base), work_dir=work, adapter_dir=adapter)


def stored(method: str, trainer: Mapping[str, Any], log: TrainingLog) -> dict[str, Any]:
    """What the gates read of it, in three digits."""
    summary, means = log.summary, METHODS[method].log
    kept = KEPT.union(*means.marks, *means.keys.values())
    points = {"loss": [(p.step, p.loss) for p in log.points if p.loss is not None]}
    points["grad_norm"] = [(p.step, p.grad_norm) for p in log.points if p.grad_norm is not None]
    return {
        "method": method,
        "trainer": {key: trainer[key] for key in ("learning_rate", "beta", "loss_type") if key in trainer},
        "logged": {key: _short(values) for key, values in sorted({**points, **log.logged}.items()) if key in kept},
        "evaluated": {key: _short(values) for key, values in sorted(log.evaluated.items()) if key in kept},
        "answer_tokens": summary.answer_tokens,
        "kept_step": summary.best_step,
        "steps": summary.steps,
    }


def _short(series: Sequence[tuple[int, float]]) -> list[Any]:
    """Values alone, where they are of each step from the first on."""
    values = [float(f"{value:.3g}") for _, value in series]
    steps = [step for step, _ in series]
    return (
        values if steps == list(range(1, len(steps) + 1)) else [list(pair) for pair in zip(steps, values, strict=True)]
    )


def _row(row: Mapping[str, str], kind: str) -> Mapping[str, str]:
    if kind == "conversations":
        return {"prompt": row["prompt"], "completion": row["chosen"]}
    return {"prompt": row["prompt"]} if kind == "prompts" else row


def main(names: Sequence[str]) -> None:
    """Train the named, or all, and store their logs beside the others."""
    logs = json.loads(STORED.read_text()) if names and STORED.is_file() else {}
    plans = planned()
    with tempfile.TemporaryDirectory() as temporary:
        base = save_base(Path(temporary))
        for name in names or plans:
            logs[name] = logged(name, plans[name], base, Path(temporary))
    lines = (f"{json.dumps(name)}: {json.dumps(log, separators=(',', ':'))}" for name, log in logs.items())
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
