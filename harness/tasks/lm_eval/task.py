"""An lm-eval task, group or user YAML as one of our tasks. Imports no lm-eval before it is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from harness.config.base import Text
from harness.digests import digest_json
from harness.engines import Engine
from harness.metrics.base import Metric, main_metric
from harness.records import Role, Sample
from harness.tasks.base import Progress, find_metric
from harness.tasks.kinds import Spec, TaskContext, TaskKeys, TaskKind
from harness.tasks.lm_eval.definitions import Definitions, read_definitions
from harness.tasks.lm_eval.names import check_definition
from harness.tasks.lm_eval.options import LM_EVAL_SEED, LmEvalOptions
from harness.tasks.lm_eval.surroundings import lm_eval_surroundings
from harness.tasks.sampling import select_items, stratified_order

if TYPE_CHECKING:
    from harness.tasks.lm_eval.subtasks import Subtask

Number = Annotated[int, Field(ge=0)]


class LmEvalKeys(TaskKeys):
    """Keys of kind `lm_eval`."""

    task: Text | None = None
    """task, group or tag of lm-eval, or a YAML file; without it, the name"""
    fewshot: Number | None = None
    """examples in the prompt; without it, the task's own number"""
    chat_template: bool | None = None
    """ask in conversations; without it, as --chat-template says"""
    fewshot_as_multiturn: bool = True
    """each example is a turn of the conversation"""
    include_path: Text | None = None
    """a directory of your own YAML files; they win over lm-eval's"""
    seed: Number = LM_EVAL_SEED
    """of examples that are drawn, and of the items that a limit draws"""


class LmEvalTask:
    """lm-eval's items, prompts, filters and metrics; our engine, samples and gates.

    Nothing is read before it is needed; base and candidate share one set of documents.

    Args:
        name: what its samples are kept under.
        definition: a task, group or tag of lm-eval or of `options.include_path`, or the path of a YAML file;
            None: of that name.
    """

    def __init__(self, name: str, options: LmEvalOptions | None = None, *, definition: str | None = None) -> None:
        self.name = name
        self.options = options or LmEvalOptions()
        self.definition = definition or name
        self._fractional: set[str] = set()
        self._measured: set[str] = set()

    @cached_property
    def definitions(self) -> Definitions | None:
        """What its definitions say before lm-eval reads them; None where only lm-eval can tell."""
        return read_definitions(self.definition, self.options.include_path)

    def check(self) -> None:
        """Refuse what its definitions and the data directory show cannot be asked.

        Raises:
            TaskError, DataError: as it would be raised when it is measured.
        """
        if self.definitions is not None:
            self.definitions.check(self.options)

    def check_metric(self, name: str) -> None:
        """Refuse a metric that none of its definitions has, where they say which they have.

        Raises:
            TaskError: it has none of that name.
        """
        known = None if self.definitions is None else self.definitions.metrics
        if known is not None:
            find_metric(self.name, name, map(Metric, sorted(known)))

    def expected_items(self) -> int | None:
        """How many items it will ask, by the files of the data directory; None where those do not tell."""
        sizes = {} if self.definitions is None else self.definitions.sizes(self.options.data_dir)
        return sum(map(len, self._select(sizes).values())) if sizes else None

    @cached_property
    def subtasks(self) -> Sequence[Subtask]:
        """The subtasks, each with its documents."""
        from harness.tasks.lm_eval.subtasks import load_subtasks

        with lm_eval_surroundings(self.options.seed):
            return load_subtasks(self.definition, self.options)

    @cached_property
    def data_digest(self) -> str:
        """Digest of the data files used; of the documents where the data came from elsewhere."""
        if all(subtask.files for subtask in self.subtasks):
            return digest_json({file: digest for subtask in self.subtasks for file, digest in subtask.files.items()})
        return digest_json([[subtask.name, subtask.data_identity] for subtask in self.subtasks])

    @cached_property
    def digest(self) -> str:
        """Digest of what is asked beside the data: definitions' versions and settings."""
        versions = {subtask.name: str(subtask.task.VERSION) for subtask in self.subtasks}
        return digest_json(["lm_eval", version("lm_eval"), self.options.identity(), versions])

    @cached_property
    def selected(self) -> Mapping[str, Sequence[int]]:
        """The items asked, as ascending document indices by subtask; a subtask without any is left out."""
        return self._select({subtask.name: len(subtask.docs) for subtask in self.subtasks})

    def _select(self, sizes: Mapping[str, int]) -> Mapping[str, Sequence[int]]:
        options = self.options
        return select_items(
            sizes,
            limit=options.limit,
            max_items=options.max_items,
            max_subtasks=options.max_subtasks,
            seed=options.seed,
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is asked and how, for the run's manifest."""
        asked = [subtask for subtask in self.subtasks if subtask.name in self.selected]
        return {
            "items": sum(map(len, self.selected.values())),
            "leaf_tasks": len(asked),
            **self.options.identity(),
            # the task's own number where none was asked for
            "fewshot": sorted({subtask.task.get_config("num_fewshot") for subtask in asked}),
            "versions": sorted({str(subtask.task.VERSION) for subtask in asked}),
        }

    @property
    def main_metric(self) -> str:
        """The metric the task is known by, out of those that lm-eval reports."""
        from harness.tasks.lm_eval.scores import library_metrics

        return main_metric(list(library_metrics(self.subtasks, self.chance, self._binary).values()))

    @property
    def _binary(self) -> set[str]:
        return self._measured - self._fractional

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        A metric counts as binary once samples were measured and every score was 0 or 1.
        """
        from harness.tasks.lm_eval.scores import metric_table

        return find_metric(self.name, name, metric_table(self.subtasks, self.chance, self._binary).values())

    @cached_property
    def chance(self) -> float | None:
        """Accuracy of guessing: mean of 1 / number of choices; None where no question has choices."""
        shares: list[float] = []
        for subtask in self.subtasks:
            if subtask.is_plain_choice:
                chosen = (subtask.docs[item] for item in self.selected.get(subtask.name, ()))
                with lm_eval_surroundings(self.options.seed):
                    shares += [1 / len(subtask.task.doc_to_choice(doc)) for doc in chosen]
        return sum(shares) / len(shares) if shares else None

    def random_order(self) -> Sequence[str]:
        """`subtask/document` of all items asked, as `harness.tasks.base.Divisible` says; strata are the subtasks."""
        strata = {f"{subtask}/{item}": subtask for subtask, items in self.selected.items() for item in items}
        return stratified_order(strata, self.options.seed)

    def only(self, items: Collection[str]) -> LmEvalTask:
        """The task of these items alone; what it learns of its metrics this one knows too."""
        _ = self.chance  # of all items, before some of them are all that is known
        part = copy(self)
        part.__dict__["selected"] = {
            subtask: kept
            for subtask, chosen in self.selected.items()
            if (kept := [item for item in chosen if f"{subtask}/{item}" in items])
        }
        return part

    def name_of(self, sample: Sample) -> str:
        """`subtask/document`: a sample's id without the document's hash."""
        return sample.item_id.rpartition("/")[0]

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every selected item and grade the answers as lm-eval does.

        Args:
            progress: called with (answers so far, answers wanted so far known).

        Returns:
            One sample a document, subtask by subtask, in the data's order.
        """
        from harness.tasks.lm_eval.evaluate import ask

        asked = [subtask for subtask in self.subtasks if subtask.name in self.selected]
        samples = ask(self.name, asked, self.selected, self.options, engine, role, progress)
        self._note(samples)
        return samples

    def _note(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            scores = {name: score for name, score in sample.scores.items() if score is not None}
            self._measured.update(scores)  # in place: the parts of a task share what is known of its metrics
            self._fractional.update(name for name, score in scores.items() if score not in (0.0, 1.0))


def _build(name: str, keys: LmEvalKeys, context: TaskContext) -> LmEvalTask:
    include_path = None if keys.include_path is None else context.root / keys.include_path
    definition = _definition(keys.task or name, context.root)
    check_definition(name, definition, include_path)
    options = LmEvalOptions(
        fewshot=keys.fewshot,
        max_items=context.smaller_limit(keys),
        max_subtasks=context.subjects,
        chat_template=context.chat_template if keys.chat_template is None else keys.chat_template,
        fewshot_as_multiturn=keys.fewshot_as_multiturn,
        seed=keys.seed,
        data_dir=context.data_dir,
        include_path=include_path,
    )
    task = LmEvalTask(name, options, definition=definition)
    task.check()
    return task


def _definition(text: str, root: Path) -> str:
    """A YAML file beside the configuration by its full path, wherever pytest is started."""
    beside = root / text
    return str(beside) if text.endswith((".yaml", ".yml")) and beside.is_file() else text


def _with_fewshot(name: str, spec: Spec, shots: int) -> Spec:
    return {"task": name, **spec, "fewshot": shots}  # the task's new name says the count, lm-eval knows the old one


# its answers may be probabilities
LM_EVAL = TaskKind("lm_eval", LmEvalKeys, _build, generates=False, with_fewshot=_with_fewshot)
