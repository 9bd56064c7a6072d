"""How long `assay compare` takes, and how large a report is, on runs of the size of whole benchmarks.

    python -m benchmarks.compare [--samples 14000] [--report-samples 10000] [--rounds 3]

The runs are made up: MMLU's shape (57 subjects, five examples shared by a subject's questions, one base and one candidate
sample a question) and words with Zipf's frequencies, so that they compress like text. Prints `name=value` lines:
`compare_s` is a whole process from start to exit, below 3 wanted for 14,000 samples a run, and `compare_cpu_s` what it
takes of the processors, which a busy machine does not change; `report_mb` below 6 for 10,000;
`filter_ms` is the slowest filter of the report's own script, in node where there is one.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.records import Estimate, Limit, Role, Sample, Verdict
from harness.report import render_html
from harness.runs import Run, RunWriter, load_run

SUBJECTS = 57
EXAMPLES_WORDS, QUESTION_WORDS, ANSWER_WORDS = 450, 60, 40
FILTERS = Path(__file__).with_name("report_filters.js")


def main() -> None:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        words = Words(0)
        runs = [make_run(root, f"run-{i}", arguments.samples, words, seed=i) for i in (1, 2)]
        plain = [timed_compare(runs, root, html=False) for _ in range(arguments.rounds)]
        with_html = [timed_compare(runs, root, html=True) for _ in range(arguments.rounds)]
        print(f"samples={arguments.samples}")
        for name, timed in (("compare", plain), ("compare_html", with_html)):
            print(f"{name}_s={statistics.median(wall_s for wall_s, _ in timed):.2f}")
            print(f"{name}_cpu_s={statistics.median(cpu_s for _, cpu_s in timed):.2f}")
        print(f"comparison_mb={(root / 'compare.html').stat().st_size / 1e6:.2f}")

        run = make_run(root, "report", arguments.report_samples, words, seed=3)
        started_s = time.perf_counter()
        page = render_html(run)
        print(f"report_samples={arguments.report_samples}")
        print(f"render_s={time.perf_counter() - started_s:.2f}")
        print(f"report_mb={len(page.encode()) / 1e6:.2f}")
        node = shutil.which("node")
        if node is not None:
            (root / "report.html").write_text(page, encoding="utf-8")
            print(
                subprocess.run([node, FILTERS, root / "report.html"], capture_output=True, text=True, check=True).stdout
            )


class Words:
    """Text whose words are as frequent as those of English."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
        lengths = random.integers(2, 11, size=8000)
        self._words = ["".join(random.choice(letters, size=length)) for length in lengths]
        weights = 1 / np.arange(1, 8001)
        self._weights = weights / weights.sum()

    def text(self, random: np.random.Generator, count: int) -> str:
        """That many words."""
        return " ".join(self._words[i] for i in random.choice(8000, size=count, p=self._weights))


def make_run(root: Path, run_id: str, count: int, words: Words, seed: int) -> Run:
    """A run of `count` samples, half of them the base's; questions are the same in all runs, answers are not."""
    asked, answered = np.random.default_rng(0), np.random.default_rng(seed)
    examples = [words.text(asked, EXAMPLES_WORDS) for _ in range(SUBJECTS)]
    per_subject = -(-count // 2 // SUBJECTS)
    samples: list[Sample] = []
    for item in range(count // 2):
        subject = item // per_subject
        question = f"{examples[subject]}\n\n{words.text(asked, QUESTION_WORDS)}\nAnswer:"
        for role, skill in (("base", 0.4), ("candidate", 0.45)):
            right = float(answered.random() < skill)
            samples.append(_sample(item, subject, role, question, words.text(answered, ANSWER_WORDS), right, answered))
    writer = RunWriter.create(root, run_id)
    writer.add_samples(samples)
    facts: dict[str, Any] = {
        "model": {"name": "made up", "parts": {}},
        "adapter": {"name": run_id},
        "data": {"mmlu": {"digest": "d" * 64, "task": "t" * 64}},
    }
    return load_run(writer.finish(facts, _verdicts(), "complete"))


def _sample(
    item: int, subject: int, role: Role, prompt: str, answer: str, right: float, random: np.random.Generator
) -> Sample:
    return Sample(
        task="mmlu", item_id=f"subject_{subject}/{item}/{item * 7919 % 2**32:012x}", cluster=f"subject_{subject}",
        role=role, prompt_digest=f"{item:064x}", prompt=prompt, target=item % 4, answer=answer, parsed=item % 4,
        scores={"acc": right, "gold_logprob": -float(random.exponential()), "brier_score": float(random.random())},
        tags={"subject": f"subject_{subject}"}, stop_reason="eos", prompt_tokens=700, completion_tokens=40,
        latency_s=0.1234, cached=False,
    )  # fmt: skip


def _verdicts() -> list[Verdict]:
    gates = (("acc", True, 0.05), ("gold_logprob", True, 0.5), ("brier_score", False, 0.05))
    return [
        Verdict(
            f"forgetting/mmlu/{metric}/non_inferior", "pass", "made up", suite="forgetting", task="mmlu", metric=metric,
            kind="non_inferior", rule=f"non-inferior within {margin:g}", margin=margin, paired=True,
            limit=Limit(-margin, strict=True).of_metric(higher), higher_is_better=higher,
            estimate=Estimate(0.0, -0.01, 0.01), n=7000,
        )
        for metric, higher, margin in gates
    ]  # fmt: skip


def timed_compare(runs: list[Run], root: Path, *, html: bool) -> tuple[float, float]:
    """Seconds of `assay compare` from the start of its process to its exit, and those its processors worked."""
    command = [sys.executable, "-m", "harness.cli", "compare", *(str(run.path) for run in runs)]
    if html:
        command.append(f"--html={root / 'compare.html'}")
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall_s, after = time.perf_counter() - started_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=14_000, help="samples of each compared run")
    parser.add_argument("--report-samples", type=int, default=10_000, help="samples of the run that is reported")
    parser.add_argument("--rounds", type=int, default=3, help="comparisons timed of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
