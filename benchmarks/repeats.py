"""How often does one model, measured twice at temperature 0.7, seem to have changed?

    python -m benchmarks.repeats [--resamplings 200] [--items 40] [--repeats 4] [--draws 32] [--model DIRECTORY]

A model (two random layers, unless one is named) answers each item as often as `--draws` says, by seeds of their own. Each
resampling takes two times `--repeats` of these, none of them twice, for two measurements of one candidate, and puts them to
the gates. An answer is right where the number of its letters is even, so that every item has a share of right answers of its
own.

A line is `metric.figure=share`: `changed` that the 95% interval of the difference leaves out 0, `failed` that non-inferiority
within a point fails, `passed` that superiority passes; `beyond` that the difference is larger than the noise floor of this
pair. The exit code is 0 where no metric seems changed in more than 5% of resamplings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.recipes.tiny_base import ensure_tiny_base
from harness.engines import Answer, AnswerCache, Engine, Prompt
from harness.engines.local import LocalBackend
from harness.gates import Comparison
from harness.gates.noise import noise_floor
from harness.metrics.base import Metric
from harness.metrics.repeats import repeat_metrics, repeat_scores
from harness.models.loading import LoadOptions, load_model
from harness.paths import cache_dir
from harness.records import Sample
from harness.tasks import Grade, Item, Task
from harness.tasks.answers import Generates, generated_text
from harness.tasks.repeated import RepeatedTask, Sampling

TEMPERATURE = 0.7
ALLOWED = 0.05
_MARGIN = 0.01
_EVEN = Metric("even", kind="binary")


@dataclass(frozen=True)
class _EvenLetters(Generates):
    """Right where the answer has an even number of letters."""

    max_new_tokens: int = 4
    metrics: Sequence[Metric] = (_EVEN,)
    digest: str = "even"

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        letters = sum(map(str.isalpha, generated_text(item, answers)))
        return Grade({"even": float(letters % 2 == 0)}, letters)


def task_of(items: int, repeats: int) -> RepeatedTask:
    """So many items, each asked so often."""
    asked = [Item(f"i{k}", Prompt(text=f"Item {k} of the list is"), None) for k in range(items)]
    task = Sampling(repeats, TEMPERATURE).drawing(Task("even", asked, _EvenLetters(), "d"))
    assert isinstance(task, RepeatedTask)
    return task


def twice(drawn: RepeatedTask, samples: Sequence[Sample], repeats: int, rng: np.random.Generator) -> Comparison:
    """Two measurements out of a pool of draws, as a comparison."""
    sides: tuple[list[Sample], list[Sample]] = ([], [])
    for start in range(0, len(samples), drawn.repeats):
        chosen = rng.permutation(drawn.repeats)[: 2 * repeats] + start
        for side, places in zip(sides, (chosen[:repeats], chosen[repeats:]), strict=True):
            side += _together([samples[place] for place in places], samples[start:])
    return Comparison(replace(drawn, repeats=repeats), *sides)


def _together(group: Sequence[Sample], named_as: Sequence[Sample]) -> list[Sample]:
    """The samples under other names, with what they say together."""
    answers = [(one.parsed, one.answer) for one in group]
    said = repeat_scores(_EVEN, [one.scores["even"] for one in group], answers)
    return [
        replace(one, item_id=other.item_id, prompt_digest=other.prompt_digest, scores={**one.scores, **said})
        for one, other in zip(group, named_as, strict=False)
    ]


def count(comparison: Comparison, metric: str) -> Counter[str]:
    """What came of one metric of two measurements."""
    measured = comparison.metric(metric)
    interval = measured.difference(0.95)
    return Counter(
        {
            "changed": int(interval.low > 0 or interval.high < 0),
            "failed": int(measured.non_inferior(_MARGIN).decide().outcome == "fail"),
            "passed": int(measured.superior().decide().outcome == "pass"),
            "beyond": int(abs(interval.value) > noise_floor(measured)),
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, resample, print.

    Returns:
        0 where no metric seems changed more often than allowed, else 1.
    """
    parsed = _parse(arguments)
    model = parsed.model or ensure_tiny_base(cache_dir())
    drawn = task_of(parsed.items, parsed.draws)
    with tempfile.TemporaryDirectory() as directory:
        loaded = load_model(model, LoadOptions("float32", "cpu"))
        engine = Engine("benchmark", LocalBackend(lambda: loaded, adapter=False), AnswerCache(Path(directory) / "a"))
        samples = drawn.evaluate(engine, "candidate")
    shares = [np.mean([one.scores["even"] for one in samples[at : at + parsed.draws]]) for at in
              range(0, len(samples), parsed.draws)]  # fmt: skip
    print(f"items={parsed.items} draws={parsed.draws} right={np.mean(shares):.3f} sd_of_items={np.std(shares):.3f}")
    rng = np.random.default_rng(0)
    found: dict[str, Counter[str]] = {
        metric.name: Counter() for metric in (_EVEN, *repeat_metrics(_EVEN, parsed.repeats))
    }
    for _ in range(parsed.resamplings):
        comparison = twice(drawn, samples, parsed.repeats, rng)
        for metric, counts in found.items():
            counts.update(count(comparison, metric))
    for metric, counts in found.items():
        told = " ".join(
            f"{metric}.{name}={counts[name] / parsed.resamplings:.3f}"
            for name in ("changed", "failed", "passed", "beyond")
        )
        print(f"{told} n={parsed.resamplings}")
    return int(max(counts["changed"] for counts in found.values()) > ALLOWED * parsed.resamplings)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.repeats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, default in (("resamplings", 200), ("items", 40), ("repeats", 4), ("draws", 32)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--model", type=Path, help="directory of another model")
    parsed = parser.parse_args(arguments)
    if not 2 <= parsed.repeats <= parsed.draws // 2 or min(parsed.items, parsed.resamplings) < 2:
        parser.error("give 2 or more of each, and two times as many draws as repeats")
    return parsed


if __name__ == "__main__":
    sys.exit(main())
