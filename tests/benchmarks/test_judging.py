from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch):
    """`python -m benchmarks.judging` with these arguments; its exit code."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.judging").main


def test_without_data_the_simulations_run_and_it_says_what_is_left_out(main, capsys):
    assert main(["--scale", "0.02"]) == 0
    captured = capsys.readouterr()
    figures = {name: float(value) for name, value in (line.split("=") for line in captured.out.splitlines())}
    assert "published figures are left out" in captured.err
    assert figures["null_pair_100_raw_distance"] > 8
    assert figures["null_pair_250_controlled_distance"] < figures["null_pair_250_raw_distance"] / 2
    assert figures["win_rate_coverage"] > 70
    assert figures["length_1.5_at_250_coverage"] > 70
    assert not any(name.startswith("alpaca") for name in figures)


def test_a_directory_without_alpaca_eval_is_refused_by_name(main, capsys, tmp_path):
    assert main(["--data-dir", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert f"{tmp_path}: holds no alpaca_eval/" in captured.err
    assert captured.out == ""
