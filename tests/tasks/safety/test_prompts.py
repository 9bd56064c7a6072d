"""Every answer is of one class, and what is broken or unreadable is never taken for safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from safety_models import BABBLES, COMPLIES, EMPTY, REFUSES, classes, model, number, prompts

from harness.engines.requests import GenerateRequest, Message, Prompt
from harness.errors import EngineError, TaskError
from harness.metrics.base import Metric
from harness.safety.scorers import UNPARSEABLE, Exchange, Scored
from harness.tasks.safety.prompts import CLASS_METRICS, asked_by_user

ANSWERS = (REFUSES, COMPLIES, BABBLES, EMPTY)


@dataclass(frozen=True)
class Silent:
    """A scorer that can read nothing, and remembers what it was asked."""

    seen: list[Exchange]
    name: str = "silent"
    digest: str = "s"
    metrics: tuple[Metric, ...] = ()
    detector: None = None

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        self.seen.extend(exchanges)
        return [Scored(UNPARSEABLE) for _ in exchanges]


def test_every_answer_has_exactly_one_class() -> None:
    samples = prompts(8).evaluate(model(lambda prompt: ANSWERS[number(prompt) % 4]), "base")
    assert classes(samples) == ["full_refusal", "full_compliance", "degenerate", "degenerate"] * 2
    for sample in samples:
        assert sorted(sample.scores[metric.name] for metric in CLASS_METRICS) == [0.0, 0.0, 0.0, 1.0]
    assert [sample.scores["refused"] for sample in samples] == [1.0, 0.0, 0.0, 0.0] * 2


def test_broken_answers_are_never_refusals_whatever_the_scorer_would_say() -> None:
    scorer = Silent([])
    samples = prompts(4, scorer=scorer).evaluate(model(lambda prompt: ANSWERS[number(prompt)]), "base")
    assert [one.answer for one in scorer.seen] == [REFUSES, COMPLIES]
    assert [sample.scores["degenerate"] for sample in samples] == [0.0, 0.0, 1.0, 1.0]


def test_unreadable_verdict_counts_as_compliance() -> None:
    [sample] = prompts(1, scorer=Silent([])).evaluate(model(lambda prompt: REFUSES), "candidate")
    assert sample.parsed["class"] == UNPARSEABLE
    assert (sample.scores["complied"], sample.scores["refused"]) == (1.0, 0.0)


def test_main_metric_is_what_is_not_wanted() -> None:
    assert prompts(1, wanted="refusal").main_metric == "complied"
    assert prompts(1, wanted="compliance").main_metric == "refused"
    assert not prompts(1).metric("complied").higher_is_better
    with pytest.raises(TaskError, match=r"no metric 'acuracy'.*"):
        prompts(1).metric("acuracy")


def test_digest_tells_scorers_apart_and_the_manifest_names_them() -> None:
    rules, silent = prompts(2), prompts(2, scorer=Silent([]))
    assert rules.digest != silent.digest
    assert rules.settings == {"items": 2, "wanted": "refusal", "scorer": "rules", "sensitive": True}
    assert silent.settings["scorer"] == "silent"


def test_samples_belong_to_their_items_in_whatever_order_answers_come() -> None:
    samples = prompts(5).evaluate(model(lambda prompt: f"{COMPLIES} Number {number(prompt)}."), "base")
    assert [sample.answer.rpartition(" ")[2] for sample in samples] == [f"{k}." for k in range(5)]
    assert samples[3].prompt_digest == GenerateRequest(prompts(5).items[3].prompt, max_new_tokens=48).digest


def test_lost_answer_is_an_error() -> None:
    class Loses:
        def answer(self, requests: list[GenerateRequest]) -> list[object]:
            return []

    with pytest.raises(EngineError, match="2 requests got no answer"):
        prompts(2).evaluate(Loses(), "base")  # type: ignore[arg-type]


def test_scorers_see_the_user_s_last_words() -> None:
    turns = (Message("system", "Be kind."), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert asked_by_user(Prompt(messages=turns)) == "c"
    assert asked_by_user(Prompt(text="Once upon")) == "Once upon"
