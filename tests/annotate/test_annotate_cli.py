"""`assay annotate`: the page it writes, and what comes back, through the command itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from reviewed import TASK, answers, by, fill_in, island, ours, sample, stored_run, theirs, verdicts

from harness.cli import main
from harness.config import BUILT_IN_PROFILES, Config, Judging
from harness.config.settings import make_settings
from harness.judges.inputs import read_gold
from harness.judges.judgements import judge_task
from harness.records import Verdict

Assay = Callable[..., tuple[int, str, str]]
N = 24


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a run: two identical pairs of 24, and a judge who is for the candidate but for every third."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    stored_run(tmp_path / "reports", [*answers(N, identical=2), *verdicts({n: judge_says(n) for n in range(2, N)})])
    return tmp_path


@pytest.fixture
def assay(capsys: pytest.CaptureFixture[str]) -> Assay:
    """Run `annotate`: exit code, output with single spaces, and what it said on stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["annotate", *map(str, arguments)])
        shown = capsys.readouterr()
        return code, re.sub(" +", " ", shown.out), shown.err

    return run


@pytest.fixture
def page(assay: Assay, here: Path) -> Path:
    assert assay("r1")[0] == 0
    return here / "annotate-r1.html"


def judge_says(n: int) -> str:
    return "first" if n % 3 == 0 else "candidate"


def leaning(n: int) -> str:
    """One who is for the candidate but for every fourth item."""
    return "base" if n % 4 == 0 else "candidate"


def record(here: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((here / "reports" / "r1" / "annotations.json").read_text())
    return document


def standing(here: Path, rater: str) -> Mapping[str, Any]:
    return next(one for one in record(here)["standings"] if one["rater"] == rater)


def test_judgements_come_back_as_those_of_the_models_they_were_about(assay: Assay, page: Path, here: Path) -> None:
    saved = fill_in(page, here / "a.json", by(leaning))
    code, out, err = assay("r1", "--answers", saved)
    assert (code, err) == (0, "")
    assert all((one["prefers"] == leaning(int(one["item"][1:]))) for one in record(here)["judgements"])
    anna = standing(here, "anna")
    assert (anna["judged"], anna["identical"]) == (22, 2)
    assert anna["tally"] == {"wins": 17, "ties": 2, "losses": 5}
    assert anna["win_rate"]["value"] == pytest.approx(18 / 24)
    assert anna["win_rate"]["low"] < 18 / 24 < anna["win_rate"]["high"]
    likert = anna["likert"]
    assert [likert[side]["value"] for side in ("base", "candidate", "difference")] == [2, 4, 2]
    assert "anna 22 2 17 2 5 0.750 [" in out
    assert str(here / "reports" / "r1" / "annotations.json") in out


def test_agreement_with_the_runs_judge_is_that_of_its_verdicts_in_both_orders(
    assay: Assay, page: Path, here: Path
) -> None:
    out = assay("r1", "--answers", fill_in(page, here / "a.json", by(leaning)))[1]
    same = sum(leaning(n) == ("tie" if judge_says(n) == "first" else "candidate") for n in range(2, N))
    [agreement] = record(here)["agreements"]
    assert (agreement["first"], agreement["second"]) == ("anna", "judge solomon")
    assert (agreement["pairs"], agreement["same"]) == (22, same)
    chance = (17 * 15 + 0 + 0) / 22**2  # she: 17 candidate, 5 base; it: 15 candidate, 7 ties
    assert agreement["kappa"]["value"] == pytest.approx((same / 22 - chance) / (1 - chance))
    assert f"anna and judge solomon agree on {same} of 22 pairs: kappa" in out
    assert standing(here, "judge solomon")["win_rate"]["value"] == pytest.approx((15 + 7 / 2 + 1) / 24)


def test_several_annotators_are_held_against_each_other_and_counted_once_a_pair(
    assay: Assay, page: Path, here: Path
) -> None:
    anna = fill_in(page, here / "a.json", by(leaning))
    ben = fill_in(page, here / "b.json", by(lambda n: "base", 4, 2), annotator="ben")
    out = assay("r1", "--answers", anna, ben)[1]
    document = record(here)
    assert [one["rater"] for one in document["standings"]] == ["anna", "ben", "all together", "judge solomon"]
    assert standing(here, "all together")["win_rate"]["value"] == pytest.approx((17 / 2 + 1) / 24)
    assert standing(here, "all together")["likert"]["difference"]["value"] == 0
    pairs = [(one["first"], one["second"], one["same"]) for one in document["agreements"]]
    assert pairs[0] == ("anna", "ben", 5)
    assert [pair[:2] for pair in pairs[1:]] == [(name, "judge solomon") for name in ("anna", "ben", "all together")]
    assert "anna and ben agree on 5 of 22 pairs" in out


def test_kappa_is_told_as_undefined_where_all_say_one_thing(assay: Assay, page: Path, here: Path) -> None:
    saved = [fill_in(page, here / f"{name}.json", by(lambda n: "tie"), annotator=name) for name in ("anna", "ben")]
    code, out, _ = assay("r1", "--answers", *saved)
    assert code == 0
    assert "anna and ben agree on 22 of 22 pairs: kappa is not defined" in out


def test_of_an_unfinished_page_identical_answers_count_in_the_share_drawn(assay: Assay, here: Path) -> None:
    stored_run(here / "reports", answers(200, identical=100), run_id="r2")
    assert assay("r2")[0] == 0
    assay("r2", "--answers", fill_in(here / "annotate-r2.html", here / "a.json", by(lambda n: "candidate"), only=20))
    document = json.loads((here / "reports" / "r2" / "annotations.json").read_text())
    [anna] = document["standings"]
    assert anna["judged"] == 20
    assert 8 <= anna["identical"] <= 40
    assert anna["win_rate"]["value"] == pytest.approx((20 + anna["identical"] / 2) / (20 + anna["identical"]))


def test_what_was_left_open_is_no_judgement(assay: Assay, page: Path, here: Path) -> None:
    half = fill_in(page, here / "a.json", lambda n: ("candidate", None, 3) if n % 2 else (None, 1, 5))
    assert assay("r1", "--answers", half)[0] == 0
    anna = standing(here, "anna")
    assert (anna["judged"], anna["tally"]["losses"], anna["likert"]["difference"]["n"]) == (11, 0, 11)
    one = fill_in(page, here / "one.json", by(leaning), annotator="one", only=1)
    code, out, _ = assay("r1", "--answers", one)
    assert code == 0
    assert re.search(r"^one 1 \d \d \d \d \S", out, re.MULTILINE)
    assert standing(here, "one")["likert"] is None


def test_a_judge_that_compared_something_else_is_not_held_against_people(assay: Assay, here: Path) -> None:
    rows = [*answers(6), *verdicts(dict.fromkeys(range(6), "candidate"), against="reference")]
    stored_run(here / "reports", rows, run_id="r2")
    assay("r2")
    assay("r2", "--answers", fill_in(here / "annotate-r2.html", here / "a.json", by(leaning)))
    document = json.loads((here / "reports" / "r2" / "annotations.json").read_text())
    assert ([one["rater"] for one in document["standings"]], document["agreements"]) == (["anna"], [])


def test_exported_pairs_are_what_a_judge_can_be_tried_on(assay: Assay, page: Path, here: Path) -> None:
    anna = fill_in(page, here / "a.json", by(leaning))
    ben = fill_in(page, here / "b.json", by(lambda n: "tie" if n == 5 else leaning(n)), annotator="ben")
    code, out, _ = assay("r1", "--answers", anna, ben, "--export-gold", "mine.jsonl")
    assert code == 0
    assert "gold pairs: mine.jsonl (21; 1 disputed and 0 with conversations of their own left out)" in out
    pairs = read_gold(
        make_settings(
            Config(root=here, judge=Judging(gold="mine.jsonl"), profiles=BUILT_IN_PROFILES), profile="release"
        )
    )
    assert len(pairs.pairs) == 21
    labels = set()
    for pair in pairs.pairs:
        n = int(pair.question.id[1:])
        assert pair.question.turns == (f"Question {n}?",)
        assert (pair.a[-1] if pair.gold == "1" else pair.b[-1]) == (ours(n) if leaning(n) == "candidate" else theirs(n))
        labels.add(pair.gold)
    assert labels == {"1", "2"}


def test_a_pair_of_two_conversations_is_no_gold_pair(assay: Assay, here: Path) -> None:
    turn = [
        sample(90, role, text, prompt=f"[user]\nHi.\n\n[assistant]\n{text}\n\n[user]\nAnd?")
        for role, text in (("base", theirs(90)), ("candidate", ours(90)))
    ]
    stored_run(here / "reports", [*answers(3), *turn], run_id="r2")
    assay("r2")
    page = here / "annotate-r2.html"
    [own] = [pair for pair in island(page)["pairs"] if pair["prompt"] is None]
    assert {side["before"].split("\n")[4] for side in own["sides"]} == {ours(90), theirs(90)}
    saved = fill_in(page, here / "a.json", by(leaning))
    out = assay("r2", "--answers", saved, "--export-gold", "g.jsonl")[1]
    assert "(3; 0 disputed and 1 with conversations of their own left out)" in out
    assert "a judge is tried on at least 20" in out


def test_the_task_is_the_one_the_judge_compared_or_has_to_be_named(assay: Assay, here: Path) -> None:
    other = [sample(n, role, f"{role} {n}", task="essays") for n in range(3) for role in ("base", "candidate")]
    scored = [sample(n, role, "A", task="quiz", stop_reason=None) for n in range(3) for role in ("base", "candidate")]
    stored_run(here / "reports", [*answers(4), *other, *scored, *verdicts({1: "base"})], run_id="r2")
    stored_run(here / "reports", [*answers(4), *other, *scored], run_id="r3")
    stored_run(here / "reports", scored, run_id="r4")
    assert f"\n{TASK}: 4 pairs" in assay("r2")[1]
    assert "essays: 3 pairs" in assay("r2", "--task", "essays")[1]
    unfit = Verdict(f"judge/judge:{TASK}/win_rate", "inconclusive", "judge unfit", suite="judge", task=judge_task(TASK))
    trained_for = Verdict("task/essays/rouge1/superior", "pass", "fine", suite="task", task="essays")
    stored_run(here / "reports", [*answers(4), *other], run_id="r5", gates=[trained_for, unfit])
    assert f"\n{TASK}: 4 pairs" in assay("r5")[1]
    stored_run(here / "reports", [*answers(4), *other], run_id="r6", gates=[trained_for])
    assert "essays: 3 pairs" in assay("r6")[1]
    for arguments, told in (
        (("r3",), "has 2 tasks for which base and candidate wrote text\n remedy: name one with --task: essays, talk"),
        (("r4",), "has no tasks for which"),
        (("r2", "--task", "quiz"), "no answers of base and candidate to a task 'quiz'"),
    ):
        code, _, err = assay(*arguments)
        assert code == 2
        assert told in re.sub(" +", " ", err)


def test_an_interrupted_run_is_neither_shown_nor_written_to(assay: Assay, page: Path, here: Path) -> None:
    run = stored_run(here / "reports", answers(4), run_id="cut", status="interrupted")
    saved = fill_in(page, here / "a.json", by(leaning))
    for arguments in (("cut",), ("cut", "--answers", saved)):
        code, _, err = assay(*arguments)
        assert code == 2 and "was interrupted" in err
    assert not (run.path / "annotations.json").exists()


def test_answers_to_a_task_of_sensitive_texts_are_veiled(assay: Assay, page: Path, here: Path) -> None:
    stored_run(here / "reports", answers(3), run_id="r2", manifest={"data": {TASK: {"sensitive": True}}})
    assert assay("r2")[0] == 0
    assert 'class="card veiled"' in (here / "annotate-r2.html").read_text()
    assert 'class="card"' in page.read_text()


def test_where_there_is_nothing_to_compare_no_page_is_written(assay: Assay, here: Path) -> None:
    stored_run(here / "reports", answers(4, identical=4), run_id="r2")
    code, _, err = assay("r2")
    assert code == 2 and "all 4 answers drawn of talk are identical" in err
    assert not (here / "annotate-r2.html").exists()


def test_misuse_is_agreement(assay: Assay, page: Path, here: Path) -> None:
    saved = fill_in(page, here / "a.json", by(leaning))
    for arguments, told in (
        (("--limit", "0"), "--limit=0 draws nothing"),
        (("--export-gold", "g.jsonl"), "--export-gold needs judgements"),
        (("--answers", saved, "--seed", "3"), "--seed is for writing a page"),
        (("--answers", saved, "--export-gold", "g.txt"), "--export-gold=g.txt is no .jsonl file"),
    ):
        code, _, err = assay("r1", *arguments)
        assert code == 2 and told in err


def test_of_a_run_behind_a_url_it_must_be_said_where_to_write(assay: Assay, page: Path, here: Path) -> None:
    saved = fill_in(page, here / "a.json", by(leaning))
    import fsspec

    fsspec.filesystem("memory").put(str(here / "reports" / "r1"), "/shelf/r1", recursive=True)
    code, _, err = assay("memory://shelf/r1", "--answers", saved)
    assert code == 2 and "say with --output FILE" in err
    assert assay("memory://shelf/r1", "--answers", saved, "--output", "said.json")[0] == 0
    assert json.loads((here / "said.json").read_text())["run"] == "r1"
