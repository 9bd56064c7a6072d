"""The two engines over one model in memory: ours, and lm-eval's own `HFLM`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from benchmarks.engine_workloads import Workload
from harness.engines import AnswerCache, Backend, Engine, Prompt, ScoreRequest
from harness.engines.local import LocalBackend
from harness.models.loading import LoadedModel
from harness.tasks.lm_eval.lm import EngineLM

# "auto" is left out: it takes the largest size that fits, after five forwards of 64 rows, which a CPU does not hold.
_SCORING_BATCH_SIZES: tuple[int, ...] = (1, 4, 8, 16)
_GENERATING_BATCH_SIZES: tuple[int, ...] = (4, 8, 16)
Clock = Callable[[], float]
CLOCKS: Mapping[str, Clock] = {"wall": time.perf_counter, "process": time.process_time}
_PROBE_REQUESTS = 64
_PROBE_PROMPTS = 16
_PROBE_NEW_TOKENS = 24


@dataclasses.dataclass(frozen=True)
class Measured:
    """What an engine took and answered.

    Attributes:
        tokens: fed to the model, padding included.
        answers: in the order of the requests.
    """

    seconds: float
    tokens: int
    answers: Sequence[Any]


class Contestant(Protocol):
    """Something that answers lm-eval's instances."""

    def answer(self, kind: str, instances: Sequence[Instance]) -> list[Any]:
        """Answers in the order of the requests."""
        ...


class Through:
    """lm-eval's requests through our bridge and engine, with the cache at a given place."""

    def __init__(self, backend: Backend, cache: Path) -> None:
        self._engine = Engine("benchmark", backend, AnswerCache(cache))

    def answer(self, kind: str, instances: Sequence[Instance]) -> list[Any]:
        """See `Contestant`."""
        found: list[Any] = getattr(EngineLM(self._engine), kind)(instances)
        return found


def warm_backend(loaded: LoadedModel) -> LocalBackend:
    """The prefix-sharing backend after its first forwards, which try out whether sharing fits the model."""
    backend = LocalBackend(lambda: loaded, adapter=False)
    backend.plan([ScoreRequest(Prompt(text="warm"), " up")])
    return backend


class Peer:
    """lm-eval's Hugging Face model at a fixed batch size."""

    def __init__(self, loaded: LoadedModel, batch_size: int) -> None:
        with _silent():
            self._model = HFLM(
                pretrained=loaded.in_memory().model,
                tokenizer=loaded.tokenizer,
                batch_size=batch_size,
                device=str(loaded.device),
            )

    def answer(self, kind: str, instances: Sequence[Instance]) -> list[Any]:
        """See `Contestant`."""
        with _silent():
            found: list[Any] = getattr(self._model, kind)(list(instances), disable_tqdm=True)
        return found


def take_turns(
    loaded: LoadedModel, workload: Workload, contestants: Mapping[str, Contestant], clock: Clock
) -> dict[str, Measured]:
    """Each contestant at each part, one after the other, so that a busy machine slows all; sums over the parts."""
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    for instances in workload.parts:
        for name, contestant in contestants.items():
            found[name].append(measure(loaded, contestant, workload.kind, instances, clock))
    return {
        name: Measured(
            sum(part.seconds for part in parts),
            sum(part.tokens for part in parts),
            [answer for part in parts for answer in part.answers],
        )
        for name, parts in found.items()
    }


def measure(
    loaded: LoadedModel, contestant: Contestant, kind: str, instances: Sequence[Instance], clock: Clock
) -> Measured:
    """Time a contestant at some requests."""
    with _counted_tokens(loaded) as count:
        started = clock()
        answers = contestant.answer(kind, instances)
        seconds = clock() - started
    return Measured(seconds, sum(count), answers)


def best_batch_size(loaded: LoadedModel, workload: Workload, clock: Clock) -> int:
    """The batch size at which lm-eval's model is fastest at some requests of the first part; answers are cut short."""
    if workload.kind == "loglikelihood":
        sizes, some = _SCORING_BATCH_SIZES, list(workload.parts[0][:_PROBE_REQUESTS])
    else:
        sizes, some = _GENERATING_BATCH_SIZES, [_cut_short(i) for i in workload.parts[0][:_PROBE_PROMPTS]]
    seconds = {size: measure(loaded, Peer(loaded, size), workload.kind, some, clock).seconds for size in sizes}
    return min(sizes, key=seconds.__getitem__)


@contextlib.contextmanager
def _counted_tokens(loaded: LoadedModel) -> Iterator[list[int]]:
    """The tokens of each forward of the model, appended while the context lasts."""
    count: list[int] = []

    def note(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        count.append((kwargs["input_ids"] if "input_ids" in kwargs else args[0]).numel())

    hook = loaded.in_memory().model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield count
    finally:
        hook.remove()


def _cut_short(instance: Instance) -> Instance:
    prompt, settings = instance.args
    return dataclasses.replace(instance, arguments=(prompt, {**settings, "max_gen_toks": _PROBE_NEW_TOKENS}))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """lm-eval prints and draws bars where our figures go."""
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        yield
