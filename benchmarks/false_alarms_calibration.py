"""Calibration error in a form that can be resampled often: the harness's own takes a second a gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from harness.metrics.base import Metric
from harness.metrics.choices import CALIBRATION_ERROR, choice_probabilities, expected_calibration_error
from harness.runs.schema import Sample
from harness.tasks.base import TaskLike

_BINS = 15
_FACTORS = np.geomspace(0.1, 30, 600)


def quick_task(task: TaskLike) -> TaskLike:
    """The same task, whose calibration error is computed from `quick_samples`; to the same value."""
    return cast(TaskLike, _Quick(task))


def quick_samples(samples: Sequence[Sample]) -> list[Sample]:
    """With (bin of confidence, confidence less accuracy) in place of choices, for the samples that have choices."""
    return [replace(sample, parsed=_binned(sample.parsed)) if has_choices(sample) else sample for sample in samples]


def has_choices(sample: Sample) -> bool:
    """Whether the answer is a choice among several."""
    return isinstance(sample.parsed, Mapping) and "choice_logprobs" in sample.parsed


def sharpened(samples: Sequence[Sample], error: float) -> tuple[list[Sample], float]:
    """Samples whose choices are more (or less) confident, so that their calibration error is as near to `error` as can be.

    Log-likelihoods of choices are multiplied by one factor, which leaves the likeliest choice what it is.

    Returns:
        The samples, and their calibration error.
    """
    parsed = [sample.parsed for sample in samples]
    reached = [quick_error([], [_binned(answer, factor) for answer in parsed]) for factor in _FACTORS]
    nearest = int(np.argmin(np.abs(np.array(reached) - error)))
    made = [replace(sample, parsed=_times(sample.parsed, float(_FACTORS[nearest]))) for sample in samples]
    return made, expected_calibration_error([], [sample.parsed for sample in made])


def quick_error(targets: Sequence[Any], parsed: Sequence[tuple[int, float]]) -> float:
    """`expected_calibration_error` of binned answers."""
    bins, surplus = zip(*parsed, strict=True)
    return float(np.abs(np.bincount(bins, surplus, _BINS)).sum() / len(parsed))


class _Quick:
    def __init__(self, task: TaskLike) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def metric(self, name: str) -> Metric:
        metric = self._task.metric(name)
        return replace(metric, corpus=quick_error) if name == CALIBRATION_ERROR else metric


def _binned(answer: Mapping[str, Any], factor: float = 1.0) -> tuple[int, float]:
    probabilities = choice_probabilities(_times(answer, factor)["choice_logprobs"])
    confidence = max(probabilities)
    right = probabilities.index(confidence) == answer["gold"]
    return max(math.ceil(confidence * _BINS) - 1, 0), confidence - right


def _times(answer: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {**answer, "choice_logprobs": [factor * value for value in answer["choice_logprobs"]]}
