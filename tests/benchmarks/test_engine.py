from __future__ import annotations

import csv
import importlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch):
    """`python -m benchmarks.engine` with these arguments; its exit code."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delenv("ASSAY_DATA_DIR", raising=False)
    return importlib.import_module("benchmarks.engine").main


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One subject in the layout of the MMLU files, and lm-eval's index of it alone, which is otherwise read for seconds."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    index = {"mmlu_astronomy": ["TASK", "mmlu/default/mmlu_astronomy.yaml", []]}
    (tmp_path / "cache" / f"lm-eval-{version('lm_eval')}-tasks.json").write_text(json.dumps(index))
    for split, rows in (("dev", 5), ("test", 6)):
        folder = tmp_path / "data" / "mmlu" / split
        folder.mkdir(parents=True)
        with (folder / f"astronomy_{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["question", "choice0", "choice1", "choice2", "choice3", "answer"])
            writer.writerows([f"Who sings {n} {split}?", "birds", "dogs", "foxes", "tables", "0"] for n in range(rows))
    return tmp_path / "data"


@pytest.mark.parametrize("arguments", [[], ["--data-dir", "no/such/directory"]])
def test_without_data_it_says_what_to_pass(main, capsys, arguments):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "--data-dir=DIR" in captured.err
    assert captured.out == ""


def test_an_unknown_figure_is_refused_with_the_known_ones(main, capsys):
    with pytest.raises(SystemExit):
        main(["--only", "speed"])
    assert "hellaswag" in capsys.readouterr().err


def test_the_known_figures_are_those_there_are(main):
    figures = importlib.import_module("benchmarks.engine_figures").FIGURES
    assert list(figures) == list(importlib.import_module("benchmarks.engine").NAMES)


def test_the_cache_figure_is_measured_on_a_small_model_and_file(main, capsys, data_dir, tiny_model_dir):
    assert main(["--data-dir", str(data_dir), "--model", str(tiny_model_dir), "--only", "cache", "--scale", "0.1"]) == 0
    figures = dict(line.split("=") for line in capsys.readouterr().out.splitlines())
    assert float(figures["second_run_speedup"]) > 1
    assert 0 < float(figures["bookkeeping_share"]) < 1
    assert int(figures["second_run_equal_answers"]) == 4 * 5  # choices of a tenth of fifty items


def test_a_shape_with_random_weights_races_lm_evals_model(main, capsys, data_dir, tiny_model_dir, monkeypatch):
    shapes = importlib.import_module("benchmarks.engine_shapes")
    sizes = {"vocab_size": 700, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "head_dim": 8}
    more = {"num_key_value_heads": 2, "sliding_window": 64, "max_position_embeddings": 2048}
    small = shapes.Shape("gemma3_text", 9, ("sliding_attention", "full_attention"), {**sizes, **more})
    monkeypatch.setitem(shapes.SHAPES, "gemma3-270m", small)
    quick = ["--only", "mmlu", "--subjects", "1", "--scale", "0.1", "--peer-batch-size", "2", "--clock", "process"]
    random = ["--random", "gemma3-270m", "--layers", "2"]
    assert main(["--data-dir", str(data_dir), "--model", str(tiny_model_dir), *random, *quick]) == 0
    figures = dict(line.split("=") for line in capsys.readouterr().out.splitlines())
    assert figures["way"] == "forked caches"
    assert int(figures["mmlu_ours_tokens"]) < int(figures["mmlu_peer_tokens"])
    assert float(figures["mmlu_speedup"]) > 0
    assert figures["mmlu_items"] == figures["mmlu_equal_choices"] == "5"
    assert float(figures["mmlu_largest_difference_nats"]) < 1e-4


def test_the_known_shapes_are_those_there_are(main):
    shapes = importlib.import_module("benchmarks.engine_shapes").SHAPES
    assert list(shapes) == list(importlib.import_module("benchmarks.engine").SHAPES)
