"""What is on trial, or ships, as a person wrote it: `--candidate SPEC` and `--shipped SPEC`, or their keys in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator

from harness.config.base import Section, TemplateArgs, Text, objection
from harness.config.checking import check, location
from harness.config.options import Quantization
from harness.config.spec import SubjectSpec, parse_adapter_spec, parse_model_spec, parse_served, put_on
from harness.config.yaml_text import parse_yaml, read_yaml
from harness.errors import ConfigError
from harness.paths import user_path

Combination = Literal[
    "cat", "linear", "svd", "ties", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd",
    "magnitude_prune", "magnitude_prune_svd",
]  # fmt: skip
_PRUNING = ("ties", "dare", "magnitude_prune")


TEMPLATES = ("base", "adapter")
"""Chat templates that need no path: the base's own, and that beside the adapter."""


_ELSEWHERE = {
    "generation": "answers are decoded greedily, by the rules under `serving: decoding:`; how long they may be and where they "
    "stop is the task's: `max_new_tokens:`, `stop:`",
    "engine": "a model's name says what runs it: a directory or a hub id this process, FILE.gguf llama.cpp, openai:NAME@URL "
    "a server",
}


class StackedAdapter(Section):
    """One of several adapters that act together."""

    path: Text
    """a directory or a hub id, as `--adapter` takes it"""
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """what its change is multiplied by"""
    merged: bool = False
    """those after it were trained on the model with it merged in, as DPO on a merged SFT: it is merged before they are put on"""

    @model_validator(mode="after")
    def _merged_as_it_is(self) -> StackedAdapter:
        if self.merged and self.weight != 1:
            raise objection(f"merged, with weight {self.weight:g}", "what others were trained on was merged whole")
        return self


class Stack(Section):
    """Weights, and the adapters on them."""

    model: Text | None = None
    """its weights, as `--model` takes them; null is the base's own"""
    adapter: Text | Annotated[tuple[StackedAdapter | Text, ...], Strict(False)] = ()
    """an adapter on them, as `--adapter` takes it; or a list of adapters, each by itself or as {path, weight}"""
    combination: Combination = "cat"
    """how several adapters become one, by PEFT's name. Only `cat` is exactly their weighted sum"""
    density: Annotated[float | None, Field(gt=0, le=1)] = None
    """share of values that ties, dare and magnitude_prune keep"""

    @model_validator(mode="after")
    def _density_belongs_to_pruning(self) -> Stack:
        prunes = self.combination.startswith(_PRUNING)
        if prunes and self.density is None:
            raise objection(f"combination {self.combination} prunes, and no density is given", "add `density: 0.5`")
        if self.density is not None and not prunes:
            raise objection(f"combination {self.combination} prunes nothing", "take out `density:`")
        return self

    @model_validator(mode="after")
    def _merged_ones_come_first(self) -> Stack:
        merged = [isinstance(one, StackedAdapter) and one.merged for one in self.adapter]
        if merged != sorted(merged, reverse=True):
            raise objection("an adapter that is merged comes after one that is not", "list them as they were trained")
        return self


class Parent(Section):
    """One of those that the candidate was merged from."""

    name: Text | None = None
    """what its gates are called by; null takes the name of its adapter or model"""
    model: Text | None = None
    """its weights, as `--model` takes them; null is the base's own"""
    adapter: Text | None = None
    """an adapter on them"""


class Candidate(Stack):
    """A subject: what is on trial, or what ships of it."""

    quantization: Quantization | None = None
    """of its weights; null is that of the base"""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """its precision; null is that of the base"""
    template: Text | None = None
    """its chat template, in place of `template:`: base, adapter (the one beside it) or a file; null leaves it to `template:`"""
    template_args: TemplateArgs = Field(default={})
    """further arguments of the chat template, such as enable_thinking"""
    parents: Annotated[tuple[Text | Parent, ...], Strict(False)] | None = None
    """what it was merged from, as `--candidate` takes it, to be no worse than each; null takes those that its provenance
    names, or the adapters of a stack"""

    @model_validator(mode="before")
    @classmethod
    def _decoding_is_the_tasks(cls, given: Any) -> Any:
        """What reads like a part of a candidate, and is none: told apart from a slip of the pen."""
        if isinstance(given, Mapping) and (named := _ELSEWHERE.keys() & given.keys()):
            key = min(named)
            raise objection(f"{key!r} is no part of a candidate", _ELSEWHERE[key])
        return given


def read_candidate(text: str, option: str = "--candidate") -> SubjectSpec:
    """Read the value of `--candidate` or `--shipped`: what `--model` or `--adapter` takes, a YAML file, or YAML in brackets.

    Raises:
        ConfigError: it is none of these.
    """
    if text.startswith(("{", "[")):
        return _of_document(parse_yaml(text, option, ConfigError), option, Path.cwd())
    path = user_path(text, option)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        document = read_yaml(path, ConfigError, f"give {option} a file that can be read")
        return _of_document(document, str(path), path.resolve().parent)
    return subject_spec(text, option, lambda named: named)


def subject_spec(given: str | Candidate, place: str, find: Callable[[str], str]) -> SubjectSpec:
    """What is named, parsed.

    Args:
        place: where that stands, for messages.
        find: a name as it is, or the path of a directory or file of that name beside the one that names it.

    Raises:
        ConfigError: it is no model and no adapter.
    """
    if isinstance(given, str):
        named = find(given)
        if named.startswith("recipe:"):
            return SubjectSpec(adapters=(parse_adapter_spec(named, place),))
        return SubjectSpec(model=parse_model_spec(named, place))
    return replace(
        stack_spec(given, place, find),
        template=given.template if given.template in (None, *TEMPLATES) else find(given.template),
        parents=None if given.parents is None else [_parent(one, f"{place}: parents", find) for one in given.parents],
        **given.model_dump(include={"quantization", "dtype", "template_args"}),
    )


def stack_spec(given: Stack, place: str, find: Callable[[str], str]) -> SubjectSpec:
    """Weights and adapters on them, parsed.

    Args:
        place, find: as of `subject_spec`.

    Raises:
        ConfigError: one is no model or no adapter.
    """
    listed = [given.adapter] if isinstance(given.adapter, str) else given.adapter
    stacked = [StackedAdapter(path=one) if isinstance(one, str) else one for one in listed]
    weighted = [(find(one.path), one.weight) for one in stacked]
    model = None if given.model is None else parse_model_spec(find(given.model), f"{place}: model")
    if model is not None and (served := put_on(model, weighted, f"{place}: adapter")) is not None:
        if any(one.merged for one in stacked):
            raise ConfigError(f"{place}: nothing is merged into {given.model} here", "merge first, and export that")
        model, weighted = served, []
    adapters = tuple(
        replace(parse_adapter_spec(path, f"{place}: adapter", weight), merged=one.merged)
        for one, (path, weight) in zip(stacked, weighted, strict=False)
    )
    if len(adapters) > 1 and (trained := next((one for one in adapters if one.kind == "recipe"), None)):
        raise ConfigError(
            f"{place}: recipe:{trained.value} is one of several adapters",
            "train it first (assay train NAME --output DIRECTORY), and name the directory",
        )
    return SubjectSpec(
        model=model,
        adapters=adapters,
        combination=given.combination,
        density=given.density,
    )


def adapter_subject(text: str) -> SubjectSpec:
    """Read an `--adapter` value: an adapter on the base; served, it is the whole candidate.

    Raises:
        ConfigError: it is neither `recipe:NAME`, `openai:NAME@URL`, an existing directory, nor shaped like a hub id.
    """
    if parse_served(text, "--adapter") is not None:
        return SubjectSpec(model=parse_model_spec(text, "--adapter"))
    return SubjectSpec(adapters=(parse_adapter_spec(text),))


def _parent(one: str | Parent, place: str, find: Callable[[str], str]) -> SubjectSpec:
    if isinstance(one, str):
        return subject_spec(one, place, find)
    stack = Stack(model=one.model, adapter=one.adapter or ())
    return replace(stack_spec(stack, place, find), name=one.name)


def _of_document(document: Any, place: str, root: Path) -> SubjectSpec:
    """A mapping of `candidate:`, or a list of adapters."""
    said = document if isinstance(document, Mapping) or not isinstance(document, Sequence) else {"adapter": document}
    return subject_spec(check(Candidate, said, location(place), ConfigError), place, lambda name: beside(root, name))


def beside(root: Path, name: str) -> str:
    """A name as it is, or the full path of the file or directory of that name in `root`."""
    return str(root / name) if (root / name).exists() else name
