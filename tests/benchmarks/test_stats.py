"""The statistics benchmark: what its lines say, and that it can say that something is wrong."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest

from harness.records import Manifest, Sample
from harness.runs import RunWriter
from harness.stats import mean_interval

stats = importlib.import_module("benchmarks.stats")
cell = importlib.import_module("benchmarks.stats_cell")
cells = importlib.import_module("benchmarks.stats_cells")
counts = importlib.import_module("benchmarks.stats_counts")


def standing(rate, repeats=2000, peers=(), stops=False):
    return cell.Figure("name", rate, 0.05, repeats, tuple(("exact", peer) for peer in peers), stops).standing


def test_a_rate_is_held_against_nominal_within_monte_carlo_error():
    assert [standing(rate) for rate in (0.03, 0.04, 0.05, 0.06, 0.07)] == ["less", "ok", "ok", "ok", "MORE"]


def test_a_rate_below_nominal_is_excused_by_the_exact_test_named_first_alone():
    assert standing(0.03, peers=(0.03,)) == standing(0.03, peers=(0.02, 0.045)) == "exact"
    assert standing(0.03, peers=(0.045, 0.02)) == "less"


def test_an_enumerated_rate_exceeds_nominal_by_any_excess():
    assert (standing(0.0501, None), standing(0.05, None), standing(0.046, None)) == ("MORE", "ok", "ok")


def test_a_sequential_test_is_asked_for_no_more_than_nominal():
    assert [standing(rate, stops=True) for rate in (0.0, 0.05, 0.06, 0.07)] == ["at_most"] * 3 + ["MORE"]


def test_an_interval_that_is_too_narrow_is_found_out():
    seen = cells._measured(np.random.default_rng(1), "narrow", lambda rng: rng.normal(size=50), narrow_mean, 0.0, 400)
    assert [figure.standing for figure in cell.sides("errors", seen)] == ["MORE", "MORE"]


def narrow_mean(values):
    interval = mean_interval(values)
    half = interval.standard_error
    return replace(interval, low=interval.value - half, high=interval.value + half)


@pytest.mark.parametrize("name", ["coverage", "errors", "sequential"])
def test_every_line_is_a_figure_and_the_last_counts_them(capsys, monkeypatch, name):
    for module in (counts, cells):
        monkeypatch.setattr(module, "SIZES", (30, 100))
    code = stats.main(["--repeats", "10", "--only", name])
    *lines, last = capsys.readouterr().out.splitlines()
    assert all(float(line.split("=")[-1].split()[0]) >= 0 for line in lines)
    judged = [line for line in lines if "nominal" in line]
    assert sum(int(count.split("=")[1]) for count in last.split()) == len(judged) > 20
    assert code == any(" MORE " in line and ".rare=" not in line for line in judged)  # of ten repeats two are too many


def test_a_fault_exits_1_and_is_named_but_not_where_it_is_known(capsys, monkeypatch):
    for module in (counts, cells):
        monkeypatch.setattr(module, "SIZES", (30,))
    monkeypatch.setattr(cells, "CLUSTERED", ((10, 10),))
    monkeypatch.setattr(cells, "mean_interval", narrow_mean)
    assert stats.main(["--repeats", "100", "--only", "coverage"]) == 1
    assert "coverage.mean.n=30.mean=0.1.missed" in capsys.readouterr().err
    assert stats.main(["--repeats", "100", "--only", "errors"]) == 0
    printed = capsys.readouterr()
    wrong = next(line for line in printed.out.splitlines() if "mean.n=30.rare=0.02.wrong_pass" in line)
    assert " MORE " in wrong and not printed.err


def test_no_repeats_are_refused(capsys):
    with pytest.raises(SystemExit):
        stats.main(["--repeats", "0"])
    assert "--repeats=0" in capsys.readouterr().err


def test_stored_pairs_are_decided_on_the_side_where_they_are(capsys, tmp_path):
    rng = np.random.default_rng(3)
    samples = []
    for place in range(400):
        right = float(rng.random() < 0.6)
        for role, score in (("base", right), ("candidate", right if rng.random() < 0.9 else 1 - right)):
            samples.append(stored_sample(f"i{place}", role, score))
    writer = RunWriter.create(tmp_path, "run")
    writer.add_samples(samples)
    run = writer.finish(Manifest(), [], "complete")
    assert stats.main(["--run", str(run), "--repeats", "100"]) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.replace("margin=", "margin:").splitlines())
    assert lines["sequential.stored.pass.t.acc.non_inferior.margin:0.05.median_items"].endswith("wrong 0.0000")
    assert float(lines["sequential.stored.fail.t.acc.superior.margin:-0.05.share_of_all"]) < 1


def test_a_run_without_pairs_is_refused(capsys, tmp_path):
    assert stats.main(["--run", str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err


def stored_sample(item, role, score):
    return Sample(
        task="t", item_id=item, cluster=None, role=role, prompt_digest=item, prompt="", target="", answer="", parsed="",
        scores={"acc": score}, tags={}, stop_reason=None, prompt_tokens=1, completion_tokens=1, latency_s=0.0, cached=False,
    )  # fmt: skip
