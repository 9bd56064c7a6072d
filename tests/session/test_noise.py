"""The noise of a task is measured by asking one candidate twice, kept, and found by later runs of the same set-up alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import ROWS, TASK
from tiny import save_tiny_adapter

from harness.cli import main
from harness.config import Config
from harness.config.settings import make_settings
from harness.judges.engine import JudgeEngine
from harness.judges.loading import LoadedJudge
from harness.paths import cache_dir
from harness.session import Session
from harness.session.noise import known_noise, measure_noise

DRAWN = {"kind": "exact_match", "repeats": 3, "temperature": 1.5, "metrics": [{"contains": "e"}]}
GATES = [{"metric": "contains", "non_inferior": 0.0001}, {"metric": "contains", "superior": 0.9}]
NewSession = Callable[..., Session]


@pytest.fixture
def new_session(tmp_path: Path, tiny_model_dir: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> NewSession:
    """Makes a session as a new pytest run would."""
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def make(keys: dict[str, Any] = DRAWN, **given: Any) -> Session:
        config = Config(root=tmp_path, tasks={"pets": {**TASK, **keys}})
        wanted = {"model": str(tiny_model_dir), "adapter": str(adapter), "dtype": "float32", **given}
        return Session(make_settings(config, **wanted))

    return make


def test_draws_make_noise_that_the_next_run_tells_beside_its_margin(new_session: NewSession) -> None:
    session = new_session()
    found = {one.metric: one for one in measure_noise(session, "pets")}
    assert found["contains"].floor > 0
    assert {"exact_match", "pass^3", "agreement", "answer_tokens"} <= found.keys()
    later = new_session()
    measured = later.compare("pets").metric("contains")
    assert measured.noise is not None and measured.noise.floor == found["contains"].floor
    assert measured.noise.candidate == session.models.candidate.name
    assert measured.non_inferior(found["contains"].floor / 2).decide().is_under_noise
    assert not measured.non_inferior(found["contains"].floor * 2).decide().is_under_noise


def test_the_first_measurement_is_the_run_s_own_and_both_are_resumed(new_session: NewSession) -> None:
    session = new_session()
    session.compare("pets")
    computed = session.facts().answers.computed
    found = measure_noise(session, "pets")
    assert session.facts().answers.computed == computed
    later = new_session()
    assert measure_noise(later, "pets") == found
    assert later.models.engine("candidate").computed == 0
    assert "loaded" not in vars(later.models)


def test_greedy_answers_in_process_have_none(new_session: NewSession) -> None:
    floors = {one.floor for one in measure_noise(new_session({}), "pets")}
    assert floors == {0.0}
    verdict = new_session({}).compare("pets").metric("accuracy").non_inferior(0.01).decide()
    assert verdict.noise is not None and not verdict.is_under_noise


def test_it_holds_for_another_candidate_of_this_set_up(
    new_session: NewSession, tiny_model_dir: Path, tmp_path: Path
) -> None:
    measure_noise(new_session(), "pets")
    other = new_session(adapter=str(save_tiny_adapter(tiny_model_dir, tmp_path / "other", seed=9)))
    assert known_noise(other.models, other.task("pets")).keys() >= {"contains", "pass^3"}


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        ({**DRAWN, "temperature": 0.7}, {}),
        ({**DRAWN, "repeats": 2}, {}),
        ({**DRAWN, "limit": 5}, {}),
        (DRAWN, {"dtype": "bfloat16"}),
    ],
)
def test_it_does_not_hold_for_another_set_up(
    new_session: NewSession, keys: dict[str, Any], given: dict[str, Any]
) -> None:
    measure_noise(new_session(), "pets")
    other = new_session(keys, **given)
    assert known_noise(other.models, other.task("pets")) == {}


def test_a_judge_that_wavers_is_asked_a_second_time(
    new_session: NewSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedy answers are the same both times; what the judge says of them is not."""
    asked: list[str] = []

    class Runner:
        def __init__(self, session: Any, settings: Any, judge: Any, **_: Any) -> None:
            self.identity_digest = judge.engine.identity_digest

        def rate(self, task: Any, samples: list[Any], rubric: Any) -> list[float]:
            asked.append(self.identity_digest)
            return [5.0 + (len(asked) - 1) * (k % 2) for k, _ in enumerate(samples)]

    monkeypatch.setattr("harness.checks.judge.runner.JudgeRunner", Runner)
    session = new_session({"kind": "exact_match", "metrics": [{"rubric": "Is it polite?"}]}, judge="smollm2-135m")
    judge = LoadedJudge(None, None, JudgeEngine("judge", None, session.models.answers))  # type: ignore[arg-type]
    session.__dict__["loaded_judge"] = judge
    found = {one.metric: one for one in measure_noise(session, "pets")}
    assert asked == ["judge", judge.engine.again().identity_digest]
    assert (found["rubric"].first, found["rubric"].second) == (5.0, 5.5)
    assert found["rubric"].floor > 0 and found["exact_match"].floor == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"floors": 3}', '{"floors": {"contains": "x"}}'])
def test_a_torn_or_foreign_file_is_none(new_session: NewSession, text: str) -> None:
    session = new_session()
    measure_noise(session, "pets")
    [file] = (cache_dir() / "noise").iterdir()
    file.write_text(text)
    assert known_noise(session.models, session.task("pets")) == {}


def test_the_command_tells_which_margins_are_under_it(
    new_session: NewSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = new_session()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assay.yaml").write_text(json.dumps({"tasks": {"pets": {**TASK, **DRAWN, "gates": GATES}}}))
    named = session.settings
    assert main(["noise", "pets", f"--model={named.model}", f"--adapter={named.adapter}", "--dtype=float32"]) == 0
    told = capsys.readouterr().out
    assert "measured twice on 10 items, each asked 3 times" in told
    [line] = [one for one in told.splitlines() if one.startswith("contains")]
    assert line.rstrip().endswith("non_inferior: 0.0001 (under the noise); superior: 0.9")
    assert len(list((cache_dir() / "noise").iterdir())) == 1


def test_without_a_candidate_the_command_says_what_to_pass(
    new_session: NewSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_session()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assay.yaml").write_text(json.dumps({"tasks": {"pets": TASK}}))
    assert main(["noise", "pets"]) == 2
    assert "pass --adapter or --candidate" in capsys.readouterr().err
