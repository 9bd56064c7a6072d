"""How scores of lm-eval's metrics are called. Imports no lm-eval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

GOLD_SOLUTION = "gold_solution_logprob"
"""How likely the gold solution is: seen to fall where a small base solves nothing."""


def names_of_scores(metric: str, filters: Sequence[str]) -> dict[str, str]:
    """Name -> filter of each score of a metric.

    With several filters (GSM8K's `strict-match` and `flexible-extract`) each score is named by metric and filter,
    `exact_match_flexible`, and the first filter's also by the metric alone, as lm-eval lists it first.
    """
    names = {metric: filters[0]}
    if len(filters) > 1:
        names |= {f"{metric}_{suffix}": one for one, suffix in short_names(filters).items()}
    return names


def short_names(filters: Sequence[str]) -> Mapping[str, str]:
    """The first word of each filter's name, or all of it where two share one."""
    words = {name: re.split(r"\W|_", name)[0] for name in filters}
    unique = len(set(words.values())) == len(words) and all(words.values())
    return words if unique else {name: re.sub(r"\W", "_", name) for name in filters}
