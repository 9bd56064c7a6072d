"""What answers are rewarded by while a model is trained on them: metrics of a task, and functions as TRL calls them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any, SupportsFloat

from harness.digests import digest_file
from harness.engines.requests import GenerateRequest, Generation, StopReason
from harness.errors import RecipeError, first_line, nearest, show
from harness.metrics.base import GENERAL_METRICS, Metric, general_scores
from harness.tasks.base import Question
from harness.tasks.formats import Example
from harness.training.recipe import Recipe
from harness.training.reward_lengths import Reward, with_lengths_watched

_TAKEN = frozenset({"prompt", "prompts", "completion", "completions", "completion_ids", "number"})


def rewards_of(recipe: Recipe, examples: Sequence[Example], end: int) -> list[Reward]:
    """The rewards of a recipe, those of its grader first.

    Args:
        examples: whose places are the numbers that the trainer hands on.
        end: the token that ends an answer.

    Raises:
        RecipeError: a metric or function is not there.
    """
    graded = [_by_metric(recipe, name, examples, end) for name in recipe.grader]
    found = [*graded, *(_by_function(recipe, name, examples) for name in recipe.reward)]
    return with_lengths_watched(found, recipe.trainer.get("reward_weights"))


def rewards_digest(recipe: Recipe) -> Mapping[str, str]:
    """The files that the functions of a recipe stand in, by content."""
    found = {}
    for name in recipe.reward:
        with _beside(recipe.root):
            spec = _spec(recipe, name)
        file = Path(spec.origin) if spec.origin is not None else None
        found[name] = digest_file(file) if file is not None and file.is_file() else "none"
    return found


def _by_metric(recipe: Recipe, name: str, examples: Sequence[Example], end: int) -> Reward:
    questions = [example.question for example in examples if example.question is not None]
    known = {metric.name: metric for metric in (*questions[0].grader.metrics, *GENERAL_METRICS)}
    if name not in known:
        raise RecipeError(
            f"recipe {recipe.name!r}: grader is {name!r}, and the task {recipe.data.train_files[0].task!r} has no such metric",
            nearest(name, sorted(known)),
        )
    requests = [_asked(recipe, question) for question in questions]

    def reward(
        completions: list[str], completion_ids: list[list[int]], number: list[int], **_: Any
    ) -> list[float | None]:
        return [
            _score(known[name], questions[place], _answer(requests[place], text, ids, end))
            for place, text, ids in zip(number, completions, completion_ids, strict=True)
        ]

    reward.__name__ = name
    return reward


def _asked(recipe: Recipe, question: Question) -> GenerateRequest:
    """The one text that is asked for."""
    optional = tuple(getattr(question.grader, "optional", ()))
    asked = [one for one in question.grader.requests(question.item) if not isinstance(one, optional)]
    if len(asked) != 1 or not isinstance(asked[0], GenerateRequest):
        raise RecipeError(
            f"recipe {recipe.name!r}: the task {recipe.data.train_files[0].task!r} does not ask for one text, which could be "
            "rewarded",
            "name a task whose answers are generated, or reward by a function (`reward: module:function`)",
        )
    return asked[0]


def _answer(request: GenerateRequest, text: str, ids: Sequence[int], end: int) -> Generation:
    """A sampled text as an engine would give it."""
    kept = text
    for stop in request.stop:
        kept = kept.split(stop)[0]
    ended: StopReason = "eos" if ids and ids[-1] == end else "length"
    return Generation(kept, "stop" if len(kept) < len(text) else ended, 0, len(ids), 0.0)


def _score(metric: Metric, question: Question, answer: Generation) -> float | None:
    scores = {**general_scores(answer), **question.grader.grade(question.item, [answer]).scores}
    value = scores.get(metric.name)
    return value if value is None or metric.higher_is_better else -value


def _by_function(recipe: Recipe, name: str, examples: Sequence[Example]) -> Reward:
    function = _function(recipe, name)
    columns = {key for example in examples for key in example.fields} - _TAKEN

    def reward(completions: list[str], number: list[int], **given: Any) -> list[float | None]:
        asked = [examples[place] for place in number]
        given |= {key: [example.fields.get(key) for example in asked] for key in columns}
        given["prompts"] = [_as_trl_has(example) for example in asked]
        given["completions"] = [
            text if example.conversation.as_text else [{"role": "assistant", "content": text}]
            for example, text in zip(asked, completions, strict=True)
        ]
        try:
            rewards = function(**given)
        except Exception as exc:  # a person's function may raise anything; nothing is hidden
            place = extract_tb(exc.__traceback__)[-1]
            raise RecipeError(
                f"recipe {recipe.name!r}: reward {name!r} raised {type(exc).__name__}: {first_line(exc)} "
                f"({place.filename}:{place.lineno})",
                "correct the function; it is called as TRL does: def f(completions, **columns) -> list[float]",
            ) from exc
        return _one_each(recipe, name, rewards, len(completions))

    reward.__name__ = name.rpartition(":")[2]
    return reward


def _one_each(recipe: Recipe, name: str, rewards: Any, answers: int) -> list[float | None]:
    """What a function returned, if that is a number for each answer, or None where the answer is not for it to reward."""
    found = list(rewards) if isinstance(rewards, Iterable) and not isinstance(rewards, str | bytes | Mapping) else []
    if len(found) != answers or not all(one is None or isinstance(one, SupportsFloat) for one in found):
        raise RecipeError(
            f"recipe {recipe.name!r}: reward {name!r} returned {show(rewards)} for {answers} answers",
            "return a list of one number an answer, or None for an answer that it does not reward",
        )
    return [None if one is None else float(one) for one in found]


def _as_trl_has(example: Example) -> str | list[dict[str, str]]:
    asked = example.conversation.asked
    return asked.text if asked.text is not None else asked.as_messages()


def _function(recipe: Recipe, name: str) -> Callable[..., Any]:
    _, _, attribute = name.partition(":")
    with _beside(recipe.root):
        spec = _spec(recipe, name)
        try:
            module = importlib.import_module(spec.name)
        except Exception as exc:  # a person's module may raise anything; nothing is hidden
            raise RecipeError(
                f"recipe {recipe.name!r}: reward {name!r}: {spec.name} cannot be imported: {first_line(exc)}",
                "correct the module",
            ) from exc
    function = getattr(module, attribute, None)
    if not callable(function):
        raise RecipeError(
            f"recipe {recipe.name!r}: reward {name!r}: {spec.name} has no function {attribute!r}",
            "name one as `module:function`",
        )
    found: Callable[..., Any] = function
    return found


def _spec(recipe: Recipe, name: str) -> Any:
    module, _, attribute = name.partition(":")
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        if spec is not None and attribute:
            return spec
    raise RecipeError(
        f"recipe {recipe.name!r}: reward {name!r} names no function of a module that is there",
        f"write it as `module:function`; modules are looked for in {recipe.root} and in the environment",
    )


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[None]:
    """While open, modules that lie in a directory are found first."""
    place = str(root.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
