"""The benchmark of false alarms: its gates are the suites', its resamples are runs that might have been, its losses true."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scripted import knower

from harness.config import Config
from harness.gates import Comparison
from harness.records import TrainingPoint
from harness.tasks import Task, build_task
from harness.tasks.built_in import BUILT_IN

ROOT = Path(__file__).parents[2]
NO_SCORES = {"overfitting/mini_math/repetition/non_inferior", "overfitting/mini_math/length_over_base/at_most"}
"""Gates on what is computed for them alone: no loss can be planted."""
ITEMS = {"mini_knowledge": 60, "mini_math": 60, "general_text": 20}


class Benchmark:
    """The modules of the benchmark, which is no part of the package."""

    def __getattr__(self, name: str) -> ModuleType:
        return importlib.import_module("benchmarks.false_alarms" + ("" if name == "main" else f"_{name}"))


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    monkeypatch.syspath_prepend(str(ROOT))
    return Benchmark()


@pytest.fixture
def config(benchmark: Benchmark) -> Config:
    """That of `smoke`, with a task of which samples are at hand."""
    gates = [{"metric": "exact_match", "superior": 0.2}, {"metric": "exact_match", "at_least": 0.7}]
    return benchmark.adapters.smoke_config().model_copy(update={"tasks": {"mini_math": {"gates": gates}}})


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    built = {name: build_task(name, spec, root=ROOT) for name, spec in BUILT_IN.items()}
    return {name: replace(task, items=task.items[: ITEMS[name]]) for name, task in built.items()}


@pytest.fixture
def measured(benchmark: Benchmark, tasks: dict[str, Task]) -> Callable[..., Any]:
    """An adapter that knows a share of the answers, and its base, which knows seven tenths."""

    def measure(seed: int = 0, skill: float = 0.7, drift: float = 0.02, base_skill: float = 0.7) -> Any:
        base, candidate = (
            knower(*(tasks[name] for name in ("mini_knowledge", "mini_math")), skill=each, drift=moved, seed=which)
            for each, moved, which in ((base_skill, 0.0, 0), (skill, drift, seed))
        )
        return benchmark.adapters.Measured(
            seed=seed,
            tasks=tasks,
            base={name: task.evaluate(base, "base") for name, task in tasks.items()},
            candidate={name: task.evaluate(candidate, "candidate") for name, task in tasks.items()},
            points=[TrainingPoint(1, loss=1.0, eval_loss=1.0)],
            kept_step=1,
        )

    return measure


@pytest.fixture
def scene(benchmark: Benchmark, measured: Callable[..., Any]) -> Callable[..., Any]:
    """A released adapter and a candidate of other skill."""

    def make(released: dict[str, Any] | None = None, **candidate: Any) -> Any:
        return benchmark.main._scene(measured(**(released or {})), measured(**candidate))

    return make


def mean_score(scene: Any, side: str, task: str, metric: str) -> float:
    return float(np.mean([sample.scores[metric] for sample in getattr(scene, side)[task]]))


class TestAdapters:
    def test_nothing_but_the_training_seed_differs(self, benchmark):
        one, other = (benchmark.adapters.short_recipe(seed).to_json() for seed in (17, 18))
        assert one.pop("trainer") == {**other.pop("trainer"), "seed": 17}
        assert one == other

    def test_a_training_is_one_pass_over_its_rows(self, benchmark):
        recipe = benchmark.adapters.short_recipe(17)
        rows = recipe.data.train.limit + recipe.data.rehearsal.limit
        assert recipe.trainer["max_steps"] * recipe.trainer["per_device_train_batch_size"] == rows == 400


class TestGates:
    def test_no_gate_of_the_forgetting_suite_is_lost(self, benchmark, config, scene):
        source = (ROOT / "suites" / "test_forgetting.py").read_text()
        gates = benchmark.gates.regression_gates(config, scene())
        put = [gate for gate in gates if gate.family == "forgetting"]
        assert len(put) == source.count("def test_") - 3  # all but that of --tasks, and what is asked further on
        assert "test_forgetting::test_is_not_worse_at" in benchmark.gates.left_out()

    def test_what_is_measured_on_samples_is_held_against_the_released_adapter_too(self, benchmark, config, scene):
        quick = benchmark.main._quick(config, scene())
        names = {gate.decide()[0] for gate in benchmark.gates.regression_gates(config, quick)}
        against, others = (
            {name.partition("/")[2] for name in names if name.startswith("released/") == released}
            for released in (True, False)
        )
        assert against <= others
        assert others - against == {
            "general_text/kl_per_token/at_most", "mini_math/length_over_base/at_most", "mini_math/repetition/non_inferior",
        }  # fmt: skip

    def test_a_gain_asked_of_the_base_is_a_loss_forbidden_against_the_released(self, benchmark, config, scene):
        gates = benchmark.gates.regression_gates(config, scene())
        held = [g.gateable for g in gates if g.family == "released" and g.gateable.rule.kind != "non_inferior"]
        assert [against.rule.kind for against in held] == ["superior", "at_least"]
        assert {against.decide().margin for against in held} == {config.margins.baseline}
        assert all(gate.gateable.kind != "superior" for gate in gates if gate.family == "forgetting")

    def test_answers_are_asked_for_overfitting(self, benchmark, config, scene):
        gates = benchmark.gates.regression_gates(config, scene())
        assert {gate.decide()[0] for gate in gates if gate.family == "overfitting"} == NO_SCORES | {
            "overfitting/mini_math/stops_with_eos/non_inferior"
        }

    def test_the_log_is_asked_too(self, benchmark, config, measured):
        overfit = replace(measured(), points=[TrainingPoint(1, loss=0.1, eval_loss=3.0)])
        decided = dict(gate.decide() for gate in benchmark.gates.log_gates(config, overfit))
        assert decided["overfitting/loss_gap/at_most"].outcome == "fail"

    def test_the_quick_form_decides_as_the_samples_themselves(self, benchmark, config, scene):
        full = scene(seed=1, skill=0.6)
        quick = benchmark.main._quick(config, full)
        pairs = zip(*(benchmark.gates.regression_gates(config, form) for form in (full, quick)), strict=True)
        for of_full, of_quick in pairs:
            (name, verdict), (other_name, other) = of_full.decide(), of_quick.decide()
            assert (name, verdict.outcome, verdict.n) == (other_name, other.outcome, other.n)
            for end in ("low", "value", "high"):
                assert getattr(verdict.estimate, end) == pytest.approx(getattr(other.estimate, end), abs=1e-12)


class TestResampling:
    def test_whole_clusters_are_drawn_and_one_drawn_twice_is_two(self, benchmark, scene):
        stored = scene()
        drawn = benchmark.resampling.resampled(stored, np.random.default_rng(0))
        sizes = Counter(sample.cluster for sample in stored.base["mini_math"])
        assert set(Counter(sample.cluster for sample in drawn.base["mini_math"]).values()) <= set(sizes.values())
        assert len({sample.cluster for sample in drawn.base["mini_math"]}) == len(sizes)
        assert len({sample.prompt for sample in drawn.base["mini_math"]}) < len(stored.base["mini_math"])
        assert all(sample.cluster is None for sample in drawn.base["mini_knowledge"])

    @pytest.mark.parametrize("exchanged", [False, True])
    def test_models_stay_paired(self, benchmark, scene, exchanged):
        drawn = benchmark.resampling.resampled(scene(seed=1), np.random.default_rng(0), exchanged=exchanged)
        for name, task in drawn.tasks.items():
            for other in (drawn.base, drawn.released):
                pairs = Comparison(task, other[name], drawn.candidate[name]).pairs
                assert all(one.prompt == two.prompt for one, two in pairs)

    def test_exchange_makes_neither_adapter_better_and_drawing_alone_keeps_the_loss(self, benchmark, scene):
        worse = scene(skill=0.1)
        for exchanged, expected in ((True, 0.0), (False, mean_loss(worse))):
            rng = np.random.default_rng(0)
            drawn = [benchmark.resampling.resampled(worse, rng, exchanged=exchanged) for _ in range(60)]
            assert np.mean([mean_loss(one) for one in drawn]) == pytest.approx(expected, abs=0.05)


def mean_loss(scene: Any) -> float:
    """Of solved problems, against the released adapter."""
    released, candidate = (mean_score(scene, side, "mini_math", "exact_match") for side in ("released", "candidate"))
    return released - candidate


class TestPlanting:
    @pytest.mark.parametrize(
        ("family", "side"), [("forgetting", "base"), ("overfitting", "base"), ("released", "released")]
    )
    @pytest.mark.parametrize("times", [1, 2])
    def test_the_true_loss_is_the_margin(self, benchmark, config, scene, family, side, times):
        stored = scene(seed=1)
        verdicts = verdicts_of(benchmark, config, stored, family)
        planted = benchmark.planting.plant_losses(stored, verdicts, times)
        assert planted.losses.keys() == verdicts.keys() - NO_SCORES
        rng = np.random.default_rng(0)
        spoilt = [benchmark.planting.spoil(stored, planted.plants, rng) for _ in range(400)]
        for name in planted.losses:
            verdict = verdicts[name]
            sign = 1 if verdict.higher_is_better else -1
            wanted = times * verdict.margin
            scores = np.mean([mean_score(one, "candidate", verdict.task, verdict.metric) for one in spoilt])
            before = 0.0 if verdict.kind == "at_most" else mean_score(stored, side, verdict.task, verdict.metric)
            assert planted.losses[name] == wanted
            assert sign * (before - scores) == pytest.approx(wanted, rel=0.1)

    def test_scores_of_yes_and_no_stay_so(self, benchmark, config, scene):
        stored = scene()
        planted = benchmark.planting.plant_losses(stored, verdicts_of(benchmark, config, stored, "forgetting"), 2)
        spoilt = benchmark.planting.spoil(stored, planted.plants, np.random.default_rng(0))
        before, after = (
            np.array([sample.scores["acc"] for sample in one.candidate["mini_knowledge"]]) for one in (stored, spoilt)
        )
        assert set(after) <= {0.0, 1.0}
        assert np.all(after <= before) and after.sum() < before.sum()

    def test_a_gate_on_a_slice_is_left_out_for_its_metric_is_planted_once(self, benchmark, config, scene):
        stored = scene(seed=1)
        verdicts = verdicts_of(benchmark, config, stored, "released")
        name, verdict = next(item for item in verdicts.items() if item[1].metric == "exact_match")
        both = {name: verdict, f"{name} of a slice": replace(verdict, slice={"kind": "sum"})}
        planted = benchmark.planting.plant_losses(stored, both, 1)
        assert list(planted.losses) == [name] and len(planted.plants) == 1

    def test_a_base_with_too_little_to_lose_is_left_out(self, benchmark, config, scene):
        stored = scene(base_skill=0.0, skill=0.0)
        verdicts = verdicts_of(benchmark, config, stored, "forgetting")
        planted = benchmark.planting.plant_losses(stored, verdicts, 1)
        assert verdicts.keys() - planted.losses.keys() == {"forgetting/mini_math/exact_match/non_inferior"}


def verdicts_of(benchmark: Benchmark, config: Config, scene: Any, family: str) -> dict[str, Any]:
    quick = benchmark.main._quick(config, scene)
    return dict(gate.decide() for gate in benchmark.gates.regression_gates(config, quick) if gate.family == family)


class TestFigures:
    def test_an_error_stops_a_release_and_one_gate_its_family(self, benchmark):
        tally = benchmark.tally.Tally()
        tally.add({"forgetting/a": "pass", "forgetting/b": "error", "released/a": "inconclusive"})
        tally.add({"forgetting/a": "pass", "forgetting/b": "pass", "released/a": "pass"})
        assert tally.share("forgetting/b", "fail") == tally.share("forgetting", "fail") == (1, 2)
        assert tally.share("released", "fail") == (0, 2)
        assert tally.share("any", "fail") == tally.share("any", "pass") == (1, 2)

    def test_a_rate_is_missed_only_beyond_monte_carlo_error(self, benchmark):
        assert benchmark.tally.may_be_at_most(0.05, 48, 800, tests=1)  # 6%
        assert not benchmark.tally.may_be_at_most(0.05, 64, 800, tests=1)  # 8%
        assert benchmark.tally.may_be_at_most(0.05, 57, 800, tests=20)  # the worst of twenty
        assert not benchmark.tally.may_be_at_most(0.05, 57, 800, tests=1)

    def test_an_adapter_that_is_the_released_one_raises_no_alarm(self, benchmark, config, measured, capsys):
        assert benchmark.main.alarms(config, measured(), [measured()], 2)
        lines = figures(capsys.readouterr().out)
        assert lines["false_alarm_rate_observed"] == lines["false_alarm_rate_exchangeable"] == 0
        assert lines["measured.seed_0.fail"] == 0

    def test_a_ruined_adapter_raises_one_each_time(self, benchmark, config, measured, capsys, monkeypatch):
        monkeypatch.setattr(benchmark.main, "ALARMS_ALLOWED", 0.2)  # below what two resamplings can tell from certainty
        assert not benchmark.main.alarms(config, measured(), [measured(skill=0.05, drift=2.0)], 2)
        lines = figures(capsys.readouterr().out)
        assert lines["false_alarm_rate_observed"] == 1
        assert lines["alarms.observed.released.fail"] == lines["alarms.observed.forgetting.fail"] == 1

    def test_power_tells_the_loss_planted_and_what_was_said_of_it(self, benchmark, config, measured, capsys):
        benchmark.main.power(config, measured(), [measured(seed=1)], 1)
        lines = figures(capsys.readouterr().out)
        gate = "mini_knowledge/acc/non_inferior"
        assert lines[f"power.base.2x.forgetting/{gate}.true_loss"] == 2 * config.margins.knowledge_acc
        assert lines[f"power.released.1x.released/{gate}.true_loss"] == config.margins.knowledge_acc
        assert f"power.released.2x.released/{gate}.fail" in lines
        assert 0 <= lines["largest_share_passing_at_the_margin"] <= 1

    def test_no_resamplings_are_refused(self, benchmark, capsys):
        with pytest.raises(SystemExit):
            benchmark.main.main(["--resamplings", "0"])
        assert "--resamplings=0" in capsys.readouterr().err


def figures(output: str) -> dict[str, float]:
    pairs = (line.split()[0].split("=") for line in output.splitlines())
    return {name: float(value) for name, value in pairs}
