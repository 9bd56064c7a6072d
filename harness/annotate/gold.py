"""Pairs that people judged, as gold pairs on which a judge is tried (`judge.gold` in assay.yaml)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.annotate.answers import Filled, Judgement, Side
from harness.annotate.review import asked
from harness.runs.codec import dump_json
from harness.tasks.questions import Label


@dataclass(frozen=True)
class GoldRows:
    """The rows of a gold file.

    Attributes:
        disputed: pairs left out because no more than half of those who judged them said the same.
        conversations: pairs left out because the two answers belong to different conversations.
    """

    rows: tuple[Mapping[str, Any], ...]
    disputed: int
    conversations: int

    def jsonl(self) -> str:
        """One row a line."""
        return "".join(dump_json(row) + "\n" for row in self.rows)


def gold_rows(pages: Sequence[Filled]) -> GoldRows:
    """The pairs that more than half of those who judged them agree on, in the order first shown."""
    said: dict[tuple[str, str], list[Judgement]] = {}
    for page in pages:
        for judgement in page.judgements:
            if judgement.prefers is not None:
                said.setdefault(judgement.pair.key, []).append(judgement)
    single = [judgements for judgements in said.values() if judgements[0].pair.same_prompt]
    rows = [_row(judgements[0], winner) for judgements in single if (winner := _winner(judgements)) is not None]
    return GoldRows(tuple(rows), len(single) - len(rows), len(said) - len(single))


def _winner(judgements: Sequence[Judgement]) -> Side | None:
    [(label, count)] = Counter(one.prefers for one in judgements).most_common(1)
    return label if 2 * count > len(judgements) else None


def _row(judgement: Judgement, winner: Side) -> dict[str, Any]:
    pair = judgement.pair
    first, second = (pair.candidate, pair.base) if judgement.first == "candidate" else (pair.base, pair.candidate)
    label: Label = "tie" if winner == "tie" else "1" if winner == judgement.first else "2"
    return {
        "id": pair.id,
        "instruction": asked(pair.candidate),
        "output_1": first.answer,
        "output_2": second.answer,
        "label": label,
        "category": " ".join(pair.candidate.tags.values()) or "all",
        "kind": "human",
    }
