"""`transformers serve` with the tiny model on loopback, as the judge and as the system under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving import transformers_serve

from harness.config import BUILT_IN_PROFILES, Config, Judging, Profile
from harness.config.settings import Settings, make_settings
from harness.config.spec import ServedModel
from harness.engines import AnswerCache
from harness.engines.server import ServerBackend
from harness.judges.engine import JudgeEngine
from harness.judges.health import gold_health
from harness.judges.inputs import read_gold
from harness.judges.judge import Judge
from harness.judges.judgements import PairwiseJudgement
from harness.judges.reading_mode import choose_reading_mode
from harness.tasks.open_sets import open_task
from harness.tasks.questions import AnswerPair

pytestmark = pytest.mark.real_process


@pytest.fixture(scope="module")
def served(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedModel]:
    """The tiny model, served until the module ends."""
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    with transformers_serve(tiny_model_dir, dtype="float32", log=log) as model:
        yield model


def settings(root: Path, limit: int) -> Settings:
    profiles = {**BUILT_IN_PROFILES, "few": Profile(name="few", limit=limit)}
    return make_settings(Config(root=root, profiles=profiles, judge=Judging(answer_tokens=12)), profile="few")


def test_one_served_model_answers_and_judges_and_every_judgement_is_kept(served: ServedModel, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    engine = JudgeEngine("a" * 64, ServerBackend(served, concurrency=2), cache)
    assert choose_reading_mode(Judging(), engine, served=True).reads == "text"  # it drops logprobs silently
    judge = Judge(engine, logprobs=False, reply_tokens=8)

    task = open_task("mini_instructions", settings(tmp_path, 2))
    answers = task.evaluate(engine, "candidate")
    assert all(sample.answer and sample.completion_tokens == 12 for sample in answers)
    pairs = [
        AnswerPair(question, tuple(sample.parsed), ("I do not know.",) * len(question.turns))
        for question, sample in zip(task.questions, answers, strict=True)
    ]
    gold = read_gold(settings(tmp_path, 4)).pairs
    judged, stopped = judge.judge(PairwiseJudgement, [*pairs, *gold])
    assert (len(judged), stopped) == (6, "")
    replies = [reply for one in judged for reply in one.replies]
    assert all(100 < reply.tokens.prompt < 1000 and reply.tokens.completion <= 8 for reply in replies)
    # a random model says what it likes, and four pairs would prove nothing in any case
    assert gold_health("gold", judged[2:], Judging()).decide().outcome == "inconclusive"

    again = JudgeEngine("a" * 64, ServerBackend(served), cache)
    assert Judge(again, logprobs=False, reply_tokens=8).judge(PairwiseJudgement, [*pairs, *gold])[0] == [
        replace(one, replies=tuple(replace(reply, cached=True) for reply in one.replies)) for one in judged
    ]
    assert (again.computed, again.cached, again.spent.total) == (0, 12, 0)
