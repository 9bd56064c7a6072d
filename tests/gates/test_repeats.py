"""Gates over items that were asked several times: intervals, slices and causes count items, not answers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scripted import scripted_engine

from harness.engines import Answer, Generation, Prompt, Request
from harness.engines.requests import GenerateRequest
from harness.gates import Comparison, Evaluation
from harness.gates.baseline import AgainstBaseline
from harness.gates.noise import noise_floor
from harness.gates.slices import find_driver, item_gains, slice_table
from harness.metrics.base import Metric
from harness.metrics.repeats import repeat_scores
from harness.records import Noise, Sample
from harness.report.gate_table import gate_row
from harness.tasks import Item, Task
from harness.tasks.classification import ClassificationGrader
from harness.tasks.references import AnswerGrader
from harness.tasks.repeated import RepeatedTask, Sampling

TEMPERATURE = 0.7
REPEATS = 4


def task(count: int, *, repeats: int = REPEATS, tags: Callable[[int], str] = str) -> RepeatedTask:
    items = [Item(f"i{k}", Prompt.chat(f"q{k}"), "yes", tags={"kind": tags(k)}) for k in range(count)]
    made = Sampling(repeats, TEMPERATURE).drawing(Task("t", items, AnswerGrader(), "d"))
    assert isinstance(made, RepeatedTask)
    return made


def drawn(asked: RepeatedTask, world: str, shift: Callable[[int], float] = lambda k: 0.0) -> list[Sample]:
    """A model that knows the k-th item by a logit of its own, and answers at the temperature by the request's seed."""

    def answer(request: Request) -> Answer:
        assert isinstance(request, GenerateRequest)
        k = int(request.prompt.messages[-1].content.removeprefix("q"))
        logit = random.Random(f"item {k}").gauss(0.3, 1.2) + shift(k)
        knows = 1 / (1 + math.exp(-logit / request.temperature))
        right = random.Random(f"{world}/{request.seed}").random() < knows
        return Generation("yes" if right else "no", "eos", 3, 1, 0.1)

    return asked.evaluate(scripted_engine(answer), "candidate")


def compared(asked: RepeatedTask, base: Sequence[Sample], candidate: Sequence[Sample]) -> Comparison:
    return Comparison(asked, base, candidate)


def redrawn(asked: RepeatedTask, template: Sequence[Sample], rng: np.random.Generator) -> list[Sample]:
    """Further answers of the model of `drawn` at its temperature, right or wrong, without asking for them."""
    logits = np.array([random.Random(f"item {k}").gauss(0.3, 1.2) for k in range(len(asked.items))])
    right = rng.random((len(logits), REPEATS)) < 1 / (1 + np.exp(-logits / TEMPERATURE))[:, None]
    metric = asked.metric("exact_match")
    scores = [
        {
            "exact_match": float(one),
            **repeat_scores(metric, of_item.astype(float).tolist(), [(bool(r), "") for r in of_item]),
        }
        for of_item in right
        for one in of_item
    ]
    return [replace(sample, scores=of_sample) for sample, of_sample in zip(template, scores, strict=True)]


def test_of_200_pairs_of_one_candidate_at_most_1_in_20_seems_changed() -> None:
    asked, rng = task(40), np.random.default_rng(7)
    template = drawn(asked, "any")
    metrics = ("exact_match", "pass@2", "pass^4", "agreement")
    better, worse = dict.fromkeys(metrics, 0), dict.fromkeys(metrics, 0)
    for _ in range(200):
        twice = compared(asked, redrawn(asked, template, rng), redrawn(asked, template, rng))
        for metric in metrics:
            interval = twice.metric(metric).difference(0.95)
            better[metric] += interval.low > 0
            worse[metric] += interval.high < 0
    for metric in metrics:
        assert better[metric] + worse[metric] <= 10, metric
    assert sum(better.values()) + sum(worse.values()) > 0  # they are drawn, not the same


def test_the_same_answers_counted_as_independent_would_seem_changed_too_often() -> None:
    """What clusters are for: a candidate that differs on a few items only, in all of their repeats."""
    wrong, wrong_alone, rng, asked = 0, 0, np.random.default_rng(3), task(40)
    samples = drawn(asked, "any")
    for _ in range(100):
        per_item = rng.choice([-1.0, 0.0, 1.0], 40, p=[0.2, 0.6, 0.2])
        base = np.repeat((per_item < 0).astype(float), REPEATS)
        candidate = np.repeat((per_item > 0).astype(float), REPEATS)
        pairs = [
            [
                replace(one, scores={**one.scores, "exact_match": score})
                for one, score in zip(samples, side, strict=True)
            ]
            for side in (base, candidate)
        ]
        measured = compared(asked, *pairs).metric("exact_match")
        alone = replace(measured, clusters=None).difference(0.95)
        together = measured.difference(0.95)
        wrong += together.low > 0 or together.high < 0
        wrong_alone += alone.low > 0 or alone.high < 0
    assert wrong <= 5
    assert wrong_alone >= 15


def test_a_real_change_is_seen() -> None:
    asked = task(120)
    better = compared(asked, drawn(asked, "a"), drawn(asked, "b", lambda k: 1.5))
    assert better.metric("exact_match").superior().decide().outcome == "pass"
    assert better.metric("pass^4").superior().decide().outcome == "pass"
    worse = compared(asked, drawn(asked, "a"), drawn(asked, "b", lambda k: -1.5))
    assert worse.metric("exact_match").non_inferior(0.05).decide().outcome == "fail"


def test_a_verdict_counts_items() -> None:
    asked = task(30)
    verdict = compared(asked, drawn(asked, "a"), drawn(asked, "b")).metric("exact_match").superior().decide()
    assert verdict.n == 30
    one = task(1)
    few = compared(one, drawn(one, "a"), drawn(one, "b")).metric("exact_match").superior().decide()
    assert few.open_because == ("too_few",)
    assert few.reason.startswith("only 1 item measured")


def test_a_slice_of_one_item_has_no_p_value_for_its_repeats() -> None:
    asked = task(12, repeats=8, tags=lambda k: "alone" if k == 0 else "other")
    base, candidate = drawn(asked, "a"), drawn(asked, "b", lambda k: -9 if k == 0 else 0)
    table = slice_table(compared(asked, base, candidate).metric("exact_match"), 0.95)
    assert table["kind", "alone"].n == 8 and table["kind", "alone"].p_value is None
    assert table["kind", "other"].p_value is not None


def test_repeats_of_few_items_drive_no_loss() -> None:
    asked = task(24, repeats=8, tags=lambda k: "two" if k < 2 else "many")
    samples = drawn(asked, "a")
    measured = compared(asked, samples, drawn(asked, "a", lambda k: -20 if k < 2 else 0)).metric("exact_match")
    gains = item_gains(measured)
    assert gains is not None and gains.min() == -1
    assert find_driver(measured, gains) is None
    assert find_driver(replace(measured, items=()), gains) == ("kind", "two")


def test_a_slice_that_many_items_of_lose_is_still_named() -> None:
    asked = task(40, tags=lambda k: "bad" if k % 4 == 0 else "good")
    measured = compared(asked, drawn(asked, "a"), drawn(asked, "a", lambda k: -9 if k % 4 == 0 else 0)).metric(
        "exact_match"
    )
    gains = item_gains(measured)
    assert gains is not None
    assert find_driver(measured, gains) == ("kind", "bad")


def with_noise(comparison: Comparison, floor: float) -> Comparison:
    return replace(comparison, noise={"exact_match": Noise(floor, "pets-lora", "2026-11-30")})


def test_a_margin_under_the_noise_is_called_so_and_stays_as_it_was_decided() -> None:
    asked = task(60)
    plain = compared(asked, drawn(asked, "a"), drawn(asked, "b"))
    quiet = plain.metric("exact_match").non_inferior(0.02).decide()
    loud = with_noise(plain, 0.051).metric("exact_match").non_inferior(0.02).decide()
    assert loud.is_under_noise and loud.noise == Noise(0.051, "pets-lora", "2026-11-30")
    assert (loud.outcome, loud.estimate) == (quiet.outcome, quiet.estimate)
    assert quiet.noise is None and not quiet.is_under_noise
    said = "; the margin of 2.0 is under the noise: two measurements of one candidate differ by up to 5.1"
    assert loud.reason == quiet.reason + said
    assert dict(gate_row(loud).facts)["noise floor"] == "0.051, above the margin; pets-lora measured twice, 2026-11-30"
    assert "noise floor" not in dict(gate_row(quiet).facts)


def test_a_margin_above_the_noise_shows_it_and_says_nothing() -> None:
    asked = task(60)
    plain = compared(asked, drawn(asked, "a"), drawn(asked, "b"))
    for rule in (lambda m: m.non_inferior(0.06), lambda m: m.superior(0.06), lambda m: m.superior()):
        verdict = rule(with_noise(plain, 0.051).metric("exact_match")).decide()
        assert not verdict.is_under_noise and verdict.noise is not None
        assert "noise" not in verdict.reason
        assert dict(gate_row(verdict).facts)["noise floor"].startswith("0.051; pets-lora")


def test_what_compares_nothing_has_no_noise_and_a_slice_not_that_of_the_whole() -> None:
    asked = task(60, tags=lambda k: "ab"[k % 2])
    noisy = with_noise(compared(asked, drawn(asked, "a"), drawn(asked, "b")), 0.5)
    assert noisy.metric("exact_match").at_least(0.1).decide().noise is None
    assert noisy.where(kind="a").metric("exact_match").non_inferior(0.02).decide().noise is None
    assert noisy.metric("token_f1").non_inferior(0.02).decide().noise is None


def test_against_the_released_adapter_the_margin_meets_the_same_noise() -> None:
    asked = task(60)
    base, candidate = drawn(asked, "a"), drawn(asked, "b")
    rule = with_noise(compared(asked, base, candidate), 0.051).metric("exact_match").non_inferior(0.02)
    verdict = AgainstBaseline(rule, Evaluation(asked, candidate), base, "v1", {}, 0.01).decide()
    assert verdict.is_under_noise and "under the noise" in verdict.reason


def test_the_noise_floor_holds_19_of_20_differences_of_one_candidate() -> None:
    asked, rng = task(40), np.random.default_rng(11)
    template = drawn(asked, "any")
    differences, floors = [], []
    for _ in range(150):
        twice = compared(asked, redrawn(asked, template, rng), redrawn(asked, template, rng))
        measured = twice.metric("exact_match")
        base, candidate = measured.values()
        assert base is not None
        differences.append(abs(candidate - base))
        floors.append(noise_floor(measured))
    beyond = sum(one > float(np.mean(floors)) for one in differences)
    assert 1 <= beyond <= 15
    assert np.std(floors) < 0.3 * np.mean(floors)


def test_the_noise_floor_of_a_corpus_metric_is_found_by_exchanging() -> None:
    items = [Item(f"i{k}", Prompt.chat(f"q{k}"), "yes" if k % 2 else "no") for k in range(60)]
    made = Sampling(REPEATS, TEMPERATURE).drawing(Task("t", items, ClassificationGrader(labels=("yes", "no")), "d"))
    assert isinstance(made, RepeatedTask)
    twice = compared(made, drawn(made, "a"), drawn(made, "b"))
    accuracy, macro = (noise_floor(twice.metric(name)) for name in ("accuracy", "macro_f1"))
    assert 0.3 < macro / accuracy < 3
    as_corpus = replace(
        twice.metric("accuracy"),
        metric=Metric(
            "share", corpus=lambda targets, said: float(np.mean([t == s for t, s in zip(targets, said, strict=True)]))
        ),
    )
    assert noise_floor(as_corpus) == pytest.approx(accuracy, rel=0.2)


def test_what_never_differs_has_no_noise() -> None:
    asked = task(20)
    samples = drawn(asked, "a")
    assert noise_floor(compared(asked, samples, samples).metric("exact_match")) == 0
