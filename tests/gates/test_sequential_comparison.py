"""A comparison that is measured only as far as a gate needs decides as one that is measured whole, and asks for less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from harness.engines.requests import Answer, GenerateRequest, Prompt, Request
from harness.errors import ConfigError, TaskError
from harness.gates import Comparison
from harness.gates.sequential import FIRST_BATCH
from harness.gates.sequential_comparison import SAMPLE, SequentialComparison
from harness.metrics.base import Metric
from harness.records import Noise, Role, Sample
from harness.tasks import Task
from harness.tasks.base import Grade, Item

N = 2000
METRICS = (
    Metric("hit", kind="binary", floor=0.0),
    Metric("choice", kind="binary", floor=0.25),
    Metric("miss", kind="binary", higher_is_better=False),
    Metric("share", bounds=(0.0, 1.0)),
    Metric("logprob"),
    Metric("spread", corpus=lambda targets, parsed: float(len(set(parsed)))),
)


@dataclass(frozen=True)
class Scores:
    """A grader of which only the metrics are used."""

    metrics: Sequence[Metric] = METRICS
    digest: str = "d"

    def requests(self, item: Item) -> Sequence[Request]:
        return (GenerateRequest(item.prompt),)

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        return Grade({})


class Benchmark:
    """A benchmark of given scores, in a random order; remembers which positions were asked for."""

    def __init__(self, base: Sequence[float | None], candidate: Sequence[float | None]) -> None:
        self.asked: list[tuple[int, int]] = []
        self.task = Task("t", [Item("0", Prompt(text="p"), "x")], Scores(), "d")
        order = np.random.default_rng(4).permutation(len(base))
        self._pairs = [(row(i, "base", base[i]), row(i, "candidate", candidate[i])) for i in order]
        self.comparison = SequentialComparison(self.task, len(base), self._measure)

    def _measure(self, start: int, stop: int) -> Comparison:
        self.asked.append((start, stop))
        part = self._pairs[start:stop]
        return Comparison(self.task, [base for base, _ in part], [candidate for _, candidate in part])


def row(index: int, role: Role, score: float | None) -> Sample:
    scores = dict.fromkeys(("hit", "choice", "share", "logprob"), score)
    return Sample(
        task="t", item_id=f"i{index:05}", cluster=None, role=role, prompt_digest=f"p{index}", prompt="?", target="x",
        answer="x", parsed=score, scores={**scores, "miss": None if score is None else 1 - score},
        tags={"half": "first" if index < N / 2 else "second"}, stop_reason="eos", prompt_tokens=1, completion_tokens=1,
        latency_s=0.0, cached=False,
    )  # fmt: skip


def benchmark(lost: float = 0.0, noise: float = 0.05, n: int = N, seed: int = 0) -> Benchmark:
    """A base at 70%, of whose right answers the candidate loses a share, and as many flips either way as `noise` says."""
    rng = np.random.default_rng(seed)
    base = (rng.random(n) < 0.7).astype(float)
    candidate = np.where(rng.random(n) < noise, 1 - base, base)
    candidate = np.where(rng.random(n) < lost, 0.0, candidate)
    return Benchmark(base.tolist(), candidate.tolist())


@pytest.mark.parametrize("metric", ["hit", "miss", "share"])
@pytest.mark.parametrize(("lost", "outcome"), [(0.0, "pass"), (0.4, "fail")])
def test_a_clear_case_is_decided_alike_from_a_part(metric: str, lost: float, outcome: str) -> None:
    made = benchmark(lost)
    verdict = made.comparison.metric(metric).non_inferior(0.1).decide()
    whole = benchmark(lost).comparison.whole.metric(metric).non_inferior(0.1).decide()
    assert verdict.outcome == whole.outcome == outcome
    facts = verdict.details["sequential"]
    assert facts == {"items": made.asked[-1][1], "of": N} and facts["items"] < N / 2
    assert verdict.n == facts["items"] and f"decided after {facts['items']:,} of 2,000 items" in verdict.reason
    assert verdict.minimum_detectable_effect is None and "betting" in verdict.method
    assert verdict.estimate is not None and whole.estimate is not None
    low, high = verdict.estimate.low, verdict.estimate.high
    assert low is not None and high is not None and low <= whole.estimate.value <= high


def test_each_look_sees_the_items_that_the_last_one_did_not() -> None:
    made = benchmark(lost=0.05)
    verdict = made.comparison.metric("hit").non_inferior(0.08).decide()
    assert len(made.asked) > 1 and verdict.n < N
    seen = made.comparison.upto(verdict.n).metric("hit")
    assert seen.base is not None and verdict.estimate is not None
    assert verdict.estimate.value == pytest.approx(seen.candidate.mean() - seen.base.mean())


def test_superior_passes_at_a_gain_and_fails_without_one() -> None:
    rng = np.random.default_rng(1)
    base = (rng.random(N) < 0.3).astype(float)
    better = np.maximum(base, rng.random(N) < 0.5)
    assert Benchmark(base.tolist(), better.tolist()).comparison.metric("hit").superior(0.1).decide().outcome == "pass"
    assert Benchmark(base.tolist(), better.tolist()).comparison.metric("hit").superior().decide().outcome == "pass"
    same = Benchmark(base.tolist(), base.tolist())
    assert same.comparison.metric("hit").superior(0.1).decide().outcome == "fail"
    assert same.asked[-1][1] < N


def test_what_one_gate_measured_serves_the_next() -> None:
    made = benchmark()
    made.comparison.metric("hit").non_inferior(0.1).decide()
    first = list(made.asked)
    made.comparison.metric("miss").non_inferior(0.2).decide()
    assert made.asked == first
    made.comparison.metric("logprob").non_inferior(0.1).decide()
    assert made.asked[-1] == (first[-1][1], SAMPLE)


def test_a_metric_of_all_items_together_is_measured_whole() -> None:
    made = benchmark()
    verdict = made.comparison.metric("spread").non_inferior(5.0).decide()
    assert verdict == made.comparison.whole.metric("spread").non_inferior(5.0).decide()
    assert made.asked == [(0, FIRST_BATCH), (FIRST_BATCH, N)] and "sequential" not in verdict.details


@pytest.mark.parametrize(("lost", "outcome"), [(0.0, "pass"), (0.4, "fail")])
def test_a_metric_without_bounds_is_decided_on_a_number_of_items_that_is_fixed(lost: float, outcome: str) -> None:
    made = benchmark(lost)
    verdict = made.comparison.metric("logprob").non_inferior(0.1).decide()
    fixed = made.comparison.upto(SAMPLE).metric("logprob").non_inferior(0.1).decide()
    assert verdict.outcome == fixed.outcome == outcome and verdict.estimate == fixed.estimate
    assert made.comparison.measured == SAMPLE and verdict.details["sequential"] == {"items": SAMPLE, "of": N}
    assert verdict.reason.endswith("decided by 1,000 of 2,000 items, drawn at random")


def test_what_another_gate_measured_moves_no_decision() -> None:
    alone, after = benchmark(), benchmark()
    _ = after.comparison.upto(1500)
    for metric in ("logprob", "hit"):
        assert after.comparison.metric(metric).non_inferior(0.1).decide() == (
            alone.comparison.metric(metric).non_inferior(0.1).decide()
        )


def test_what_the_fixed_number_leaves_open_is_decided_by_all_items() -> None:
    made = benchmark(lost=0.1)
    rule = made.comparison.metric("logprob").non_inferior(0.09)
    assert made.comparison.upto(SAMPLE).metric("logprob").non_inferior(0.09).decide().outcome == "inconclusive"
    verdict = rule.decide()
    assert verdict == made.comparison.whole.metric("logprob").non_inferior(0.09).decide()


def test_a_loss_without_bounds_that_nobody_drew_is_not_passed() -> None:
    made = Benchmark([0.0] * N, [0.0] * N)
    last = made._pairs[-1]
    made._pairs[-1] = (last[0], row(int(last[0].item_id[1:]), "candidate", -1000.0))
    verdict = made.comparison.metric("logprob").non_inferior(0.1).decide()
    assert made.comparison.upto(SAMPLE).metric("logprob").non_inferior(0.1).decide().outcome == "pass"
    assert (verdict.outcome, verdict.n) == ("inconclusive", N)


def test_a_margin_as_wide_as_the_scores_makes_sense_too() -> None:
    assert benchmark().comparison.metric("miss").non_inferior(1.0).decide().outcome == "pass"
    assert benchmark().comparison.metric("miss").superior(1.0).decide().outcome == "fail"


def test_a_metric_that_leaves_items_out_is_decided_on_those_it_does_not() -> None:
    scores: list[float | None] = [1.0, None] * 1000
    verdict = Benchmark(scores, scores).comparison.metric("hit").non_inferior(0.1).decide()
    assert verdict.outcome == "pass" and verdict.details["sequential"]["items"] == SAMPLE
    assert verdict.n is not None and 400 < verdict.n < 600


def guess(share: float, n: int) -> Benchmark:
    """A base that is right on a share of the items, and a candidate that differs from it on one in 20."""
    rng = np.random.default_rng(1)
    base = (rng.random(n) < share).astype(float)
    return Benchmark(base.tolist(), np.where(rng.random(n) < 0.05, rng.random(n) < share, base).astype(float).tolist())


def test_a_base_near_chance_is_measured_until_it_stands_clear_of_it() -> None:
    """Of 6,000 items at 28% where chance is 25%: the loss is ruled out long before the base is known to be no guesser."""
    made = guess(0.28, 6000)
    whole = guess(0.28, 6000).comparison.whole.metric("choice").non_inferior(0.02).decide()
    verdict = made.comparison.metric("choice").non_inferior(0.02).decide()
    assert verdict.outcome == whole.outcome == "pass"
    assert verdict.n is not None and 1075 < verdict.n < 6000


def test_a_base_that_guesses_is_known_to_have_nothing_to_lose_before_all_is_measured() -> None:
    made = guess(0.25, 6000)
    verdict = made.comparison.metric("choice").non_inferior(0.05).decide()
    assert verdict.outcome == "inconclusive" and verdict.reason.startswith("at floor")
    assert verdict.details["sequential"]["items"] == made.comparison.measured < 3000


def test_a_close_case_is_decided_by_all_items_as_without_stopping() -> None:
    made = Benchmark([1.0] * 600, [0.0] * 30 + [1.0] * 570)  # exactly the margin
    verdict = made.comparison.metric("hit").non_inferior(0.05).decide()
    assert verdict == made.comparison.whole.metric("hit").non_inferior(0.05).decide()
    assert verdict.outcome == "inconclusive"


def test_a_base_at_its_floor_is_not_passed_early() -> None:
    made = Benchmark([0.0] * N, [0.0] * N)
    verdict = made.comparison.metric("hit").non_inferior(0.1).decide()
    assert verdict.outcome == "inconclusive" and verdict.reason.startswith("at floor")


def test_other_rules_slices_and_arrays_are_those_of_all_items() -> None:
    made = benchmark()
    assert made.comparison.metric("hit").at_least(0.5).decide().n == N
    assert made.comparison.where(half="first").metric("hit").n == N / 2
    assert made.comparison.metric("hit").candidate.shape == (N,)


def test_misuse_is_told_before_much_is_measured() -> None:
    made = benchmark()
    with pytest.raises(TaskError, match="no metric 'bleu'"):
        made.comparison.metric("bleu").non_inferior(0.1).decide()
    with pytest.raises(ConfigError, match="margin=0"):
        made.comparison.metric("hit").non_inferior(0.0).decide()
    assert made.asked == [(0, FIRST_BATCH)]


def test_the_noise_of_all_items_is_told_of_all_items_alone() -> None:
    bench = Benchmark([1.0, 0.0] * 100, [1.0, 0.0] * 100)
    noise = {"hit": Noise(0.03, "lora", "2026-11-30")}
    comparison = SequentialComparison(bench.task, 200, bench._measure, noise)
    assert comparison.upto(100).metric("hit").noise is None
    assert comparison.whole.metric("hit").noise == noise["hit"]
