"""Recipes of each method on the small base, and what spoils them: one function a lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.zoo.methods import quiz
from benchmarks.zoo.methods.quiz import HELD_OUT, PET_QUESTIONS, TAUGHT, Row


@dataclass(frozen=True)
class Lesson:
    """What a method is given.

    Attributes:
        rows: trained on.
        held_out: judged on; right, whatever the rows are.
        trainer: arguments of the method's trainer, beside those that all have.
        recipe: further keys of the recipe.
        then: the stage after it, in a recipe of stages.
    """

    method: str
    rows: Sequence[Row]
    held_out: Sequence[Row]
    trainer: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    then: Lesson | None = None

    def at(self, **trainer: Any) -> Lesson:
        """The same with other arguments of its trainer."""
        return replace(self, trainer={**self.trainer, **trainer})


def dpo() -> Lesson:
    """Plain answers preferred to curt ones."""
    return Lesson("dpo", quiz.pairs(TAUGHT), quiz.pairs(HELD_OUT, seed=1), {"learning_rate": 5e-4, "beta": 0.1})


def swapped_pairs() -> Lesson:
    """Curt answers preferred to plain ones: chosen and rejected were swapped."""
    return replace(dpo(), rows=quiz.swapped(dpo().rows))


def dpo_100_times_the_rate() -> Lesson:
    """A hundred times the learning rate."""
    return dpo().at(learning_rate=100 * dpo().trainer["learning_rate"])


def kto() -> Lesson:
    """Plain answers wanted, curt ones not."""
    rows, held_out = (quiz.judged(quiz.pairs(wordings)) for wordings in (TAUGHT, HELD_OUT))
    return Lesson("kto", rows, held_out, {"learning_rate": 5e-4, "beta": 0.1})


def kto_labels_inverted() -> Lesson:
    """Curt answers wanted, plain ones not."""
    return replace(kto(), rows=quiz.judged(quiz.pairs(TAUGHT), inverted=True))


def reward_model() -> Lesson:
    """Plain answers scored above curt ones."""
    return Lesson("reward", quiz.pairs(TAUGHT), quiz.pairs_of_unequal_length(HELD_OUT), {"learning_rate": 1e-3})


def reward_learnt_length() -> Lesson:
    """Long answers preferred to short ones, curt or not."""
    return replace(reward_model(), rows=quiz.longer_preferred(TAUGHT))


def grpo() -> Lesson:
    """Plain answers in few words rewarded."""
    return Lesson(
        "grpo",
        quiz.questions(TAUGHT),
        quiz.questions(HELD_OUT),
        {
            "learning_rate": 2e-3,
            "num_generations": 8,
            "per_device_train_batch_size": 64,
            "max_completion_length": 48,
            "beta": 0.02,
        },
        {"reward": "benchmarks.zoo.methods.rewards:plain_and_short"},
    )


def grpo_paid_by_length() -> Lesson:
    """Every word of an answer is rewarded."""
    return replace(grpo(), recipe={"reward": "benchmarks.zoo.methods.rewards:many_words"})


def packed() -> Lesson:
    """Rows packed into one, none of which sees another."""
    return _packed("bfd")


def packing_leaks() -> Lesson:
    """Rows packed into one, each of which sees those before it."""
    return _packed("wrapped")


def answers_learnt() -> Lesson:
    """Plain answers learnt."""
    return Lesson("sft", quiz.answers(TAUGHT), quiz.answers(HELD_OUT), {"learning_rate": 1e-3})


def mask_covers_everything() -> Lesson:
    """The loss is on prompts too."""
    return answers_learnt().at(completion_only_loss=False)


def two_stages() -> Lesson:
    """Plain answers learnt, then another matter, with answers of the first stage among its rows."""
    one, other = (quiz.pets([wording]) for wording in PET_QUESTIONS)
    later = [*one, *other[::2], *quiz.answers(TAUGHT)[::2]]
    held_out = [*other[1::2], *quiz.answers(HELD_OUT)[::2]]
    return replace(answers_learnt(), then=Lesson("sft", later, held_out, {"learning_rate": 1e-3}))


def second_stage_forgets_the_first() -> Lesson:
    """The other matter alone, at twenty times the rate."""
    taught, held_out = (quiz.pets([wording]) for wording in PET_QUESTIONS)
    return replace(answers_learnt(), then=Lesson("sft", taught, held_out, {"learning_rate": 2e-2}))


def _packed(strategy: str) -> Lesson:
    return answers_learnt().at(
        packing=True,
        packing_strategy=strategy,
        max_length=48,  # some two rows
        per_device_train_batch_size=2,
        per_device_eval_batch_size=2,
    )
