"""QLoRA on a CPU: bitsandbytes' packed NF4 weights against the same weights computed with dense.

    python benchmarks/training_packed.py --base PATH [--recipe FILE] [--steps 4] [--rounds 2]

Both compute one function, so that their gradients agree but for rounding. Each is a process of its own, turn and turn about; a
step is a forward and a backward of one batch of the recipe's rows, with an adapter whose B is drawn, not zero. Prints
`name=value` lines: seconds a step, peak memory, and of the adapters' gradients the cosine and the relative difference.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WAYS = ("packed", "dense")


@dataclass(frozen=True)
class Measured:
    """Steps of one way.

    Attributes:
        step_s: median wall time of a step.
        peak_bytes: largest resident size of the process.
        gradients: file of the adapter's gradients of the first step.
    """

    step_s: float
    peak_bytes: int
    gradients: Path


def main() -> None:
    arguments = _parse_arguments()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    last: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(arguments.rounds):
            for way in WAYS:
                file = Path(directory) / f"{way}-{number}.safetensors"
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                    last[way] = alone.submit(
                        steps, way, arguments.base, arguments.recipe, arguments.steps, file
                    ).result()
                seconds[way].append(last[way].step_s)
        cosine, difference = agreement(*(last[way].gradients for way in WAYS))
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    for way in WAYS:
        print(f"{way}_s_a_step={medians[way]:.2f}")
        print(f"{way}_peak_mib={last[way].peak_bytes / 2**20:.0f}")
    print(f"dense_over_packed={medians['dense'] / medians['packed']:.3f}")
    print(f"gradient_cosine={cosine:.4f}")
    print(f"gradient_difference={difference:.4f}")


def steps(way: str, base: str, recipe_file: Path, count: int, gradients: Path) -> Measured:
    """Compute so many steps in this process."""
    import torch
    from peft import get_peft_model
    from safetensors.torch import save_file

    from harness.models.device import choose_dtype, dtype_name
    from harness.models.loading import LoadOptions, load_base, load_tokenizer
    from harness.training import load_recipe
    from harness.training.configs import peft_config
    from harness.training.prepared import prepare_rows
    from harness.training.trainer import peak_memory_bytes

    recipe = load_recipe(recipe_file, root=ROOT).parts[0]
    options = LoadOptions(dtype_name(choose_dtype(torch.device("cpu"))), "cpu", "nf4")
    model = get_peft_model(load_base(Path(base), options, trainable=way == "packed"), peft_config(recipe, base))
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, one in trained.items():
            one.copy_(torch.randn(one.shape, generator=drawn) * (0.02 if "lora_B" in name else 0.05))
    rows = prepare_rows(recipe, load_tokenizer(Path(base))).train.rows[: recipe.trainer["per_device_train_batch_size"]]
    batch = _batch(rows)
    model.train()
    taken = []
    for number in range(count):
        started_s = time.perf_counter()
        model(**batch).loss.backward()
        taken.append(time.perf_counter() - started_s)
        if number == 0:
            save_file({name: one.grad.float().contiguous() for name, one in trained.items()}, gradients)
        model.zero_grad()
    return Measured(statistics.median(taken[1:] or taken), peak_memory_bytes() or 0, gradients)


def agreement(one: Path, other: Path) -> tuple[float, float]:
    """Cosine of two sets of gradients, and the length of their difference over that of the first."""
    from safetensors.torch import load_file

    left, right = load_file(one), load_file(other)
    dot = sum(float((left[name] * right[name]).sum()) for name in left)
    lengths = [math.sqrt(sum(float((side[name] ** 2).sum()) for name in left)) for side in (left, right)]
    apart = math.sqrt(sum(float(((left[name] - right[name]) ** 2).sum()) for name in left))
    return dot / math.prod(lengths), apart / lengths[0]


def _batch(rows: Any) -> dict[str, Any]:
    import torch

    longest = max(row.tokens for row in rows)
    ids = [[*row.input_ids, *[0] * (longest - row.tokens)] for row in rows]
    labels = [[*row.labels, *[-100] * (longest - row.tokens)] for row in rows]
    mask = [[1] * row.tokens + [0] * (longest - row.tokens) for row in rows]
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), "attention_mask": torch.tensor(mask)}


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", required=True, help="directory of the base model")
    parser.add_argument(
        "--recipe",
        type=Path,
        default=ROOT / "fixtures" / "recipes" / "tool-calls-qlora.yaml",
        help="whose rows and adapter",
    )
    parser.add_argument("--steps", type=int, default=4, help="steps of each process, of which the first does not count")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each way")
    return parser.parse_args()


if __name__ == "__main__":
    main()
