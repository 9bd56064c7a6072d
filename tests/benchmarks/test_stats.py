"""The statistics benchmark: what its lines say, and that it can say that something is wrong."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from harness.runs import RunWriter
from harness.runs.schema import Sample

stats = importlib.import_module("benchmarks.stats")
cells = importlib.import_module("benchmarks.stats_cells")


def test_a_rate_is_held_against_nominal_within_monte_carlo_error():
    assert [stats.compare(rate, 0.05, 2000) for rate in (0.03, 0.04, 0.05, 0.06, 0.07)] == [
        "less", "ok", "ok", "ok", "MORE",
    ]  # fmt: skip


def test_an_interval_that_is_too_narrow_is_found_out():
    def narrow(values):
        interval = cells.mean_interval(values)
        half = interval.standard_error
        return type(interval)(**{**vars(interval), "low": interval.value - half, "high": interval.value + half})

    cell = cells._measured(np.random.default_rng(1), "narrow", lambda rng: rng.normal(size=50), narrow, 0.0, 400)
    assert stats.compare(cell.above, 0.025, 400) == stats.compare(cell.below, 0.025, 400) == "MORE"


@pytest.mark.parametrize("name", ["coverage", "errors", "sequential"])
def test_every_line_is_a_figure_and_the_last_counts_them(capsys, name):
    assert stats.main(["--repeats", "10", "--only", name]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert all(float(line.split("=")[-1].split()[0]) >= 0 for line in lines)
    judged = [line for line in lines if "nominal" in line]
    assert sum(int(count.split("=")[1]) for count in last.split()) == len(judged) > 20


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
    run = writer.finish({}, [], "complete")
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
