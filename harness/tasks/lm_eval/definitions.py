"""What lm-eval's definitions say of a task, read without lm-eval: metrics, examples, and which data it takes.

Imports nothing that computes: pytest collection runs it. What it does not understand it says nothing of: lm-eval finds out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config.yaml_text import parse_foreign_yaml
from harness.errors import DataError, TaskError
from harness.metrics.base import GENERAL_METRICS
from harness.metrics.choices import GOLD_LOGPROB, choice_metrics
from harness.paths import read_text_file
from harness.tasks.lm_eval.local_data import LocalData, find_local_data
from harness.tasks.lm_eval.metric_names import GOLD_SOLUTION, names_of_scores
from harness.tasks.lm_eval.names import files_below, stock_files, stock_root
from harness.tasks.lm_eval.options import LmEvalOptions

SPLITS = ("training_split", "validation_split", "test_split")

_OF_GROUPS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag", "include"})
_FUNCTION = "!function"
_REMEDY = "give the path of a definition of lm-eval's"
_MOST_FILES = 500
"""Definitions of one name beyond which reading them takes longer than what they tell is worth."""


class _UnknownError(Exception):
    """The definitions say something that only lm-eval understands."""


@dataclass(frozen=True)
class Definition:
    """One task as its YAML defines it, includes and its group's overrides merged."""

    name: str
    config: Mapping[str, Any]

    @property
    def data(self) -> LocalData | None:
        """The local copy of its data, where one is known."""
        path = self.config.get("dataset_path")
        return find_local_data(path, self.config.get("dataset_name")) if isinstance(path, str) else None

    def check(self, options: LmEvalOptions) -> None:
        """Refuse what could not be asked.

        Raises:
            TaskError: the few-shot examples asked for are not to be had, or it runs code that the model wrote.
            DataError: the data directory lacks a file.
        """
        if self.config.get("unsafe_code"):
            raise runs_code(self.name)
        missing = None
        if options.data_dir is not None and self.data is not None:
            asked = used_splits(self.config, self.data)
            self.data.check_files(options.data_dir, asked.found)
            missing = asked.missing_fewshot_split
        own = self.config.get("num_fewshot")
        shots = fewshot_count(self.name, own if isinstance(own, int) else None, options.fewshot, missing)
        there = self._examples(options.data_dir) if options.fewshot else None
        if there is not None and there < shots:
            raise TaskError(
                f"lm-eval task {self.name!r} has {there} examples to show, and fewshot is {shots}",
                f"give fewshot={there} or less",
            )

    def _examples(self, data_dir: Path | None) -> int | None:
        """How many examples can stand before a question; None where that is not known without its data."""
        samples = (self.config.get("fewshot_config") or {}).get("samples")
        if isinstance(samples, list):
            return len(samples)
        split = _fewshot_split(self.config)
        if data_dir is None or self.data is None or split is None or split not in self.data.splits:
            return None
        asked = self.config.get("test_split") or self.config.get("validation_split")
        return self.data.count(data_dir, split) - (split == asked)

    @property
    def metrics(self) -> set[str]:
        """Names of the metrics it may have; raises _UnknownError where they are not said."""
        listed, kind = self.config.get("metric_list"), self.config.get("output_type", "generate_until")
        filters = self.config.get("filter_list") or [{"name": "none"}]
        if not isinstance(listed, list) or "class" in self.config:
            raise _UnknownError
        names = [one["metric"] for one in listed]
        if any(name.startswith(_FUNCTION) for name in names):
            raise _UnknownError
        found = {name for metric in names for name in names_of_scores(metric, [one["name"] for one in filters])}
        if kind == "multiple_choice":
            found |= {metric.name for metric in choice_metrics(0.5)}
        elif kind == "loglikelihood":
            found.add(GOLD_LOGPROB)
        elif kind == "generate_until":
            found |= {GOLD_SOLUTION, *(metric.name for metric in GENERAL_METRICS)}
        return found

    def size(self, data_dir: Path | None) -> int:
        """How many items it has; raises _UnknownError where that is not known without its data."""
        if data_dir is None or self.data is None or self.config.get("process_docs"):
            raise _UnknownError
        asked = self.config.get("test_split") or self.config["validation_split"]
        return self.data.count(data_dir, asked)


@dataclass(frozen=True)
class Definitions:
    """All that a name stands for, where that is known."""

    members: Sequence[Definition]

    @cached_property
    def metrics(self) -> set[str] | None:
        """Names of the metrics that one of the members may have; None where they are not known."""
        try:
            return set().union(*(one.metrics for one in self.members)) or None
        except (_UnknownError, KeyError, TypeError, AttributeError):
            return None

    def check(self, options: LmEvalOptions) -> None:
        """Raise what the first member of which something is wrong raises."""
        for one in self.members:
            one.check(options)

    def sizes(self, data_dir: Path | None) -> Mapping[str, int]:
        """Items by member; empty where they are not known."""
        try:
            return {one.name: one.size(data_dir) for one in self.members}
        except (_UnknownError, KeyError):
            return {}


@dataclass(frozen=True)
class UsedSplits:
    """Of which splits a local copy is used, and the one of few-shot examples if there is none of it."""

    found: Sequence[str]
    missing_fewshot_split: str | None


def used_splits(config: Mapping[str, Any], data: LocalData) -> UsedSplits:
    """The splits of a local copy that a definition takes.

    Raises:
        DataError: there is none of what it asks.
    """
    asked = config.get("test_split") or config.get("validation_split")
    if asked not in data.splits:
        raise DataError(
            f"task {config['task']!r} asks split {asked!r}, of which no local copy is known",
            f"leave --data-dir out to take it from the hub ({config['dataset_path']})",
        )
    examples = _fewshot_split(config)
    used = {str(split) for split in (asked, examples, *(config.get(key) for key in SPLITS))}
    missing = examples if examples is not None and examples not in data.splits else None
    return UsedSplits(sorted(used & data.splits.keys()), missing)


def _fewshot_split(config: Mapping[str, Any]) -> str | None:
    """The split that few-shot examples come from by the stock definition; None where they stand in the YAML."""
    fewshot = config.get("fewshot_config") or {}
    if fewshot.get("samples") is not None:
        return None
    splits = (fewshot.get("split"), config.get("fewshot_split"), *(config.get(key) for key in SPLITS))
    return next((split for split in splits if split), None)


def fewshot_count(task: str, own: int | None, wanted: int | None, missing_split: str | None) -> int:
    """How many examples a prompt has.

    Args:
        own: as the task's definition says.
        wanted: asked for; None takes the own number.
        missing_split: of the examples, where the data directory lacks it.

    Raises:
        TaskError: those asked for are not to be had.
    """
    if wanted and own == 0:
        raise TaskError(
            f"lm-eval task {task!r} is defined without few-shot examples; fewshot={wanted} has no effect",
            "leave fewshot out",
        )
    shots = wanted if wanted is not None else own or 0
    if shots and missing_split is not None:
        raise TaskError(
            f"the {shots} few-shot examples of {task!r} come from split {missing_split!r}, "
            "which the data directory lacks",
            "use fewshot=0, or leave --data-dir out to take the data from the hub",
        )
    return shots


def runs_code(task: str) -> TaskError:
    """What is wrong with a task that runs what the model wrote."""
    return TaskError(f"lm-eval task {task!r} runs code that the model wrote", "choose another task")


def read_definitions(name: str, include_path: Path | None) -> Definitions | None:
    """What a task, group or tag, or a YAML file by its path, stands for; None where only lm-eval can tell."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else None
    own = include_path if path is None else path.resolve().parent
    reader = _Reader([*([own] if own is not None else []), stock_root()])
    try:
        found = reader.named(name, {}) if path is None else reader.configured(reader.load(path), {})
        return Definitions(tuple(found))
    except (_UnknownError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


class _Reader:
    """Definitions below some directories, of which the first that has a name counts."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._files: dict[Path, Mapping[str, Sequence[str]]] = {}
        self._loaded: dict[Path, dict[str, Any]] = {}

    def named(self, name: str, overrides: Mapping[str, Any]) -> Iterator[Definition]:
        """The tasks of a name."""
        for root in self._roots:
            naming = [root / file for file in self._below(root).get(name, ())]
            configs = [self.load(path) for path in naming if path.suffix == ".yaml"]
            defining = [config for config in configs if name in (config.get("group"), config.get("task"))]
            tagged = [config for config in configs if name in _tags(config)]
            # what is tagged and is no task is included by others, which have the tag too
            inherited = [path for path in naming if name in _tags(raw := self._raw(path)) and "task" not in raw]
            if defining or (tagged and not inherited):
                for config in defining[:1] or sorted(tagged, key=lambda one: str(one["task"])):
                    yield from self.configured(config, overrides)
                return
        raise _UnknownError

    def configured(self, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> Iterator[Definition]:
        """The tasks of a definition."""
        if "group" not in config:
            yield Definition(config["task"], {**config, **overrides})
            return
        shared = {key: value for key, value in config.items() if key not in _OF_GROUPS} | dict(overrides)
        for member in config.get("task") or ():
            own = {} if isinstance(member, str) else member
            if "group" in own and not self._knows(own["group"]):
                yield from self.configured(own, shared)
            elif isinstance(member, str) or "group" in own or self._knows(own["task"]):
                name = str(member if isinstance(member, str) else own.get("group", own.get("task")))
                yield from self.named(
                    name, {**shared, **{key: value for key, value in own.items() if key not in ("group", "task")}}
                )
            else:
                yield Definition(f"{config['group']}::{own['task']}", {**shared, **own})

    def load(self, path: Path) -> dict[str, Any]:
        """A definition with what it includes."""
        if path not in self._loaded:
            if len(self._loaded) >= _MOST_FILES:
                raise _UnknownError
            config = self._raw(path)
            included = config.get("include") or ()
            merged: dict[str, Any] = {}
            for one in [included] if isinstance(included, str) else included:
                merged |= self.load(path.parent / one)
            self._loaded[path] = merged | {key: value for key, value in config.items() if key != "include"}
        return self._loaded[path]

    def _raw(self, path: Path) -> dict[str, Any]:
        config = parse_foreign_yaml(read_text_file(path, TaskError, _REMEDY), str(path), TaskError)
        if not isinstance(config, dict):
            raise _UnknownError
        return config

    def _knows(self, name: str) -> bool:
        return any(name in self._below(root) for root in self._roots)

    def _below(self, root: Path) -> Mapping[str, Sequence[str]]:
        if root not in self._files:
            self._files[root] = stock_files() if root == self._roots[-1] else files_below(root)
        return self._files[root]


def _tags(config: Mapping[str, Any]) -> Sequence[str]:
    tags = config.get("tag") or ()
    return [tags] if isinstance(tags, str) else tags
