"""Overhead of `harness.training.train` over a bare TRL script of the same recipe.

    python benchmarks/training.py --base PATH [--recipe FILE] [--steps 6] [--rounds 2]

Both train the same rows for the same steps in one process, turn and turn about, so that a busy machine
slows both. Each prints `name=value` lines; `overhead_ratio` is the ratio of the medians less one, below 0.10
wanted. It can be negative: the harness projects labelled tokens alone onto the vocabulary, bare TRL off CUDA does not.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import SFTTrainer

from harness.models.device import choose_device, choose_dtype
from harness.models.quantization import bitsandbytes_config, disable_cpu_inference_repack
from harness.tasks.formats import Example
from harness.training import Recipe, load_recipe, train
from harness.training.configs import max_length_tokens, peft_config, trainer_config
from harness.training.drawing import load_examples

ROOT = Path(__file__).parents[1]


def main() -> None:
    arguments = _parse_arguments()
    recipe = load_recipe(arguments.recipe, root=ROOT)
    short = {"max_steps": arguments.steps, "eval_steps": arguments.steps, "warmup_steps": 0}
    # the peer has no rehearsal; it would only be more rows of the same work
    data = recipe.data.model_copy(update={"rehearsal": None})
    recipe = recipe.model_copy(update={"data": data, "trainer": {**recipe.trainer, **short}})
    seconds: dict[str, list[float]] = {"bare": [], "harness": []}
    for _ in range(arguments.rounds):
        for name, run in (("bare", bare_trl), ("harness", through_harness)):
            with tempfile.TemporaryDirectory() as directory:
                started_s = time.perf_counter()
                run(recipe, arguments.base, Path(directory))
                seconds[name].append(time.perf_counter() - started_s)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"steps={arguments.steps}")
    print(f"rounds={arguments.rounds}")
    for name, value in medians.items():
        print(f"{name}_s={value:.2f}")
    print(f"overhead_ratio={medians['harness'] / medians['bare'] - 1:.4f}")


def through_harness(recipe: Recipe, base: str, directory: Path) -> None:
    """Everything `train` does: digests, lock, checks, log, publishing."""
    train(recipe, base_path=base, base_digest="benchmark", cache_dir=directory)


def bare_trl(recipe: Recipe, base: str, directory: Path) -> None:
    """What a person would write with TRL's documentation open."""
    device = choose_device()
    dtype = choose_dtype(device)
    tokenizer = AutoTokenizer.from_pretrained(base)
    options = {"quantization_config": bitsandbytes_config("nf4", dtype)} if recipe.quantization == "nf4" else {}
    set_seed(recipe.trainer.get("seed", 42))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, **options)
    disable_cpu_inference_repack(model)
    config = trainer_config(recipe, directory / "checkpoints", device, dtype)
    config.max_length = max_length_tokens(recipe)
    examples, held_out = load_examples(recipe)
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=_conversations(examples),
        eval_dataset=_conversations(held_out) if held_out else None,
        processing_class=tokenizer,
        peft_config=peft_config(recipe, base),
    )
    trainer.train()
    trainer.save_model(str(directory / "adapter"))
    shutil.rmtree(directory / "checkpoints")


def _conversations(examples: list[Example]) -> Dataset:
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": m.role, "content": m.content} for m in example.prompt],
                "completion": [{"role": "assistant", "content": example.completion}],
            }
            for example in examples
        ]
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", required=True, help="directory or hub id of the base model")
    parser.add_argument(
        "--recipe", type=Path, default=ROOT / "fixtures" / "recipes" / "tool-calls-qlora.yaml", help="recipe to train"
    )
    parser.add_argument("--steps", type=int, default=6, help="optimizer steps of each training")
    parser.add_argument("--rounds", type=int, default=2, help="trainings of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
