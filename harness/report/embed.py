"""Samples as the data island of the HTML report: compact, compressed, and inert whatever the model wrote."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.records import Sample
from harness.report.details import cell
from harness.report.pairs import MetricFacts, Pair
from harness.report.text import printable, shorten

_PLAIN_BELOW = 60_000
_BUDGET_BYTES = 4_800_000
_CAPS = (20_000, 6_000, 2_500, 1_200, 500, 200, 60)
_CHANGED, _REGRESSED, _IMPROVED, _FAILING = 1, 2, 4, 8


@dataclass(frozen=True)
class Island:
    """Text for a `<script type="application/json">`.

    Attributes:
        encoding: `plain` is JSON; `gzip` is a JSON string of base64 of gzip of JSON.
        cap: longer texts were shortened to about this many characters.
        shortened: how many texts were.
    """

    encoding: str
    text: str
    cap: int
    shortened: int


def island(
    pairs: Sequence[Pair],
    facts: Mapping[str, Sequence[MetricFacts]],
    *,
    sensitive: Collection[str] = (),
    ranks: Mapping[str, int] = MappingProxyType({}),
) -> Island:
    """Encode pairs so that the report stays under its size: long texts are shortened until they fit.

    Args:
        sensitive: tasks whose texts the page veils until they are asked for.
        ranks: task -> its place among tasks that fare as badly; those not named come last.
    """
    longest = _CAPS[0] + 1
    for cap in _CAPS:
        if cap >= longest:
            continue
        packer = _Packer(cap, sensitive, ranks)
        document = script_json(packer.document(pairs, facts))
        if len(document) < _PLAIN_BELOW:
            return Island("plain", document, cap, packer.shortened)
        packed = base64.b64encode(gzip.compress(document.encode(), 6, mtime=0)).decode()
        if len(packed) <= _BUDGET_BYTES or cap == _CAPS[-1]:
            break
        longest = packer.longest
    return Island("gzip", f'"{packed}"', cap, packer.shortened)


def script_json(value: object) -> str:
    """JSON that no HTML parser can leave: ASCII, with `<`, `>` and `&` written as escapes."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Packer:
    """Builds the document with every text made printable and cut at `cap` characters; counts the cuts."""

    def __init__(self, cap: int, sensitive: Collection[str], ranks: Mapping[str, int]) -> None:
        self.cap = cap
        self.sensitive = sensitive
        self.ranks = ranks
        self.shortened = 0
        self.longest = 0

    def document(self, pairs: Sequence[Pair], facts: Mapping[str, Sequence[MetricFacts]]) -> dict[str, Any]:
        tasks = list(facts)
        place = {task: i for i, task in enumerate(tasks)}
        return {
            "tasks": [
                {
                    "name": self.text(task),
                    "metrics": [[self.text(m.name), m.higher_is_better, m.judged] for m in facts[task]],
                    "sensitive": task in self.sensitive,
                    "rank": self.ranks.get(task, len(self.ranks)),
                }
                for task in tasks
            ],
            "pairs": [self.pair(pair, place[pair.item.task], facts[pair.item.task]) for pair in pairs],
        }

    def pair(self, pair: Pair, task: int, metrics: Sequence[MetricFacts]) -> list[Any]:
        item = pair.item
        flags = _CHANGED * pair.changed + _REGRESSED * pair.regressed
        flags += _IMPROVED * pair.improved + _FAILING * pair.failing
        return [
            task,
            self.text(item.item_id),
            None if item.cluster is None else self.text(item.cluster),
            {self.text(str(k)): self.text(str(v)) for k, v in item.tags.items()},
            flags,
            self.text(item.prompt),
            self.text(cell(item.target)),
            self.side(pair.base, metrics),
            self.side(pair.candidate, metrics),
        ]

    def side(self, sample: Sample | None, metrics: Sequence[MetricFacts]) -> list[Any] | None:
        if sample is None:
            return None
        parsed = None if sample.parsed is None else self.text(cell(sample.parsed))
        answer = self.text(sample.answer)
        return [
            answer,
            None if parsed == answer else parsed,
            [_score(sample.scores.get(metric.name)) for metric in metrics],
            None if sample.stop_reason is None else self.text(sample.stop_reason),
            sample.prompt_tokens,
            sample.completion_tokens,
            round(sample.latency_s, 3) if math.isfinite(sample.latency_s) else None,
            int(sample.cached),
        ]

    def text(self, text: str) -> str:
        self.shortened += len(text) > self.cap
        self.longest = max(self.longest, len(text))
        return printable(shorten(text, self.cap))


def _score(score: float | None) -> float | str | None:
    if score is None or math.isfinite(score):
        return None if score is None else round(score, 5)
    return "NaN" if math.isnan(score) else "infinite"
