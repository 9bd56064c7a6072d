"""An lm-eval task, group or user YAML as one of our tasks."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harness.digests import digest_json
from harness.engines import Engine
from harness.errors import TaskError
from harness.metrics.base import Metric, main_metric
from harness.records import Role, Sample
from harness.tasks.base import Progress
from harness.tasks.lm_eval.options import LmEvalOptions
from harness.tasks.lm_eval.surroundings import lm_eval_surroundings
from harness.tasks.sampling import stratified_order

if TYPE_CHECKING:
    from harness.tasks.lm_eval.subtasks import Subtask


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
    def leaves(self) -> Sequence[Subtask]:
        """The leaf tasks, each with its documents.

        Raises:
            TaskError: the name is unknown, or the task cannot be asked.
            DataError: its data cannot be read.
        """
        from harness.tasks.lm_eval.subtasks import load_subtasks

        with lm_eval_surroundings(self.options.seed):
            return load_subtasks(self.definition, self.options)

    @cached_property
    def data_digest(self) -> str:
        """Digest of the data files used; of the documents where the data came from elsewhere."""
        if all(leaf.files for leaf in self.leaves):
            return digest_json({file: digest for leaf in self.leaves for file, digest in leaf.files.items()})
        return digest_json([[leaf.name, leaf.data_identity] for leaf in self.leaves])

    @cached_property
    def digest(self) -> str:
        """Digest of what is asked beside the data: definitions' versions and settings."""
        versions = {leaf.name: str(leaf.task.VERSION) for leaf in self.leaves}
        return digest_json(["lm_eval", version("lm_eval"), self.options.identity(), versions])

    @cached_property
    def selected(self) -> Mapping[str, Sequence[int]]:
        """The items asked, as ascending document indices by leaf task; a leaf task without any is left out."""
        options = self.options
        return select_items(
            {leaf.name: len(leaf.docs) for leaf in self.leaves},
            limit=options.limit,
            max_items=options.max_items,
            max_leaves=options.max_leaves,
            seed=options.seed,
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is asked and how, for the run's manifest."""
        asked = [leaf for leaf in self.leaves if leaf.name in self.selected]
        return {
            "items": sum(map(len, self.selected.values())),
            "leaf_tasks": len(asked),
            **self.options.identity(),
            # the task's own number where none was asked for
            "fewshot": sorted({leaf.task.get_config("num_fewshot") for leaf in asked}),
            "versions": sorted({str(leaf.task.VERSION) for leaf in asked}),
        }

    @property
    def main_metric(self) -> str:
        """The metric the task is known by, out of those that lm-eval reports."""
        from harness.tasks.lm_eval.metric_table import library_metrics

        return main_metric(list(library_metrics(self.leaves, self.chance, self._binary).values()))

    @property
    def _binary(self) -> set[str]:
        return self._measured - self._fractional

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        A metric counts as binary once samples were measured and every score was 0 or 1.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        from harness.tasks.lm_eval.metric_table import metric_table

        known = metric_table(self.leaves, self.chance, self._binary)
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    @cached_property
    def chance(self) -> float | None:
        """Accuracy of guessing: mean of 1 / number of choices; None where no question has choices."""
        from harness.tasks.lm_eval.samples import is_plain_choice

        shares: list[float] = []
        for leaf in self.leaves:
            if is_plain_choice(leaf):
                chosen = (leaf.docs[item] for item in self.selected.get(leaf.name, ()))
                with lm_eval_surroundings(self.options.seed):
                    shares += [1 / len(leaf.task.doc_to_choice(doc)) for doc in chosen]
        return sum(shares) / len(shares) if shares else None

    def random_order(self) -> Sequence[str]:
        """`leaf task/document` of all items asked, as `harness.tasks.base.Divisible` says; strata are the leaf tasks."""
        strata = {f"{leaf}/{item}": leaf for leaf, items in self.selected.items() for item in items}
        return stratified_order(strata, self.options.seed)

    def only(self, items: Collection[str]) -> LmEvalTask:
        """The task of these items alone; what it learns of its metrics this one knows too."""
        _ = self.chance  # of all items, before some of them are all that is known
        part = copy(self)
        part.__dict__["selected"] = {
            leaf: kept
            for leaf, chosen in self.selected.items()
            if (kept := [item for item in chosen if f"{leaf}/{item}" in items])
        }
        return part

    def name_of(self, sample: Sample) -> str:
        """`leaf task/document`: a sample's id without the document's hash."""
        return sample.item_id.rpartition("/")[0]

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every selected item and grade the answers as lm-eval does.

        Args:
            progress: called with (answers so far, answers wanted so far known).

        Returns:
            One sample a document, leaf task by leaf task, in the data's order.

        Raises:
            TaskError: the task asks for something that the engine does not do.
            EngineError: a request got no answer.
        """
        from harness.tasks.lm_eval.evaluate import ask

        asked = [leaf for leaf in self.leaves if leaf.name in self.selected]
        samples = ask(self.name, asked, self.selected, self.options, engine, role, progress)
        self._note(samples)
        return samples

    def _note(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            scores = {name: score for name, score in sample.scores.items() if score is not None}
            self._measured.update(scores)  # in place: the parts of a task share what is known of its metrics
            self._fractional.update(name for name, score in scores.items() if score not in (0.0, 1.0))


def select_items(
    sizes: Mapping[str, int],
    *,
    limit: int | None,
    max_items: int | None,
    seed: int,
    max_leaves: int | None = None,
) -> dict[str, list[int]]:
    """Draw items of every leaf task.

    The same seed gives the same items, and smaller limits give a subset of what larger ones give.

    Args:
        sizes: items each leaf task has.
        limit: at most so many of each leaf task.
        max_items: at most so many in all, leaf tasks in proportion to what they have left.
        max_leaves: at most so many leaf tasks.

    Returns:
        Ascending item indices by leaf task; a leaf task of which none was drawn is left out.
    """
    drawn = set(random.Random(f"{seed}").sample(sorted(sizes), len(sizes))[:max_leaves])
    ranked: list[tuple[float, str, int]] = []
    for leaf in (leaf for leaf in sizes if leaf in drawn):
        size = sizes[leaf]
        order = random.Random(f"{seed}/{leaf}").sample(range(size), size)[:limit]
        # evenly spaced ranks: the first `max_items` over all leaf tasks hold each one's share to within one item
        ranked += [((place + 0.5) / len(order), leaf, item) for place, item in enumerate(order)]
    chosen: dict[str, list[int]] = {leaf: [] for leaf in sizes}
    for _, leaf, item in sorted(ranked)[:max_items]:
        chosen[leaf].append(item)
    return {leaf: sorted(items) for leaf, items in chosen.items() if items}
