"""Losses of a known size, planted at random items of the candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.false_alarms_gates import RELEASED_FAMILY, Samples, Scene
from harness.metrics.base import Metric
from harness.records import Sample, Verdict

_SHARE = 0.3  # of the items that lose, where scores are no yes and no


@dataclass(frozen=True)
class Plant:
    """What an item of the candidate loses by chance.

    Attributes:
        share: of the items concerned, the probability that one is changed.
        flips: only items with this score are concerned, and become its opposite; None for scores that are moved.
        shift: added to the score of one that is changed.
    """

    task: str
    metric: str
    share: float
    flips: float | None = None
    shift: float = 0.0


@dataclass(frozen=True)
class Planted:
    """What makes a candidate worse by what was wanted.

    Attributes:
        plants: to be applied to each resample (`spoil`), so that the loss is the truth and not one draw of it.
        losses: gate -> the true loss, in units of its metric; of `at_most` the level. Left out are gates on a slice, those
            whose metric is no score of the samples, and those whose base has too little to lose.
    """

    plants: Sequence[Plant]
    losses: Mapping[str, float]


def plant_losses(scene: Scene, verdicts: Mapping[str, Verdict], times: float) -> Planted:
    """Make the candidate worse by `times` the margin of each gate.

    Args:
        verdicts: gate -> its verdict on this scene, which names task, metric and margin. One gate a metric.
    """
    plants, losses = [], {}
    for name, verdict in verdicts.items():
        task, metric, loss = verdict.task or "", verdict.metric or "", times * (verdict.margin or 0.0)
        reference = _reference(scene, name)[task] if verdict.rule.startswith("non-inferior") else None
        if metric in scene.candidate[task][0].scores and not verdict.slice:
            plant = _plant(task, scene.tasks[task].metric(metric), reference, scene.candidate[task], loss)
            if plant is not None:
                plants.append(plant)
                losses[name] = loss
    return Planted(plants, losses)


def spoil(scene: Scene, plants: Sequence[Plant], rng: np.random.Generator) -> Scene:
    """The scene with each item of the candidate changed or not, as chance has it."""
    candidate = dict(scene.candidate)
    for plant in plants:
        struck = rng.random(len(candidate[plant.task])) < plant.share
        candidate[plant.task] = [
            _changed(sample, plant) if hit else sample
            for sample, hit in zip(candidate[plant.task], struck, strict=True)
        ]
    return replace(scene, candidate=candidate)


def _reference(scene: Scene, gate: str) -> Samples:
    return scene.released if gate.startswith(RELEASED_FAMILY) else scene.base


def _plant(
    task: str, metric: Metric, reference: Sequence[Sample] | None, candidate: Sequence[Sample], loss: float
) -> Plant | None:
    """What brings the candidate's mean to `loss` below (or, where less is better, above) the reference's, or above 0."""
    scores = _scores(candidate, metric)
    before = 0.0 if reference is None else float(_scores(reference, metric).mean())
    wanted = before - loss if metric.higher_is_better else before + loss
    change = wanted - float(scores.mean())
    if metric.kind == "continuous":
        return Plant(task, metric.name, _SHARE, shift=change / _SHARE)
    from_score = float(change < 0)
    concerned = float((scores == from_score).mean())
    if concerned < abs(change):
        return None
    return Plant(task, metric.name, abs(change) / concerned if concerned else 0.0, flips=from_score)


def _scores(samples: Sequence[Sample], metric: Metric) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Those of the items to which the metric applies."""
    return np.array([score for sample in samples if (score := sample.scores[metric.name]) is not None])


def _changed(sample: Sample, plant: Plant) -> Sample:
    score = sample.scores[plant.metric]
    if score is None or (plant.flips is not None and score != plant.flips):
        return sample
    changed = 1.0 - score if plant.flips is not None else score + plant.shift
    return replace(sample, scores={**sample.scores, plant.metric: changed})
