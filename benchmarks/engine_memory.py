"""Peak memory of one engine at one MMLU subject, in MiB: a process of its own, started by `benchmarks.engine`."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from benchmarks import engine_workloads as workloads
from benchmarks.engine_contestants import Contestant, Peer, Through, warm_backend
from harness.models.loading import LoadOptions, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["ours", "peer"])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--batch-size", type=int, required=True, help="of the peer")
    arguments = parser.parse_args()
    workload = workloads.mmlu(arguments.data_dir, scale=arguments.scale, subjects=1)
    loaded = load_model(arguments.model, LoadOptions(dtype="float32", device="cpu"))
    with tempfile.TemporaryDirectory() as scratch:
        contestant: Contestant = (
            Through(warm_backend(loaded), Path(scratch) / "answers.sqlite")
            if arguments.engine == "ours"
            else Peer(loaded, arguments.batch_size)
        )
        for instances in workload.parts:
            contestant.answer(workload.kind, instances)
    print(_peak_mib())


def _peak_mib() -> float:
    """The largest resident size of this program."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: on Linux that starts at what the parent held when it forked.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
