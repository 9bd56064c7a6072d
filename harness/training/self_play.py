"""Self-play (SPIN, https://arxiv.org/abs/2401.01335): beside each answer to learn stands, as the worse one, that which the model
itself gives before it is trained."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import RecipeError
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    from harness.engines import Generation, Prompt
    from harness.models.loading import LoadedModel

_log = logging.getLogger(__name__)

ANSWERS_FILE = "answers.sqlite"
# Of the longest answer to learn: what is longer by more is no rival of it.
_LONGEST = 2


class SelfPlay:
    """The model that a training starts from, to be asked. Answers are drawn at temperature 1, by the seed of the data, and kept
    in `work_dir` until it is trained."""

    def __init__(self, recipe: Recipe, base: Path, start: Path | None, work_dir: Path) -> None:
        self._recipe = recipe
        self._base = base
        self._start = start
        self._work_dir = work_dir

    @cached_property
    def _loaded(self) -> LoadedModel:
        from harness.models.device import choose_device, choose_dtype, dtype_name
        from harness.models.loading import LoadOptions, load_model

        device = choose_device()
        options = LoadOptions(dtype_name(choose_dtype(device)), str(device), self._recipe.quantization)
        return load_model(self._base, options, adapter=self._start)

    def answers(self, rows: Sequence[Conversation]) -> dict[Prompt, Generation]:
        """What it answers where each of these is answered."""
        from harness.engines import AnswerCache, Engine, GenerateRequest
        from harness.engines.local import LocalBackend

        tokenizer = self._loaded.tokenizer
        longest = max(len(tokenizer(row.answer.content)["input_ids"]) for row in rows)
        asked = list(dict.fromkeys(row.asked for row in rows))
        requests = [
            GenerateRequest(
                one, max_new_tokens=_LONGEST * longest, temperature=1.0, seed=self._recipe.data.seed + place
            )
            for place, one in enumerate(asked)
        ]
        _log.info("recipe %s: the model answers %d prompts itself", self._recipe.name, len(requests))
        backend = LocalBackend(lambda: self._loaded, adapter=self._start is not None)
        with closing(AnswerCache(self._work_dir / ANSWERS_FILE)) as kept:
            return {asked[place]: answer for place, answer in Engine("itself", backend, kept).generate(requests)}


def paired(recipe: Recipe, examples: Sequence[Example], self_play: SelfPlay | None) -> list[Example]:
    """Examples of which each has a worse answer, where the recipe learns from pairs; without `self_play` as they are.

    Where the model's own answer is the one to learn, is blank or does not end, there is nothing to prefer, and the row is left
    out.

    Raises:
        RecipeError: that is so of all rows.
    """
    alone = [one for one in examples if one.rejected is None]
    if recipe.how.rows != "pairs" or not alone or self_play is None:
        return list(examples)
    better = {id(one): list(one.conversation.by_answer())[-1] for one in alone}
    answers = self_play.answers(list(better.values()))
    made = [_pair(one, better[id(one)], answers) if one.rejected is None else one for one in examples]
    pairs = [one for one in made if one is not None]
    if not pairs:
        raise RecipeError(
            f"recipe {recipe.name!r}: of {len(alone)} rows the model gives the very answers, or none that ends",
            "give rows that the model does not answer so yet",
        )
    _log.info(
        "recipe %s: %d of %d rows have an answer of the model's own beside them", recipe.name, len(pairs), len(made)
    )
    return pairs


def _pair(example: Example, better: Conversation, answers: dict[Prompt, Generation]) -> Example | None:
    given = answers[better.asked]
    text = given.text.strip()
    if not text or given.stop_reason == "length" or text == better.answer.content.strip():
        return None
    worse = replace(better, turns=(*better.prompt, replace(better.answer, content=text, reasoning="")))
    return replace(example, conversation=better, rejected=worse)
