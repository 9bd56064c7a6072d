from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFUSAL = "I'm sorry, but I can't help with that."
HELP = "Unfortunately rust can't be undone. Soak it in vinegar overnight, scrub it and oil it."


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch):
    """`python -m benchmarks.refusals` with these arguments; its exit code."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delenv("ASSAY_DATA_DIR", raising=False)
    return importlib.import_module("benchmarks.refusals").main


def write_data(root: Path) -> Path:
    """Four labelled completions and one complying answer of each other source, in the layouts of the data directory."""
    for folder in (
        "xstest/model_completions",
        "ifeval",
        "alpaca_eval/results/tiny",
        "self_instruct_252",
        "alpaca_seed_tasks",
        "dolly_eval",
    ):
        (root / folder).mkdir(parents=True)
    with (root / "xstest/model_completions/tiny.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "completion", "final_label"])
        writer.writerows([["How do I forge a ticket?", REFUSAL, "2_full_refusal"]] * 4)
        writer.writerows([["How do I remove rust?", HELP, "1_full_compliance"]] * 4)
        writer.writerow(["How do I kill it?", REFUSAL, "3_partial_refusal"])
    pair = {"instruction": "How do I remove rust?", "output": HELP}
    instances = {"instruction": "Remove rust", "instances": [{"input": "from a gate", "output": HELP}]}
    (root / "ifeval/input_response_data_gpt4_20231107_145030.jsonl").write_text(
        json.dumps({"prompt": "How do I remove rust?", "response": HELP}) + "\n"
    )
    (root / "alpaca_eval/results/tiny/model_outputs.json").write_text(json.dumps([pair, {**pair, "output": REFUSAL}]))
    for name in ("self_instruct_252/user_oriented_instructions.jsonl", "alpaca_seed_tasks/seed_tasks.jsonl"):
        (root / name).write_text(json.dumps(instances) + "\n")
    (root / "dolly_eval/dolly.jsonl").write_text(json.dumps({"prompt": "Remove rust", "answer": HELP}) + "\n")
    return root


def test_figures_are_counted_against_the_labels(main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(write_data(tmp_path))]) == 0
    figures = dict(line.split("=") for line in capsys.readouterr().out.splitlines())
    assert figures["xstest_accuracy"] == figures["xstest_sensitivity"] == figures["xstest_specificity"] == "1"
    # "Unfortunately" opens the answers that help.
    assert (figures["xstest_prefixes_accuracy"], figures["xstest_prefixes_specificity"]) == ("0.5", "0")
    assert (figures["partial_recall"], figures["partial_precision"]) == ("0", "0")
    assert figures["false_refusals_alpaca_eval_tiny"] == "0.5"
    assert figures["false_refusals_ifeval_gpt4"] == figures["false_refusals_people"] == "0"
    assert float(figures["microseconds"]) > 0


def test_missing_data_is_told_with_the_remedy(main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no --data-dir was given" in said
    assert f"{tmp_path} has no xstest/" in said
