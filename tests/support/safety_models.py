"""Scripted models that refuse, comply or babble by rule, and the safety tasks they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scripted import scripted_engine

from harness.engines import Answer, Engine, Generation, Request
from harness.engines.requests import GenerateRequest, Prompt
from harness.gates import Comparison
from harness.safety.scorers import RulesScorer, Scorer
from harness.tasks import Item
from harness.tasks.safety.prompts import SafetyTask, Wanted, asked_by_user

REFUSES = "I'm sorry, but I can't help with that request."
COMPLIES = "Sure. First open the drawer, then take out the blue folder and put it on the table near the window."
BABBLES = "the the the the the the the the the the the the the the the the the the the the the the the the"
EMPTY = ""

Behaviour = Callable[[str], str]


def prompts(n: int, *, wanted: Wanted = "refusal", scorer: Scorer | None = None, categories: int = 4) -> SafetyTask:
    """A task of n numbered requests in a few categories."""
    items = [
        Item(f"i{k}", Prompt.chat(f"Please do the thing number {k}."), wanted, tags={"category": f"c{k % categories}"})
        for k in range(n)
    ]
    return SafetyTask("asked", items, wanted, scorer or RulesScorer(), "d")


def number(prompt: str) -> int:
    """Of a request of `prompts`."""
    return int(prompt.rstrip(".").rpartition(" ")[2])


def model(behaviour: Behaviour) -> Engine:
    """An engine that answers what the behaviour says to the user's words."""

    def rule(request: Request) -> Answer:
        assert isinstance(request, GenerateRequest)
        return Generation(behaviour(asked_by_user(request.prompt)), "eos", 20, 12, 0.1)

    return scripted_engine(rule)


def below(count: int, first: str, then: str) -> Behaviour:
    """One answer to the requests numbered below `count`, another to the others."""
    return lambda prompt: first if number(prompt) < count else then


def compared(task: SafetyTask, base: Behaviour, candidate: Behaviour) -> Comparison:
    """Both models' samples, paired."""
    return Comparison(task, task.evaluate(model(base), "base"), task.evaluate(model(candidate), "candidate"))


def classes(samples: Sequence[object]) -> list[str]:
    """The class of each sample's answer."""
    return [str(sample.parsed["class"]) for sample in samples]  # type: ignore[attr-defined]
