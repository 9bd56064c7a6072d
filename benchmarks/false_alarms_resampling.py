"""Other runs that might have been: stored samples drawn again, cluster by cluster."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.false_alarms_gates import Samples, Scene
from harness.records import Sample


@dataclass(frozen=True)
class _Draw:
    """One item of a resample: its place in the sample, the cluster that it was drawn with, and whether models swap."""

    place: int
    cluster: int
    swapped: bool


def made_quick(scene: Scene, tags: Collection[str]) -> Scene:
    """The scene without what only explanations need: prompts, and tags but those named. The outcomes stay."""

    def slim(samples: Samples) -> Samples:
        return {
            name: [
                replace(sample, prompt="", tags={tag: value for tag, value in sample.tags.items() if tag in tags})
                for sample in of_task
            ]
            for name, of_task in samples.items()
        }

    return Scene(scene.tasks, slim(scene.base), slim(scene.released), slim(scene.candidate))


def resampled(scene: Scene, rng: np.random.Generator, *, exchanged: bool = False) -> Scene:
    """A scene of as many clusters, drawn with replacement; each task's samples stay together over the models.

    Args:
        exchanged: toss a coin for each cluster whether candidate and released adapter swap their answers. Neither is
            then better than the other in truth, whatever was observed.
    """
    base, released, candidate = {}, {}, {}
    for name, samples in scene.base.items():
        drawn = _draw(samples, rng, exchanged)
        clustered = samples[0].cluster is not None
        sides = scene.released[name], scene.candidate[name]
        base[name] = [_renamed(samples[one.place], number, one, clustered) for number, one in enumerate(drawn)]
        released[name], candidate[name] = (
            [_renamed(sides[side ^ one.swapped][one.place], number, one, clustered) for number, one in enumerate(drawn)]
            for side in (0, 1)
        )
    return Scene(scene.tasks, base, released, candidate)


def _draw(samples: Sequence[Sample], rng: np.random.Generator, exchanged: bool) -> list[_Draw]:
    members: dict[object, list[int]] = {}
    for place, sample in enumerate(samples):
        members.setdefault((sample.cluster, sample.item_id if sample.cluster is None else ""), []).append(place)
    clusters = list(members.values())
    chosen = rng.integers(0, len(clusters), len(clusters))
    swaps = rng.random(len(clusters)) < 0.5 if exchanged else np.zeros(len(clusters), dtype=bool)
    return [
        _Draw(place, number, bool(swaps[number])) for number, which in enumerate(chosen) for place in clusters[which]
    ]


def _renamed(sample: Sample, number: int, one: _Draw, clustered: bool) -> Sample:
    """An item drawn twice is two items, and a cluster drawn twice two clusters."""
    return replace(sample, item_id=str(number), cluster=str(one.cluster) if clustered else None)
