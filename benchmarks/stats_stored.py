"""Sequential tests on the samples of a stored run: real pairs, in many random orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.stats_cell import ALPHA
from benchmarks.stats_cells import FloatArray
from benchmarks.stats_sequential import Saving, fixed_items
from harness.errors import RunError
from harness.records import Sample
from harness.runs import load_run
from harness.stats import SequentialTest
from harness.tasks.sampling import stratified_order

MARGIN = 0.05
# how far apart two scores can be
_WIDTHS = {"acc": 1.0, "gold_prob": 1.0, "exact_match": 1.0, "brier_score": 2.0}
_LESS_IS_BETTER = ("brier_score",)


def stored_savings(directory: Path, repeats: int) -> Iterator[Saving]:
    """Of each task and bounded metric: that no more than the margin is lost, and that as much is gained.

    With a candidate near its base the first is a clear pass and the second a clear fail.

    Raises:
        RunError: the run cannot be read, or holds no pairs of such a metric.
    """
    pairs: defaultdict[tuple[str, str], dict[str, Sample]] = defaultdict(dict)
    for sample in load_run(directory).read_samples():
        pairs[sample.task, sample.item_id][sample.role] = sample
    found = False
    for task in sorted({task for task, _ in pairs}):
        both = [roles for (name, _), roles in pairs.items() if name == task and {"base", "candidate"} <= roles.keys()]
        for metric, width in _WIDTHS.items():
            gains = _gains(both, metric)
            if gains:
                found = True
                strata = {item: str(roles["base"].cluster) for item, roles in _by_id(both).items()}
                for kind, margin in (("non_inferior", MARGIN), ("superior", -MARGIN)):
                    yield _saving(f"{task}.{metric}.{kind}", gains, strata, margin, width, repeats)
    if not found:
        raise RunError(f"{directory} has no pairs of {', '.join(_WIDTHS)}", "name a run that measured such a task")


def _saving(
    name: str, gains: dict[str, float], strata: dict[str, str], margin: float, width: float, repeats: int
) -> Saving:
    values = np.array(list(gains.values()))
    right = "above" if values.mean() > -margin else "below"
    items, wrong = [], 0
    for seed in range(repeats):
        test = SequentialTest(margin, -width, width, ALPHA, population=values.size)
        test.update(_in_order(gains, strata, seed))
        items.append(test.decided_after or values.size)
        wrong += test.decision != right
    effect = abs(float(values.mean()) + margin)
    return Saving(
        name=f"stored.{'pass' if right == 'above' else 'fail'}.{name}.margin={margin:g}",
        median=float(np.median(items)),
        population=values.size,
        fixed=min(values.size, fixed_items(float(values.var()), effect)),
        wrong=wrong / repeats,
    )


def _in_order(gains: dict[str, float], strata: dict[str, str], seed: int) -> FloatArray:
    return np.array([gains[item] for item in stratified_order(strata, seed)])


def _gains(both: list[dict[str, Sample]], metric: str) -> dict[str, float]:
    """Gain of each item; empty where an item was not scored by the metric."""
    gains = {}
    for item, roles in _by_id(both).items():
        scores = [roles[role].scores.get(metric) for role in ("base", "candidate")]
        if scores[0] is None or scores[1] is None:
            return {}
        gains[item] = (scores[0] - scores[1]) if metric in _LESS_IS_BETTER else (scores[1] - scores[0])
    return gains


def _by_id(both: list[dict[str, Sample]]) -> dict[str, dict[str, Sample]]:
    return {roles["base"].item_id: roles for roles in both}
