"""The subtasks behind a name, as lm-eval task objects, with their data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.exceptions import DatasetsError
from lm_eval.api.group import Group
from lm_eval.api.task import Task as LibraryTask
from lm_eval.tasks._factory import TaskFactory
from yaml import YAMLError

from harness.digests import digest_json
from harness.errors import DataError, TaskError
from harness.tasks.lm_eval.definitions import SPLITS, fewshot_count, runs_code, used_splits
from harness.tasks.lm_eval.index import find_entry
from harness.tasks.lm_eval.local_data import LocalData, find_local_data, local_folder
from harness.tasks.lm_eval.options import LmEvalOptions


@dataclass(frozen=True)
class Subtask:
    """One lm-eval task.

    Attributes:
        subject: its name within its group; None where it was asked for alone.
        task: lm-eval's object, with few-shot count set.
        docs: its documents, in lm-eval's order.
        files: digest of each local data file, by its name below the data directory; empty for other data.
    """

    name: str
    subject: str | None
    task: Any
    docs: Sequence[Mapping[str, Any]]
    files: Mapping[str, str]

    @property
    def is_plain_choice(self) -> bool:
        """Whether it asks multiple-choice questions and grades them as lm-eval does by default."""
        return self.task.OUTPUT_TYPE == "multiple_choice" and not callable(self.task.get_config("process_results"))

    @property
    def has_solutions(self) -> bool:
        """Whether it generates text, and its documents come with a text to generate."""
        return self.task.OUTPUT_TYPE == "generate_until" and any(self.solution(doc) for doc in self.docs)

    def solution(self, doc: Mapping[str, Any]) -> str | None:
        """The gold text of one document; None where it has none."""
        target = self.task.doc_to_target(doc)
        return target if isinstance(target, str) and target.strip() else None

    @property
    def data_identity(self) -> object:
        """What stands for this subtask's data: its local files, else its documents."""
        if self.files:
            return self.files
        pool = list(getattr(getattr(self.task, "sampler", None), "df", []))
        return [digest_json([_plain(doc) for doc in docs]) for docs in (self.docs, pool)]


@dataclass
class _SwappedData:
    """What was found out while one task's data source was swapped."""

    files: dict[str, str] = field(default_factory=dict)
    missing_fewshot_split: str | None = None


class _LocalDataFactory(TaskFactory):  # type: ignore[misc]
    """Builds tasks by their stock definition with local data in place of the hub's.

    Attributes:
        swapped: by subtask, those that got local data.
        dataset_path: hub name of the data of the last task that was built or tried.
    """

    def __init__(self, data_dir: Path | None) -> None:
        super().__init__()
        self.swapped: dict[str, _SwappedData] = {}
        self.dataset_path: str | None = None
        self._data_dir = data_dir

    def _load_full_config(self, entry: Any, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
        config: dict[str, Any] = super()._load_full_config(entry, overrides)
        path = config.get("dataset_path")
        self.dataset_path = path
        if self._data_dir is None or not isinstance(path, str):
            return config
        data = find_local_data(path, config.get("dataset_name"))
        return config if data is None else self._swap(config, data, self._data_dir)

    def _swap(self, config: dict[str, Any], data: LocalData, data_dir: Path) -> dict[str, Any]:
        used = used_splits(config, data)
        swapped = _SwappedData(data.file_digests(data_dir, used.found), used.missing_fewshot_split)
        if used.missing_fewshot_split is not None:
            config = {**config, "fewshot_split": None}
        self.swapped[config["task"]] = swapped
        absent = {key: None for key in SPLITS if config.get(key) not in data.splits}
        return {**config, **absent, "dataset_kwargs": None, "custom_dataset": _loader(data, data_dir, used.found)}


def load_subtasks(name: str, options: LmEvalOptions) -> list[Subtask]:
    """Build the subtasks of a task, group, tag or YAML file."""
    entry, index = find_entry(name, options.include_path)
    factory = _LocalDataFactory(options.data_dir)
    built = _build(name, factory, entry, dict(index))
    grouped = not isinstance(built, LibraryTask)
    prefix = f"{entry.name}_"
    subtasks = []
    for task in _tasks(built):
        swapped = factory.swapped.get(task.task_name, _SwappedData())
        _refuse_what_cannot_be_asked(task)
        own = task.get_config("num_fewshot")
        shots = fewshot_count(task.task_name, own, options.fewshot, swapped.missing_fewshot_split)
        task.set_config(key="num_fewshot", value=shots)
        subject = (task.get_config("task_alias") or task.task_name.removeprefix(prefix)) if grouped else None
        # a property that maps all documents anew each time it is read
        docs = task.eval_docs
        subtasks.append(Subtask(task.task_name, subject, task, docs, swapped.files))
    if not subtasks:
        raise TaskError(f"lm-eval task {name!r} has no members", "check its YAML")
    return subtasks


def _loader(data: LocalData, data_dir: Path, splits: Sequence[str]) -> Callable[..., dict[str, Any]]:
    def load(**metadata: Any) -> dict[str, Any]:
        from datasets import Dataset

        return {split: Dataset.from_list(data.rows(data_dir, split)) for split in splits}

    return load


def _build(name: str, factory: _LocalDataFactory, entry: Any, index: dict[str, Any]) -> Any:
    try:
        return factory.build(entry, registry=index)
    except ImportError as error:
        raise TaskError(
            f"lm-eval task {name!r} needs a package that is not installed: {error}",
            "install it; lm-eval's extras, such as lm-eval[ifeval] and lm-eval[math], bring what its tasks need",
        ) from error
    except (OSError, DatasetsError) as error:
        # no connection, offline mode, no such data set
        folder = local_folder(factory.dataset_path or "")
        hint = f" that holds {folder}/" if folder else ""
        raise DataError(
            f"the data of lm-eval task {name!r} cannot be loaded: {error}",
            f"connect to the hub, or give --data-dir=DIRECTORY{hint}",
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError, YAMLError) as error:
        raise TaskError(f"lm-eval cannot build task {name!r}: {error!r}", "check its YAML") from error


def _tasks(built: Any) -> Iterator[Any]:
    if isinstance(built, Group):
        yield from built.get_all_tasks()
    elif isinstance(built, list):
        yield from built
    else:
        yield built


def _refuse_what_cannot_be_asked(task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise runs_code(task.task_name)
    if getattr(task, "MULTIMODAL", False):
        raise TaskError(f"lm-eval task {task.task_name!r} asks with images or sound", "choose a task of text alone")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else repr(value)
