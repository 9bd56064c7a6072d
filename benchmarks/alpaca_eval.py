"""AlpacaEval's files: annotations of a model, preferences of AlpacaEval 2's judge, and the leaderboards."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

# Preference as stored: 1 the reference, 2 the model, 0 (of old) or 1.5 a draw; null where the judge said nothing.
_CODES = {0.0: 0.5, 1.0: 0.0, 1.5: 0.5, 2.0: 1.0}
_LEADERBOARDS = {
    1: Path("data_AlpacaEval", "alpaca_eval_gpt4_leaderboard.csv"),
    2: Path("data_AlpacaEval_2", "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv"),
}


@dataclass(frozen=True)
class Annotations:
    """Judged pairs of a model and the reference, those without a preference left out.

    Attributes:
        preferences: 1 the model, 0 the reference, 0.5 a draw; soft preferences lie between.
        lengths, reference_lengths: characters.
    """

    preferences: list[float]
    lengths: list[int]
    reference_lengths: list[int]


def read_annotations(data_dir: Path, model: str) -> Annotations:
    """The stored annotations of AlpacaEval 1's judge."""
    path = data_dir / "alpaca_eval" / "results" / model / "alpaca_eval_gpt4" / "annotations.json"
    rows = [row for row in json.loads(path.read_text(encoding="utf-8")) if row["preference"] is not None]
    codes = [float(row["preference"]) for row in rows]
    return Annotations(
        [_CODES.get(code, code - 1) for code in codes],
        [len(row["output_2"]) for row in rows],
        [len(row["output_1"]) for row in rows],
    )


def read_preferences(data_dir: Path) -> dict[str, Annotations]:
    """Soft preferences of AlpacaEval 2's judge by model, of those whose length-controlled rate is published."""
    published = read_leaderboard(data_dir, version=2)
    return {
        path.stem: _read_columns(path)
        for path in sorted((data_dir / "alpaca_eval" / "preferences").glob("*.csv"))
        if path.stem in published
    }


def _read_columns(path: Path) -> Annotations:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Annotations(
        [float(row["preference"]) for row in rows],
        [int(row["characters"]) for row in rows],
        [int(row["baseline_characters"]) for row in rows],
    )


def read_leaderboard(data_dir: Path, *, version: int = 1) -> dict[str, dict[str, str]]:
    """The published figures of AlpacaEval 1 or 2 by model, the best first; percentages as text."""
    name = _LEADERBOARDS[version]
    with (data_dir / "alpaca_eval" / "leaderboards" / name).open(newline="", encoding="utf-8") as file:
        return {row[""]: row for row in csv.DictReader(file)}


def preferences_by_counts(row: dict[str, str]) -> list[float]:
    """As many wins, losses and draws as a row of the leaderboard counts."""
    counts = {1.0: row["n_wins"], 0.0: row["n_wins_base"], 0.5: row["n_draws"]}
    return [value for value, count in counts.items() for _ in range(int(count))]
