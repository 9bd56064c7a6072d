"""Adapters of several runs on one scale: who is rated, by what battles, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import MANIFEST

from harness.compare.leaderboard import Leaderboard, make_leaderboards
from harness.compare.runs import compare_runs
from harness.config.budget import Tokens
from harness.judges.judgements import JudgeReply, PairwiseJudgement, judgement_rows
from harness.judges.parsing import VERDICT
from harness.records import Manifest, Role, Sample, Verdict
from harness.report.comparison.html import render_comparison
from harness.report.comparison.text import render_text
from harness.runs import Run, RunWriter, load_run
from harness.runs.baselines import NamedRun
from harness.stats.ratings import Battle, elo_ratings
from harness.tasks.questions import AnswerPair, Question

N = 40
JUDGE: dict[str, Any] = {"name": "gpt", "digest": "j" * 64, "mode": "pairwise", "reads": "text", "against": "base"}


def answered(role: Role, answers: Sequence[str]) -> list[Sample]:
    return [
        Sample(
            task="talk", item_id=f"q{n}", cluster=f"c{n // 2}", role=role, prompt_digest=f"p{n}", prompt=f"Ask {n}?",
            target="the reference", answer=text, parsed=[text], scores={}, tags={}, stop_reason="eos", prompt_tokens=5,
            completion_tokens=1, latency_s=0.1, cached=False,
        )
        for n, text in enumerate(answers)
    ]  # fmt: skip


def reply(said: str) -> JudgeReply:
    text = f"Verdict: {said}"
    return JudgeReply("asked", f"d{said}", text, VERDICT.parse_text(text), Tokens(9, 2), "eos", 0.1, False)


def run(
    root: Path,
    name: str,
    wins: int,
    *,
    own: int = 30,
    asked: int = N,
    judge: dict[str, Any] | None = None,
    **manifest: Any,
) -> Run:
    """A run whose candidate wins on so many of its first, `own` questions, and on the others says what the base says."""
    judge = {**JUDGE, **(judge or {})}
    base = [f"base {n}" for n in range(N)]
    candidate = [f"{name} {n}" if n < own else base[n] for n in range(N)]
    pairs = [AnswerPair(Question(f"q{n}", (f"Ask {n}?",)), (candidate[n],), (base[n],)) for n in range(asked)]
    judged = [
        PairwiseJudgement(d) if d.identical else PairwiseJudgement(d, tuple(map(reply, "12" if n < wins else "21")))
        for n, d in enumerate(pairs)
    ]
    rows = judgement_rows("talk", judged, sides=("candidate", str(judge["against"])))
    writer = RunWriter.create(root, name)
    writer.add_samples([*answered("base", base), *answered("candidate", candidate), *rows])
    data = {"talk": {"digest": "d" * 64, "task": "g" * 64}}
    facts = {**MANIFEST, "adapter": {"name": f"out/{name}"}, "data": data, "judge": judge, **manifest}
    verdict = Verdict("judge/talk/win_rate/at_least", "pass", "preferred", task="judge:talk", metric="win_rate")
    return load_run(writer.finish(Manifest.read(facts), [verdict], "complete"))


def rated(*runs: Run) -> Leaderboard:
    [found] = make_leaderboards([NamedRun(one, one.id) for one in runs])
    return found


def test_candidates_are_rated_around_the_base_and_identical_answers_are_ties(tmp_path: Path) -> None:
    ratings = rated(run(tmp_path, "weak", 8), run(tmp_path, "strong", 24))
    assert [(one.run, one.name) for one in ratings.entries] == [(1, ""), (None, "base"), (0, "")]
    assert (ratings.left_out, ratings.problem, ratings.judge) == ({}, "", "gpt")
    battles = [
        Battle(f"c{n // 2}", name, "base", 0.5 if n >= 30 else float(n < wins))
        for name, wins in (("0", 8), ("1", 24))
        for n in range(N)
    ]
    assert [one.rating for one in ratings.entries] == list(elo_ratings(battles, anchor="base").values())


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        ({"judge": {"digest": "k" * 64}}, "judge differ"),
        ({"judge": {"mode": "rubric"}}, "judge mode (pairwise, there rubric) differ"),
        ({"judge": {"reads": "logprobs"}}, "judge reads (text, there logprobs) differ"),
        ({"model": {**MANIFEST["model"], "digest": "n" * 64}}, "base differ"),
        ({"asked": 20}, "judged on 30 of 40 questions only"),
    ],
)
def test_a_run_judged_otherwise_is_left_out_with_the_reason(
    tmp_path: Path, difference: dict[str, Any], told: str
) -> None:
    runs = run(tmp_path, "a", 8), run(tmp_path, "b", 24), run(tmp_path, "c", 20, **difference)
    ratings = rated(*runs)
    assert ratings.left_out == {2: told}
    assert {one.run for one in ratings.entries} == {None, 0, 1}


def test_two_runs_judged_otherwise_are_not_rated_at_all(tmp_path: Path) -> None:
    ratings = rated(run(tmp_path, "a", 8), run(tmp_path, "b", 24, judge={"digest": "k" * 64}))
    assert (ratings.entries, ratings.problem) == ((), "fewer than two runs were judged alike")


def test_a_released_adapter_is_an_opponent_like_any_other(tmp_path: Path) -> None:
    met: dict[str, Any] = {"judge": {"against": "baseline"}, "baseline": {"run": "first"}}
    released, later = run(tmp_path, "first", 20), run(tmp_path, "later", 25, **met)
    ratings = rated(released, later)
    assert [(one.run, one.name) for one in ratings.entries] == [(1, ""), (0, ""), (None, "base")]
    assert ratings.entries[2].rating.value == 1000
    strangers = rated(run(tmp_path, "other", 9), run(tmp_path, "x", 9), later)
    assert strangers.left_out == {2: "its opponent, the run first, is not among these"}


def test_reference_answers_are_an_opponent_without_an_anchor(tmp_path: Path) -> None:
    against: dict[str, Any] = {"own": N, "judge": {"against": "reference"}}
    ratings = rated(run(tmp_path, "a", 8, **against), run(tmp_path, "b", 24, **against))
    assert [(one.run, one.name) for one in ratings.entries] == [(1, ""), (None, "reference"), (0, "")]
    assert sum(one.rating.value for one in ratings.entries) == pytest.approx(3000)


def test_one_judged_run_and_gold_pairs_alone_are_nothing_to_rate(tmp_path: Path) -> None:
    one, other = run(tmp_path, "a", 8), run(tmp_path, "b", 8)
    plain = replace(other, path=run(tmp_path, "unjudged", 0, asked=0).path)
    assert make_leaderboards([NamedRun(one, "a"), NamedRun(plain, "b")]) == ()


def test_the_comparison_shows_the_ratings_and_what_is_left_out(tmp_path: Path) -> None:
    runs = run(tmp_path, "weak", 8), run(tmp_path, "strong", 24), run(tmp_path, "odd", 24, judge={"digest": "k" * 64})
    compared = compare_runs([NamedRun(one, one.id) for one in runs], margin=0.02)
    text = render_text(compared)
    table = text[text.index("Elo by talk, judged by gpt") :].splitlines()[1:5]
    assert [line.split()[:2] for line in table[:3]] == [["B", "out/strong"], ["base", "1,000"], ["A", "out/weak"]]
    assert table[3] == "  C is not rated: judge differ"
    page = render_comparison(compared)
    assert 'href="#ratings"' in page and "<bdi>B out/strong</bdi>" in page and "C is not rated: judge differ." in page
    assert "C and A do not compare on judge:talk: judge differ" in text
    assert "B and A do not compare" not in text


def test_runs_without_judgements_have_no_ratings_section(tmp_path: Path) -> None:
    one, other = (run(tmp_path, name, 0, asked=0) for name in "ab")
    compared = compare_runs([NamedRun(one, "a"), NamedRun(other, "b")], margin=0.02)
    assert compared.ratings == ()
    assert "Elo" not in render_text(compared) and "#ratings" not in render_comparison(compared)
