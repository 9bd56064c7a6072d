"""What the answers of a run look like: labels, calibration, lengths and latencies, out of its samples alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.records import Role, Sample
from harness.report.curves import Panel, Series, draw_panel
from harness.report.text import printable

_MOST_LABELS = 24
_MOST_CONFUSIONS = 15
_NO_LABEL = "no label"
_BINS = 10
_ROLES: tuple[Role, Role] = ("base", "candidate")


@dataclass(frozen=True)
class LabelRow:
    """One label: how many items have it, how many answers gave it, and how often that was right."""

    label: str
    items: int
    given: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confused:
    """How many items of one label were given another; `shade` is 0 to 9, by the share of the label's items."""

    target: str
    given: str
    count: int
    shade: int


@dataclass(frozen=True)
class Confusion:
    """The candidate's labels against the targets.

    Attributes:
        columns: labels an answer may give, last that for answers without one; empty where there are too many to draw.
        matrix: (target, its cells) in the order of columns.
        worst: the confusions that happened most.
    """

    labels: tuple[LabelRow, ...]
    columns: tuple[str, ...]
    matrix: tuple[tuple[str, tuple[Confused, ...]], ...]
    worst: tuple[Confused, ...]


@dataclass(frozen=True)
class AnswersShown:
    """The pictures of one task."""

    task: str
    confusion: Confusion | None
    panels: tuple[Panel, ...]


def answers_shown(samples: Iterable[Sample], *, sensitive: Collection[str] = ()) -> list[AnswersShown]:
    """The pictures of every task that has any.

    Args:
        sensitive: tasks whose targets and answers are not to meet the eye unasked, labels among them.
    """
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.role != "judge":
            by_task.setdefault(sample.task, []).append(sample)
    shown = []
    for task, own in by_task.items():
        panels = tuple(panel for panel in (_calibration(own), _lengths(own), _latencies(own)) if panel is not None)
        confusion = None if task in sensitive else _confusion([s for s in own if s.role == "candidate"])
        if confusion or panels:
            shown.append(AnswersShown(task, confusion, panels))
    return shown


def _confusion(samples: Sequence[Sample]) -> Confusion | None:
    pairs = Counter(
        (s.target, s.parsed)
        for s in samples
        if "accuracy" in s.scores and isinstance(s.target, str) and isinstance(s.parsed, str | None)
    )
    targets = Counter({target: 0 for target, _ in pairs})
    given: Counter[str | None] = Counter()
    for (target, parsed), count in pairs.items():
        targets[target] += count
        given[parsed] += count
    if pairs.total() < len(samples) or len(targets) < 2:
        return None
    labels = sorted(targets.keys() | {label for label in given if label is not None})
    columns: list[str | None] = [*labels, *([None] if given[None] else [])]

    def cell(target: str, parsed: str | None) -> Confused:
        count = pairs[target, parsed]
        shade = math.ceil(9 * count / targets[target]) if targets[target] else 0
        return Confused(printable(target), _NO_LABEL if parsed is None else printable(parsed), count, shade)

    wrong = sorted(((n, *pair) for pair, n in pairs.items() if pair[0] != pair[1]), key=lambda one: (-one[0], one[1]))
    drawn = len(columns) <= _MOST_LABELS
    return Confusion(
        tuple(_label_row(label, targets[label], given[label], pairs[label, label]) for label in labels),
        tuple(_NO_LABEL if column is None else printable(column) for column in columns) if drawn else (),
        tuple((printable(label), tuple(cell(label, column) for column in columns)) for label in labels)
        if drawn
        else (),
        tuple(cell(target, parsed) for _, target, parsed in wrong[:_MOST_CONFUSIONS]),
    )


def _label_row(label: str, items: int, given: int, right: int) -> LabelRow:
    f1 = 2 * right / (items + given) if items + given else None
    return LabelRow(
        printable(label), items, given, right / given if given else None, right / items if items else None, f1
    )


def _calibration(samples: Sequence[Sample]) -> Panel | None:
    """How often a choice is right, by how sure the model was of it."""
    data: dict[str, Series] = {}
    for role in _ROLES:
        sure = [one for s in samples if s.role == role and (one := _sureness(s.parsed)) is not None]
        if len(sure) >= _BINS:
            data[role] = [_bin(part) for part in _parts(sorted(sure)) if part]
    if not data:
        return None
    data["as sure as right"] = [(0.0, 0.0), (1.0, 1.0)]
    return draw_panel("Calibration", "share right", data, "how sure of its choice", "sure")


def _sureness(parsed: object) -> tuple[float, float] | None:
    if not isinstance(parsed, Mapping):
        return None
    logprobs, gold = parsed.get("choice_logprobs"), parsed.get("gold")
    if not isinstance(logprobs, list) or len(logprobs) < 2 or gold is None:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in logprobs):
        return None
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    share = 1 / sum(math.exp(one - logprobs[best]) for one in logprobs)
    golds = gold if isinstance(gold, list) else [gold]
    return share, float(best in golds)


def _parts(ordered: Sequence[tuple[float, float]]) -> Iterable[Sequence[tuple[float, float]]]:
    bins = min(_BINS, len(ordered) // 5)
    cuts = [round(i * len(ordered) / bins) for i in range(bins + 1)]
    return [ordered[a:b] for a, b in pairwise(cuts)]


def _bin(part: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(one for one, _ in part) / len(part), sum(right for _, right in part) / len(part)


def _lengths(samples: Sequence[Sample]) -> Panel | None:
    """Shares of the answers by their length in tokens."""
    tokens = {role: [s.completion_tokens for s in samples if s.role == role] for role in _ROLES}
    longest = max((max(counts, default=0) for counts in tokens.values()), default=0)
    if not _is_generated(samples) or longest < 2:
        return None
    width = math.ceil((longest + 1) / (2 * _BINS))
    return _distribution("Length of the answers", tokens, width, longest // width, "tokens", "tokens")


def _latencies(samples: Sequence[Sample]) -> Panel | None:
    """Shares of the answers by the time they took; the slowest fiftieth stands in the last step, or it would be all width."""
    seconds = {
        role: sorted(s.latency_s for s in samples if s.role == role and math.isfinite(s.latency_s)) for role in _ROLES
    }
    slowest = max((times[(len(times) - 1) * 49 // 50] for times in seconds.values() if times), default=0.0)
    varied = any(times[0] < times[-1] for times in seconds.values() if times)
    if not _is_generated(samples) or not varied or slowest <= 0:
        return None
    width = slowest / (2 * _BINS)
    label = "seconds from the start of its batch"
    return _distribution("Time to the answer", seconds, width, 2 * _BINS - 1, label, "seconds")


def _is_generated(samples: Sequence[Sample]) -> bool:
    return any(s.stop_reason is not None for s in samples)


def _distribution(
    title: str, values: Mapping[Role, Sequence[float]], width: float, last: int, x_label: str, x_name: str
) -> Panel | None:
    """Shares of each model's own answers, drawn as steps; what lies beyond the last one is counted in it."""
    data: dict[str, Series] = {role: _steps(own, width, last) for role, own in values.items() if own}
    return draw_panel(title, "share of answers", data, x_label, x_name)


def _steps(values: Sequence[float], width: float, last: int) -> Series:
    bins = Counter(min(int(value // width), last) for value in values)
    heights = [(i, bins[i] / len(values)) for i in range(last + 1)]
    return [point for i, share in heights for point in ((i * width, share), ((i + 1) * width, share))]
