"""The judge suite in a real pytest run, with the tiny model under test and a scripted judge over HTTP."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answer_pairs import better
from project import Project, counts
from scripted_judge import Rule, ScriptedJudge, always_first, oracle

from harness.config import BUILT_IN_PROFILES, Config
from harness.config.settings import make_settings
from harness.judges.inputs import read_gold
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.location import Location
from harness.runs.storage import Store
from harness.tasks.open_sets import open_task

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "suites" / "test_judge.py"
GOLD = ROOT / "fixtures" / "data" / "judge" / "pairs.jsonl"
WIN_RATE = "judge/mini_instructions/win_rate/at_least"


@pytest.fixture
def judged(project: Project) -> Project:
    """A project with the shipped suite, few gold pairs, few and short answers, and no tasks of its own."""
    shutil.copy(SUITE, project.root / SUITE.name)
    lines = GOLD.read_text().splitlines(keepends=True)
    (project.root / "gold.jsonl").write_text("".join(lines[::2]))
    project.config |= {
        "tasks": {},
        "judge": {"gold": "gold.jsonl", "answer_tokens": 8, "null_pairs": 4},
        "profiles": {"smoke": {"limits": {"mini_instructions": 16}}},
    }
    return project


def knower() -> Rule:
    """An oracle on the gold pairs and on reference answers; of anything else it says that it is a tie."""
    settings = make_settings(Config(root=Path(), profiles=BUILT_IN_PROFILES))
    questions = open_task("mini_instructions", settings).questions
    references = [(q.turns[-1], q.reference) for q in questions if q.reference is not None]
    return oracle([*better(read_gold(settings).pairs), *references])


def samples(project: Project) -> pd.DataFrame:
    return pd.read_parquet(project.run_directory / "samples.parquet")


def test_without_a_judge_the_suite_is_skipped_with_the_reason(judged: Project) -> None:
    result = judged.run("test_judge.py")
    assert counts(result) == {"skipped": 2}
    assert result.ret == pytest.ExitCode.OK


def test_an_unfit_judge_is_told_and_not_asked_about_the_candidate(judged: Project) -> None:
    with ScriptedJudge(always_first) as server:
        result = judged.run("test_judge.py", f"--judge=openai:judge@{server.url}")
    assert result.ret == pytest.ExitCode.OK
    assert judged.outcomes == {"test_judge_is_fit": "inconclusive", "test_answers_are_not_worse": "inconclusive"}
    reasons = {v["reason"] for v in judged.verdicts.values()}
    assert len(reasons) == 1
    assert re.match(
        r"judge unfit: agrees with 50.0% of 32 gold pairs, .*; both orders .* 0.0% of 32 pairs", reasons.pop()
    )
    assert len(server.answered) == 2 + 2 * 32  # the listing, whether it gives log-probabilities, and the gold pairs
    assert set(samples(judged)["role"]) == {"judge"}
    assert "judge unfit" in (judged.run_directory / "summary.md").read_text()


def test_a_fit_judge_decides_and_a_second_run_asks_nothing(judged: Project) -> None:
    with ScriptedJudge(knower()) as server:
        result = judged.run("test_judge.py", f"--judge=openai:judge@{server.url}")
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()
        assert judged.verdicts["judge/fit"]["outcome"] == "pass"
        verdict = judged.verdicts[WIN_RATE]
        assert verdict["estimate"] is not None and verdict["n"] == 16
        asked = len(server.seen)

        rows = samples(judged)
        kinds = rows.groupby(["task", "role"]).size().to_dict()
        assert kinds[("judge:gold.jsonl", "judge")] == 64
        assert kinds[("mini_instructions", "base")] == kinds[("mini_instructions", "candidate")] == 16
        assert kinds[("judge:mini_instructions", "judge")] <= 32
        assert set(rows[rows["task"] == "judge:mini_instructions"]["item_id"].str.rpartition("/")[2]) == {
            "candidate-first", "base-first",
        }  # fmt: skip
        told = judged.manifest["judge"]
        assert (told["name"], told["mode"], told["gold"]) == ("judge", "pairwise", "gold.jsonl")
        assert told["prompt_tokens"] == 7 * (asked - 2)
        assert (told["reads"], "no log-probabilities" in told["reads_because"]) == ("text", True)
        assert "mini_instructions" in judged.manifest["data"]
        page = (judged.run_directory / "report.html").read_text()
        assert "judge health" in page and "tokens read and" in page

        assert judged.run("test_judge.py", f"--judge=openai:judge@{server.url}").ret == pytest.ExitCode.OK
        assert judged.manifest["answers"]["computed"] == 0
        assert judged.manifest["judge"]["prompt_tokens"] == 0
        assert len(server.answered) == asked + 2  # the listing, and for log-probabilities, again


def test_a_server_that_tells_log_probabilities_is_read_by_them_and_the_report_says_so(judged: Project) -> None:
    with ScriptedJudge(knower(), certainty=0.9) as server:
        judge = f"--judge=openai:judge@{server.url}"
        assert judged.run("test_judge.py", judge).ret == pytest.ExitCode.OK
        assert judged.manifest["judge"]["reads"] == "logprobs"
        fit = judged.verdicts["judge/fit"]
        assert (fit["outcome"], fit["details"]["verdicts are read from"]) == (
            "pass",
            "log-probabilities of the verdict",
        )
        assert {seen.body["max_tokens"] for seen in server.answered if seen.body} == {1}
        asked = len(server.answered)
        assert judged.run("test_judge.py", judge).ret == pytest.ExitCode.OK
        assert len(server.answered) == asked + 1  # the listing


def test_the_released_adapters_answers_may_be_the_opponent(judged: Project) -> None:
    with ScriptedJudge(knower()) as server:
        judge = f"--judge=openai:judge@{server.url}"
        judged.run("test_judge.py", judge)
        promote(load_run(judged.run_directory), Store(Location(str(judged.root / "reports"))), force="the first")
        judged.config["judge"]["against"] = "baseline"
        judged.config["margins"] = {"win_rate": 0.15}  # sixteen ties tell no more
        assert judged.run("test_judge.py", judge, "--baseline=main").ret == pytest.ExitCode.OK
        verdict = judged.verdicts[WIN_RATE]
        assert (verdict["outcome"], verdict["estimate"]["value"]) == ("pass", 0.5)
        assert "preferred to the baseline 50.0% of the time" in verdict["reason"]
        assert verdict["details"]["judging"]["identical answers, not asked about"] == 16
        assert set(samples(judged)["role"]) == {"judge", "candidate"}

        judged.config["judge"]["answer_tokens"] = 6
        assert judged.run("test_judge.py", judge, "--baseline=main").ret == pytest.ExitCode.OK
        verdict = judged.verdicts["judge/mini_instructions/win_rate/not_worse"]
        assert verdict["outcome"] == "inconclusive"
        assert verdict["reason"].startswith("main cannot be held against on mini_instructions: prompts, grading differ")
        assert "measured the same way" in verdict["remedy"]

        assert judged.run("test_judge.py", judge).ret == pytest.ExitCode.TESTS_FAILED
        told = judged.verdicts["judge/test_answers_are_not_worse"]
        assert (told["outcome"], "--baseline=RUN" in told["remedy"]) == ("error", True)


def test_a_budget_stops_the_run_and_a_larger_one_goes_on(judged: Project) -> None:
    with ScriptedJudge(knower()) as server:
        judge = f"--judge=openai:judge@{server.url}"
        assert judged.run("test_judge.py", judge, "--judge-budget=2000").ret == pytest.ExitCode.OK
        assert set(judged.outcomes.values()) == {"inconclusive"}
        reason = judged.verdicts["judge/fit"]["reason"]
        assert re.match(r"judge budget spent: [\d,]+ tokens of 2,000 tokens", reason)
        asked = len(server.answered) - 2
        assert 0 < 10 * asked <= 2000
        assert judged.run("test_judge.py", judge, "--judge-budget=1000000").ret == pytest.ExitCode.OK
        assert judged.verdicts["judge/fit"]["outcome"] == "pass"
        assert judged.manifest["answers"]["cached"] >= asked
        assert (
            len({str(seen.body) for seen in server.answered}) == len(server.answered) - 2
        )  # but for the listing and the trial


def test_a_judge_that_is_the_base_is_the_base_in_memory(judged: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.models import loading

    loads: list[Any] = []
    load = loading.load_model
    monkeypatch.setattr(loading, "load_model", lambda *a, **k: (loads.append(a), load(*a, **k))[1])
    result = judged.run("test_judge.py", f"--judge={judged.config['model']}")
    assert result.ret == pytest.ExitCode.OK
    assert judged.verdicts["judge/fit"]["outcome"] == "inconclusive"
    assert len(loads) == 1
    assert judged.manifest["judge"]["digest"] == judged.manifest["model"]["digest"]


def test_reference_answers_may_be_the_opponent_and_answers_may_be_rated(judged: Project) -> None:
    judged.config["judge"] |= {"against": "reference", "mode": "rubric"}
    with ScriptedJudge(knower()) as server:
        assert judged.run("test_judge.py", f"--judge=openai:judge@{server.url}").ret == pytest.ExitCode.TESTS_FAILED
    verdict = judged.verdicts["judge/mini_instructions/rating/non_inferior"]
    assert verdict["outcome"] == "fail"
    assert "base" not in set(samples(judged)["role"])


def test_a_task_of_ones_own_is_judged_on_its_prompts_by_parallel_workers_too(judged: Project) -> None:
    rows = [{"ask": f"Say {n}", "good": f"It is {n}."} for n in range(12)]
    judged.write_rows(rows, "talk.jsonl")
    judged.config["tasks"] = {
        "talk": {
            "kind": "generation",
            "data": "talk.jsonl",
            "prompt": "{ask}",
            "target_field": "good",
            "max_new_tokens": 4,
        }
    }
    judged.config["judge"] |= {"task": "talk", "against": "reference", "reads": "text"}
    pairs = [*better(read_gold(make_settings(Config(root=ROOT, profiles=BUILT_IN_PROFILES))).pairs)]
    with ScriptedJudge(oracle([*pairs, *((row["ask"], row["good"]) for row in rows)])) as server:
        result = judged.run("test_judge.py", "-n2", f"--judge=openai:judge@{server.url}")
        assert len({str(seen.body) for seen in server.answered if seen.body}) == sum(
            bool(s.body) for s in server.answered
        )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    verdict = judged.verdicts["judge/talk/win_rate/at_least"]
    assert (verdict["outcome"], verdict["n"], verdict["candidate"]["value"]) == ("fail", 12, 0.0)
    assert judged.manifest["judge"]["prompt_tokens"] == 7 * judged.manifest["judge"]["completion_tokens"] / 3


def test_a_rubric_of_a_task_decides_by_a_fit_judge_and_by_another_only_its_own_gate_stays_open(judged: Project) -> None:
    judged.write_rows([{"ask": f"Say {n}"} for n in range(80)], "talk.jsonl")
    judged.config["tasks"] = {
        "talk": {
            "kind": "generation",
            "data": "talk.jsonl",
            "prompt": "{ask}",
            "max_new_tokens": 4,
            "metrics": [{"rubric": "Is the answer polite?", "name": "polite"}, {"max_tokens": 4}],
            "gates": [{"metric": "polite", "at_least": 7}, {"metric": "max_tokens", "at_least": 0.9}],
        }
    }
    judged.config["profiles"]["smoke"]["limit"] = 80
    judged.write_tests("def test_task(task_gate, compare, gate):\n    gate(task_gate.apply(compare(task_gate.task)))\n")
    knows = oracle(better(read_gold(make_settings(Config(root=judged.root, judge={"gold": "gold.jsonl"},
                                                         profiles=BUILT_IN_PROFILES))).pairs))  # fmt: skip
    polite = lambda asked: "9" if asked.instruction.startswith("Say ") else knows(asked)  # noqa: E731
    gates = {"task/talk/polite/at_least": "pass", "task/talk/max_tokens/at_least": "pass"}
    with ScriptedJudge(polite) as server:
        judge = f"--judge=openai:judge@{server.url}"
        result = judged.run("test_pets.py", judge)
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()
        assert {name.replace("pets/", "task/"): v["outcome"] for name, v in judged.verdicts.items()} == gates
        assert judged.verdicts["pets/talk/polite/at_least"]["candidate"]["value"] == 9.0
        rows = samples(judged).groupby(["task", "role"]).size().to_dict()
        assert (rows[("judge:talk:polite", "judge")], rows[("judge:gold.jsonl", "judge")]) == (160, 64)
        assert "Is the answer polite?" in str([seen.body for seen in server.answered])
        assert judged.manifest["data"]["talk"]["judges"] == {"polite": judged.manifest["judge"]["digest"]}
        assert "polite" in (judged.run_directory / "report.html").read_text()
        asked = len(server.answered)
        assert judged.run("test_pets.py", judge).ret == pytest.ExitCode.OK
        assert len(server.answered) == asked + 1  # the listing
    with ScriptedJudge(always_first) as server:
        result = judged.run("test_pets.py", f"--judge=openai:judge@{server.url}")
        assert (result.ret, counts(result)) == (pytest.ExitCode.OK, {"inconclusive": 1, "passed": 1})
        told = judged.verdicts["pets/talk/polite/at_least"]
        assert (told["outcome"], told["open_because"], told["task"]) == ("inconclusive", ["obstacle"], "talk")
        assert told["reason"].startswith("judge unfit: agrees with 50.0%")
        assert "Is the answer polite?" not in str([seen.body for seen in server.answered])


@pytest.mark.parametrize(
    ("judge", "arguments", "told"),
    [
        ({}, ["--judge-budget=lots"], "--judge-budget=lots is no budget"),
        ({}, ["--judge-budget=5USD"], "is in dollars, and the judge has no prices"),
        ({"price_input": 1.0}, ["--judge-budget=5USD"], "one price of two"),
        ({"mode": "elo"}, [], "judge.mode is 'elo'"),
        ({"modle": "x"}, [], "unknown key 'modle'"),
    ],
)
def test_a_wrong_judge_section_or_budget_is_a_usage_error(
    judged: Project, judge: dict[str, Any], arguments: list[str], told: str
) -> None:
    judged.config["judge"] = judge
    result = judged.run("test_judge.py", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in " ".join(result.errlines + result.outlines)
