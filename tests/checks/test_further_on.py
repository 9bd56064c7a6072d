"""The same items after an earlier turn, and behind a long text: what breaks there alone is seen there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import scripted_engine

from harness.checks.further_on import FAR, IN_CONVERSATION, LEAST_TOKENS, Reader, UnaskableError, further_on
from harness.config import BUILT_IN_PROFILES, Config, Safety
from harness.config.settings import make_settings
from harness.engines import Answer, Request, Score
from harness.engines.requests import Message, Prompt, RollingRequest, ScoreRequest
from harness.gates import Comparison
from harness.metrics.words import shingles, split_words
from harness.tasks import Item, Task, build_task
from harness.tasks.built_in import BUILT_IN
from harness.tasks.filler import filler
from harness.tasks.lookup import find_task
from harness.tasks.safety.prompts import SafetyTask

ROOT = Path(__file__).parents[2]
TEXTS = build_task("general_text", BUILT_IN["general_text"], root=ROOT)


def words(text: str) -> int:
    return len(text.split())


CHATS = Reader(words, context=4096, talks=True)


def earlier(request: Request) -> str:
    """All that stands before the continuation that is scored."""
    if isinstance(request, RollingRequest):
        return ""
    assert isinstance(request, ScoreRequest)
    return request.prompt.display()


def foretells(nats_a_byte: Callable[[str], float]) -> Callable[[Request], Answer]:
    """A model that foretells texts as well as what stands before them lets it."""

    def rule(request: Request) -> Answer:
        text = request.text if isinstance(request, RollingRequest) else request.continuation  # type: ignore[union-attr]
        return Score(-len(text.encode()) * nats_a_byte(earlier(request)), False, 9, words(text), 0.1)

    return rule


def outcome(task: Task, candidate: Callable[[str], float]) -> str:
    texts = Comparison(
        task,
        task.evaluate(scripted_engine(foretells(lambda before: 0.7)), "base"),
        task.evaluate(scripted_engine(foretells(candidate)), "candidate"),
    )
    return texts.metric("bits_per_byte").non_inferior(0.05).decide().outcome


HEALTHY: Callable[[str], float] = lambda before: 0.71  # noqa: E731
LOSES_THE_THREAD: Callable[[str], float] = lambda before: 0.71 if before.count("[user]") < 2 else 1.0  # noqa: E731
LOST_FAR_ON: Callable[[str], float] = lambda before: 0.71 if words(before) < LEAST_TOKENS else 1.0  # noqa: E731


@pytest.mark.parametrize(
    ("candidate", "failing"),
    [(HEALTHY, set()), (LOSES_THE_THREAD, {IN_CONVERSATION, FAR}), (LOST_FAR_ON, {FAR})],
    ids=["healthy", "loses the thread", "lost far on"],
)
def test_what_breaks_further_on_fails_there_alone(candidate: Callable[[str], float], failing: set[str]) -> None:
    tasks = {setting: further_on(TEXTS, setting, CHATS) for setting in (IN_CONVERSATION, FAR)}
    assert {setting for setting, task in tasks.items() if outcome(task, candidate) == "fail"} == failing  # type: ignore[arg-type]
    assert {outcome(task, HEALTHY) for task in tasks.values()} == {"pass"}  # type: ignore[arg-type]


def test_the_likelihood_of_a_beginning_does_not_count() -> None:
    task = further_on(TEXTS, IN_CONVERSATION, CHATS)
    assert isinstance(task, Task)
    [whole, beginning] = task.grader.requests(task.items[0])
    assert isinstance(whole, ScoreRequest) and isinstance(beginning, ScoreRequest)
    assert whole.continuation.startswith(beginning.continuation) and beginning.continuation
    rest = len(whole.continuation.encode()) - len(beginning.continuation.encode())
    scores = [Score(logprob, False, 9, 9, 0.1) for logprob in (-80.0 - rest, -80.0)]
    assert task.grader.grade(task.items[0], scores).scores["bits_per_byte"] == pytest.approx(1 / 0.6931471805599453)


def test_far_is_as_far_as_asked_and_as_the_context_goes() -> None:
    def before(context: int, tokens: int) -> int:
        task = further_on(TEXTS, FAR, Reader(words, context, talks=True), tokens=tokens)
        assert isinstance(task, Task)
        return words(task.items[0].prompt.messages[0].content)

    assert LEAST_TOKENS <= before(4096, LEAST_TOKENS) < LEAST_TOKENS + 30
    assert 2048 <= before(4096, 2048) < 2100
    assert LEAST_TOKENS <= before(1200, 2048) < 1000
    with pytest.raises(UnaskableError, match="context of 700 tokens has no room for 512"):
        before(700, LEAST_TOKENS)


def test_without_a_chat_template_texts_stand_behind_raw_text_and_in_no_conversation() -> None:
    reader = replace(CHATS, talks=False)
    far = further_on(TEXTS, FAR, reader)
    assert isinstance(far, Task)
    assert far.items[0].prompt.text is not None and words(far.items[0].prompt.text) >= LEAST_TOKENS
    assert {outcome(far, HEALTHY), outcome(far, LOST_FAR_ON)} == {"pass", "fail"}
    with pytest.raises(UnaskableError, match="has no chat template"):
        further_on(TEXTS, IN_CONVERSATION, reader)
    with pytest.raises(UnaskableError, match="is served"):
        further_on(TEXTS, IN_CONVERSATION, replace(CHATS, likelihoods=False))


def test_prompts_follow_on_the_earlier_turns_and_system_turns_stay_first() -> None:
    settings = make_settings(Config(root=ROOT, profiles=BUILT_IN_PROFILES, safety=Safety(harmful="mini_harmful")))
    task = find_task("mini_harmful", settings)
    assert isinstance(task, SafetyTask)
    told = Item("told", Prompt(messages=(Message("system", "Be kind."), Message("user", "Why?"))), "")
    far = further_on(replace(task, items=[*task.items, told]), FAR, CHATS)
    assert isinstance(far, SafetyTask)
    assert (far.name, far.data_digest == task.data_digest) == ("mini_harmful_far_into_the_context", False)
    assert [turn.role for turn in far.items[0].prompt.messages] == ["user", "assistant", "user"]
    assert far.items[0].prompt.messages[-1] == task.items[0].prompt.messages[-1]
    assert [turn.role for turn in far.items[-1].prompt.messages] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("name", ["mini_math", "mini_knowledge"])
def test_questions_that_are_asked_in_raw_text_cannot_be_asked_in_a_conversation(name: str) -> None:
    task = find_task(name, make_settings(Config(root=ROOT, profiles=BUILT_IN_PROFILES)))
    with pytest.raises(UnaskableError, match=f"{name} asks in raw text"):
        further_on(task, IN_CONVERSATION, CHATS)


def test_a_task_of_conversations_is_asked_further_on_with_its_own_grader(tmp_path: Path) -> None:
    (tmp_path / "pets.jsonl").write_text('{"ask": "Cat or dog?", "pet": "cat"}\n')
    spec = {"kind": "exact_match", "data": "pets.jsonl", "prompt_field": "ask", "target_field": "pet"}
    task = further_on(build_task("pets", spec, root=tmp_path), IN_CONVERSATION, CHATS)
    assert isinstance(task, Task) and task.name == "pets_in_conversation"
    [request] = task.grader.requests(task.items[0])
    assert [turn.content for turn in request.prompt.messages][-1] == "Cat or dog?"  # type: ignore[union-attr]
    assert len(request.prompt.messages) == 3  # type: ignore[union-attr]


def test_filler_is_the_same_every_time_and_longer_one_goes_on() -> None:
    short, long = filler(100, words), filler(600, words)
    assert 100 <= words(short) < 130 and 600 <= words(long) < 630
    assert long.startswith(short) and filler(100, words, seed=1) != short
    runs = {run for item in TEXTS.items for run in shingles(split_words(item.target), 4)}
    assert not runs & shingles(split_words(long), 4)
