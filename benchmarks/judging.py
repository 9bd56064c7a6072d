"""Figures of the arithmetic of judging: win rates, length control, coverage. No model and no judge is asked.

    python -m benchmarks.judging [--data-dir DIR] [--scale 0.2]

Figures appear as `name=value` lines; rates in percent, distances in points:

    alpaca_...       AlpacaEval's win rate of alpaca-7b from its stored annotations; `alpaca_win_rate_distance` of at most
                     1e-6 from the published one wanted. The length-controlled rate is another fit than theirs, which knows
                     the instructions' difficulty
    leaderboard_...  rows whose published rate follows from their counts, and whether these keep their order
    alpaca_2_...     length-controlled rates of the models whose preferences the data hold against AlpacaEval 2's published ones:
                     `..._distance` (mean absolute, at most 2.0 wanted), `..._spearman` (at least 0.98), beside both for the raw
                     rates and without a penalty. `..._left_out_distance` has the penalty chosen on all the other models
    null_pair_...    two models of one quality, the one wordier, judged by length alone
    quality_...      two models of one length: how far length control moves the rate
    win_rate_coverage  share of 95% intervals that hold the truth
    length_...       where the judge adds 0, 0.6, 1.5 or 3 log-odds at most for length, and the candidate's answers are 1.35
                     or 0.74 times as long: bias of the length-controlled rate, and the share of 95% intervals that hold the truth
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import spearmanr

from benchmarks.alpaca_eval import (
    Annotations,
    preferences_by_counts,
    read_annotations,
    read_leaderboard,
    read_preferences,
)
from harness.stats.length_control import PENALTY, length_controlled_win_rate
from harness.stats.win_rate import win_rate

FloatArray = NDArray[np.float64]
MODEL = "alpaca-7b"
_PROMPTS = (100, 250, 805)
_LONGER_BY = (0.3, -0.3)  # of the candidate's answers, in logarithms
_SPREAD = 0.6  # of lengths, in logarithms
_POINT_ONLY = 2  # resamples where no interval is wanted
_WEIGHTS = (0.0, 0.6, 1.5, 3.0)  # of length, in log-odds
_PENALTIES = (0.0, 0.01, 0.02, 0.03, PENALTY, 0.05, 0.06, 0.08, 0.1, 0.2)


def main(arguments: list[str] | None = None) -> int:
    parsed = _parse(arguments)
    if parsed.data_dir is None:
        print("no --data-dir and no ASSAY_DATA_DIR: the published figures are left out", file=sys.stderr)
    elif not (parsed.data_dir / "alpaca_eval").is_dir():
        print(f"{parsed.data_dir}: holds no alpaca_eval/; pass --data-dir=DIR of the benchmarks", file=sys.stderr)
        return 2
    else:
        _published(parsed.data_dir)
        _published_length_controlled(parsed.data_dir)
    seeds = range(max(2, round(20 * parsed.scale)))
    _null_pair(seeds)
    _quality(seeds)
    _coverage(max(4, round(150 * parsed.scale)))
    return 0


def report(name: str, value: float | int) -> None:
    print(f"{name}={value}" if isinstance(value, int) else f"{name}={value:.6g}", flush=True)


def _published(data_dir: Path) -> None:
    annotations, leaderboard = read_annotations(data_dir, MODEL), read_leaderboard(data_dir)
    published = {name: float(value) for name, value in leaderboard[MODEL].items() if name not in ("", "mode")}
    rate = win_rate(annotations.preferences)
    report("alpaca_win_rate", 100 * rate.value)
    report("alpaca_win_rate_distance", abs(100 * rate.value - published["win_rate"]))
    report("alpaca_standard_error_distance", abs(100 * rate.standard_error - published["standard_error"]))
    found = length_controlled_win_rate(annotations.preferences, annotations.lengths, annotations.reference_lengths)
    report("alpaca_length_controlled", 100 * found.interval.value)
    report("alpaca_length_controlled_low", 100 * found.interval.low)
    report("alpaca_length_controlled_high", 100 * found.interval.high)
    report("alpaca_length_controlled_published", published["length_controlled_winrate"])
    rates = {name: 100 * float(np.mean(preferences_by_counts(row))) for name, row in leaderboard.items()}
    sound = [name for name, row in leaderboard.items() if abs(rates[name] - float(row["win_rate"])) < 1e-6]
    report("leaderboard_rows", len(leaderboard))
    report("leaderboard_rows_reproduced", len(sound))
    report("leaderboard_order_kept", int(sorted(sound, key=lambda name: -rates[name]) == sound))


def _published_length_controlled(data_dir: Path) -> None:
    judged, leaderboard = read_preferences(data_dir), read_leaderboard(data_dir, version=2)
    published = np.array([float(leaderboard[model]["length_controlled_winrate"]) for model in judged])
    raw = np.array([100 * np.mean(one.preferences) for one in judged.values()])
    rates = np.array([[_controlled(one, penalty) for one in judged.values()] for penalty in _PENALTIES])
    distances = np.abs(rates - published)
    report("alpaca_2_models", len(judged))
    shipped = rates[_PENALTIES.index(PENALTY)]
    for name, found in (("raw", raw), ("unpenalised", rates[0]), ("controlled", shipped)):
        report(f"alpaca_2_{name}_distance", float(np.abs(found - published).mean()))
        report(f"alpaca_2_{name}_worst_distance", float(np.abs(found - published).max()))
        report(f"alpaca_2_{name}_spearman", float(spearmanr(found, published).statistic))
    for penalty, distance in zip(_PENALTIES, distances.mean(axis=1), strict=True):
        report(f"alpaca_2_penalty_{penalty:g}_distance", float(distance))
    others = (distances.sum(axis=1, keepdims=True) - distances) / (len(judged) - 1)
    chosen = others.argmin(axis=0)
    report("alpaca_2_left_out_distance", float(distances[chosen, np.arange(len(judged))].mean()))
    report("alpaca_2_least_penalty_chosen", min(_PENALTIES[n] for n in chosen))
    report("alpaca_2_largest_penalty_chosen", max(_PENALTIES[n] for n in chosen))


def _controlled(judged: Annotations, penalty: float) -> float:
    found = length_controlled_win_rate(
        judged.preferences, judged.lengths, judged.reference_lengths, penalty=penalty, resamples=_POINT_ONLY
    )
    return 100 * found.interval.value


def _null_pair(seeds: range) -> None:
    for prompts in _PROMPTS:
        raw, controlled = [], []
        for candidate, base, _ in _pairs(seeds, prompts, _LONGER_BY):
            verdicts = (np.sign(candidate - base) + 1) / 2
            found = length_controlled_win_rate(verdicts, candidate, base, resamples=_POINT_ONLY)
            raw.append(abs(100 * found.raw - 50))
            controlled.append(abs(100 * found.interval.value - 50))
        report(f"null_pair_{prompts}_raw_distance", float(np.mean(raw)))
        report(f"null_pair_{prompts}_controlled_distance", float(np.mean(controlled)))
        report(f"null_pair_{prompts}_worst_distance", max(controlled))


def _quality(seeds: range) -> None:
    moved = []
    for candidate, base, rng in _pairs(seeds, 100, (0.0,)):
        verdicts = (rng.random(100) < 0.7).astype(float)
        found = length_controlled_win_rate(verdicts, candidate, base, resamples=_POINT_ONLY)
        moved.append(abs(100 * (found.interval.value - found.raw)))
    report("quality_100_mean_shift", float(np.mean(moved)))
    report("quality_100_worst_shift", max(moved))


def _coverage(runs: int) -> None:
    """At 100 prompts, 55% wins and 10% ties; for length control true log-odds of 0.6."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(runs):
        interval = win_rate(rng.choice([1.0, 0.5, 0.0], p=[0.55, 0.10, 0.35], size=100), resamples=400)
        held += interval.low <= 0.60 <= interval.high
    report("coverage_runs", runs)
    report("win_rate_coverage", 100 * held / runs)
    for prompts in _PROMPTS[:2]:
        for weight in _WEIGHTS:
            _length_coverage(runs, prompts, weight)


def _length_coverage(runs: int, prompts: int, weight: float) -> None:
    truth = expit(0.6)
    held, errors = [], []
    for candidate, base, rng in _pairs(range(runs // 2), prompts, (0.3, -0.3)):
        difference = candidate - base
        odds = 0.6 + weight * np.tanh(difference / difference.std())
        verdicts = (rng.random(prompts) < expit(odds)).astype(float)
        interval = length_controlled_win_rate(verdicts, candidate, base, resamples=200).interval
        held.append(interval.low <= truth <= interval.high)
        errors.append(interval.value - truth)
    report(f"length_{weight:g}_at_{prompts}_bias", 100 * float(np.mean(errors)))
    report(f"length_{weight:g}_at_{prompts}_coverage", 100 * float(np.mean(held)))


def _pairs(
    seeds: range, prompts: int, longer_by: tuple[float, ...]
) -> Iterator[tuple[FloatArray, FloatArray, np.random.Generator]]:
    """Answer lengths of candidate and base, and the generator they were drawn from, for every seed and shift."""
    for seed in seeds:
        for shift in longer_by:
            rng = np.random.default_rng(seed)
            candidate = np.exp(rng.normal(5.5 + shift, _SPREAD, prompts)).round()
            yield candidate, np.exp(rng.normal(5.5, _SPREAD, prompts)).round(), rng


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judging",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data_dir = os.environ.get("ASSAY_DATA_DIR")
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir) if data_dir else None, help="the benchmarks")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the simulations, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
