"""The races and measurements behind each figure of `python -m benchmarks.engine`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance

from benchmarks import engine_workloads as workloads
from benchmarks.engine_contestants import (
    Clock,
    Contestant,
    Measured,
    Peer,
    Through,
    best_batch_size,
    measure,
    take_turns,
    warm_backend,
)
from benchmarks.engine_workloads import Workload
from harness.engines import Answer, Batch, Prompt, Request, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.prefix.scoring import ScoringPlan
from harness.engines.rendering import score_tokens
from harness.errors import EngineError
from harness.models.loading import LoadedModel

# Sequences of a bare loop's forward, each about as long as an MMLU prompt here.
_BARE_SHAPE = (3, 650)


@dataclass(frozen=True)
class Bench:
    """What every figure needs.

    Attributes:
        scale: share of the full number of items.
        scratch: a directory for answer caches.
        report: takes a figure's name and value.
        subjects: of MMLU.
        batch_size: the peer's; None looks for its best.
    """

    loaded: LoadedModel
    model_dir: Path
    data_dir: Path
    scale: float
    scratch: Path
    report: Callable[[str, float | int | str], None]
    subjects: int
    clock: Clock
    batch_size: int | None
    _batch_sizes: dict[str, int] = field(default_factory=dict)

    def fresh_cache(self) -> Path:
        """Where an answer cache can be made."""
        return Path(tempfile.mkdtemp(dir=self.scratch)) / "answers.sqlite"

    def peer_batch_size(self, name: str, workload: Workload) -> int:
        """The peer's best batch size at a workload, found once."""
        if name not in self._batch_sizes:
            self._batch_sizes[name] = self.batch_size or best_batch_size(self.loaded, workload, self.clock)
            self.report(f"{name}_peer_batch_size", self._batch_sizes[name])
        return self._batch_sizes[name]


def mmlu(bench: Bench) -> None:
    """Five-shot multiple choice; at full scale also what all of MMLU would take, by seconds a token."""
    workload = workloads.mmlu(bench.data_dir, scale=bench.scale, subjects=bench.subjects)
    ours, peer = _race(bench, "mmlu", workload)
    _report_differences(bench, "mmlu", workload, ours, peer)
    if bench.scale >= 1:
        ours_tokens, peer_tokens = _whole_mmlu_tokens(bench)
        ours_s, peer_s = (
            tokens * measured.seconds / measured.tokens
            for tokens, measured in ((ours_tokens, ours), (peer_tokens, peer))
        )
        bench.report("whole_mmlu_ours_tokens", ours_tokens)
        bench.report("whole_mmlu_peer_tokens", peer_tokens)
        bench.report("whole_mmlu_ours_s", ours_s)
        bench.report("whole_mmlu_peer_s", peer_s)
        bench.report("whole_mmlu_speedup", peer_s / ours_s)


def hellaswag(bench: Bench) -> None:
    """Choices of several tokens after short contexts."""
    workload = workloads.hellaswag(bench.data_dir, scale=bench.scale)
    ours, peer = _race(bench, "hellaswag", workload)
    _report_differences(bench, "hellaswag", workload, ours, peer)


def gsm8k(bench: Bench) -> None:
    """Five-shot greedy generation."""
    ours, peer = _race(bench, "gsm8k", workloads.gsm8k(bench.data_dir, scale=bench.scale))
    bench.report("gsm8k_items", len(ours.answers))
    bench.report("gsm8k_equal_answers", sum(a == b for a, b in zip(ours.answers, peer.answers, strict=True)))


def dense(bench: Bench) -> None:
    """Useful tokens a second, against a bare loop of full forwards that projects one position on the vocabulary."""
    workload = workloads.mmlu(bench.data_dir, scale=bench.scale, subjects=4)
    contestants: dict[str, Contestant] = {"ours": _ours(bench), "bare": _BareLoop(bench.loaded)}
    found = take_turns(bench.loaded, workload, contestants, bench.clock)
    rates = {name: measured.tokens / measured.seconds for name, measured in found.items()}
    bench.report("bare_loop_tokens_per_s", rates["bare"])
    bench.report("ours_useful_tokens_per_s", rates["ours"])
    bench.report("useful_tokens_ratio", rates["ours"] / rates["bare"])


def cache(bench: Bench) -> None:
    """A second run from the cache, and what cache and bookkeeping cost the first."""
    [instances] = workloads.mmlu(bench.data_dir, scale=bench.scale, subjects=1).parts
    place = bench.fresh_cache()
    clocked = _ClockedBackend(warm_backend(bench.loaded), bench.clock)
    first = measure(bench.loaded, Through(clocked, place), "loglikelihood", instances, bench.clock)
    bench.report("first_run_s", first.seconds)
    bench.report("bookkeeping_share", 1 - clocked.computing_s / first.seconds)
    # A model asked for would raise.
    second = measure(
        bench.loaded, Through(LocalBackend(_no_model, adapter=False), place), "loglikelihood", instances, bench.clock
    )
    bench.report("second_run_s", second.seconds)
    bench.report("second_run_speedup", first.seconds / second.seconds)
    bench.report("second_run_equal_answers", sum(a == b for a, b in zip(first.answers, second.answers, strict=True)))


def memory(bench: Bench) -> None:
    """Peak memory of a process of its own that answers one subject, for each engine."""
    batch_size = bench.peer_batch_size("mmlu", workloads.mmlu(bench.data_dir, scale=bench.scale, subjects=1))
    peaks: dict[str, float] = {}
    for name in ("ours", "peer"):
        command = [sys.executable, "-m", "benchmarks.engine_memory", name, "--batch-size", str(batch_size)]
        command += ["--model", str(bench.model_dir), "--data-dir", str(bench.data_dir), "--scale", str(bench.scale)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peaks[name] = float(done.stdout)
        bench.report(f"{name}_peak_memory_mib", peaks[name])
    bench.report("peak_memory_ratio", peaks["ours"] / peaks["peer"])


FIGURES: dict[str, Callable[[Bench], None]] = {
    "mmlu": mmlu, "dense": dense, "gsm8k": gsm8k, "hellaswag": hellaswag, "cache": cache, "memory": memory,
}  # fmt: skip


class _BareLoop:
    """As many tokens as the distinct prompts have, in full batches that need no padding. Answers nothing."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    def answer(self, kind: str, instances: Sequence[Instance]) -> list[Any]:
        """See `Contestant`."""
        rows, length = _BARE_SHAPE
        model = self._loaded.in_memory().model
        ids = torch.arange(rows * length, device=self._loaded.device).view(rows, length) % model.vocab_size
        with torch.inference_mode():
            for _ in range(4):
                model(input_ids=ids, use_cache=False, logits_to_keep=1)
        return []


class _ClockedBackend:
    """A backend that adds up the time it computes; what is left of a run is planning, keys and cache."""

    def __init__(self, backend: LocalBackend, clock: Clock) -> None:
        self.computing_s = 0.0
        self._clock = clock
        self._backend = backend

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """See `harness.engines.Backend`."""
        return [Batch(batch.indices, partial(self._run, batch)) for batch in self._backend.plan(requests)]

    def _run(self, batch: Batch) -> Iterator[tuple[int, Answer]]:
        started = self._clock()
        answers = list(batch.run())
        self.computing_s += self._clock() - started
        yield from answers


def _ours(bench: Bench) -> Contestant:
    return Through(warm_backend(bench.loaded), bench.fresh_cache())


def _race(bench: Bench, name: str, workload: Workload) -> tuple[Measured, Measured]:
    """Both engines at a workload: ours, then the peer's."""
    peer = Peer(bench.loaded, bench.peer_batch_size(name, workload))
    found = take_turns(bench.loaded, workload, {"ours": _ours(bench), "peer": peer}, bench.clock)
    for label, measured in found.items():
        bench.report(f"{name}_{label}_s", measured.seconds)
        bench.report(f"{name}_{label}_tokens", measured.tokens)
    bench.report(f"{name}_speedup", found["peer"].seconds / found["ours"].seconds)
    return found["ours"], found["peer"]


def _report_differences(bench: Bench, name: str, workload: Workload, ours: Measured, peer: Measured) -> None:
    differences = [abs(a[0] - b[0]) for a, b in zip(ours.answers, peer.answers, strict=True)]
    choices = [_choices(workload, measured) for measured in (ours, peer)]
    bench.report(f"{name}_items", len(choices[0]))
    bench.report(f"{name}_equal_choices", sum(choices[0][item] == choices[1][item] for item in choices[0]))
    bench.report(f"{name}_largest_difference_nats", max(differences))


def _choices(workload: Workload, measured: Measured) -> dict[tuple[str, int], int]:
    """The likeliest choice of each item."""
    scores: defaultdict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    instances = (instance for part in workload.parts for instance in part)
    for instance, answer in zip(instances, measured.answers, strict=True):
        scores[instance.task_name, instance.doc_id][instance.idx] = answer[0]
    return {item: max(of_item, key=of_item.__getitem__) for item, of_item in scores.items()}


def _whole_mmlu_tokens(bench: Bench) -> tuple[int, int]:
    """Tokens our engine and the peer compute for all items of all subjects. The peer's padding is not counted."""
    tokenizer = bench.loaded.tokenizer
    asked = (instance.args for instance in workloads.whole_mmlu(bench.data_dir))
    pairs = score_tokens(tokenizer, [ScoreRequest(Prompt(text=context), tail) for context, tail in asked])
    plan = ScoringPlan(pairs, max_tokens=1 << 30, max_rows=1 << 30)
    shared = {id(node): node for chunk in plan.chunks for node in chunk.path}.values()
    ours = sum(len(node.tokens) for node in shared) + sum(root.size for chunk in plan.chunks for root in chunk.nodes)
    return ours, sum(len(sequence) for sequence in {(*context, *tail[:-1]) for context, tail in pairs})


def _no_model() -> LoadedModel:
    raise EngineError("a model was asked for", "every answer should have been in the cache")
