"""Figures of the prefix-sharing engine against lm-eval's own Hugging Face model (`HFLM`).

    python -m benchmarks.engine --data-dir DIR [--model smollm2-135m] [--only mmlu] [--scale 0.1]
    python -m benchmarks.engine --data-dir DIR --random gemma3-270m --only mmlu

Both engines run in float32 over one model in memory, on the same threads, turn and turn about, so that a busy machine
slows both. lm-eval's batch size is the fastest of several on a small probe. `--random` takes a published shape with random
weights, of a family whose attention has windows or is none, in place of a model: `way` says how ours computes it, and
`mmlu_speedup` of 4 is wanted of it. Figures appear as `name=value` lines as soon as they are known:

    mmlu       eight subjects x 50 items, five-shot; `mmlu_speedup` of 6.5 wanted. At full scale also `whole_mmlu_...`:
               14,042 items by the seconds a token measured here
    dense      `useful_tokens_ratio`: our tokens a second over those of bare forwards without padding; 0.85 wanted
    gsm8k      64 items, five-shot, greedy; `gsm8k_speedup` of 2 wanted, all answers equal
    hellaswag  160 items, endings of several tokens; `hellaswag_speedup` of 1.5 wanted
    cache      `second_run_speedup` of 50 wanted, without a model; `bookkeeping_share` of a first run below 0.02 wanted
    memory     `peak_memory_ratio` of two processes, ours over the peer's; at most 1.3 wanted
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from harness.errors import AssayError

SHAPES = ("gemma3-270m", "lfm2-350m", "qwen3-next-0.5b", "gpt-oss-20b")
NAMES = ("mmlu", "dense", "gsm8k", "hellaswag", "cache", "memory")


def main(arguments: list[str] | None = None) -> int:
    parsed = _parse(arguments)
    if parsed.data_dir is None or not parsed.data_dir.is_dir():
        seen = "no --data-dir was given" if parsed.data_dir is None else f"{parsed.data_dir} is no directory"
        print(f"{seen}; pass --data-dir=DIR or set ASSAY_DATA_DIR: local copies of the benchmarks", file=sys.stderr)
        return 2
    from benchmarks.engine_contestants import CLOCKS, warm_backend
    from benchmarks.engine_figures import FIGURES, Bench
    from benchmarks.engine_shapes import save_random
    from harness.models import parse_model_spec, resolve_model
    from harness.models.loading import LoadOptions, load_model

    def report(name: str, value: float | int | str) -> None:
        print(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}", flush=True)

    try:
        model_dir = resolve_model(parse_model_spec(parsed.model)).directory
        with tempfile.TemporaryDirectory() as scratch:
            if parsed.random:
                model_dir = save_random(parsed.random, Path(scratch) / "model", model_dir, layers=parsed.layers)
            loaded = load_model(model_dir, LoadOptions(dtype="float32", device="cpu"))
            report("way", warm_backend(loaded).way)
            bench = Bench(
                loaded,
                model_dir,
                parsed.data_dir,
                parsed.scale,
                Path(scratch),
                report,
                subjects=parsed.subjects,
                clock=CLOCKS[parsed.clock],
                batch_size=parsed.peer_batch_size,
            )
            for name in parsed.only or NAMES:
                FIGURES[name](bench)
    except AssayError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data_dir = os.environ.get("ASSAY_DATA_DIR")
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir) if data_dir else None, help="the benchmarks")
    parser.add_argument("--model", default="smollm2-135m", help="a name or directory of a model on disk")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help="may be given several times")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the items, for a quick look")
    parser.add_argument("--random", choices=SHAPES, metavar="SHAPE", help=f"random weights: {', '.join(SHAPES)}")
    parser.add_argument("--layers", type=int, help="so many in place of the shape's")
    parser.add_argument("--subjects", type=int, default=8, help="of MMLU, for a quick look")
    parser.add_argument("--peer-batch-size", type=int, help="lm-eval's, in place of its fastest")
    parser.add_argument(
        "--clock", choices=("wall", "process"), default="wall", help="process: CPU time, for a machine that others use"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
