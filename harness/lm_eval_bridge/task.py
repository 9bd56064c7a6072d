"""An lm-eval task, group or user YAML as one of our tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harness.digests import digest_json
from harness.engines import Engine
from harness.errors import TaskError
from harness.lm_eval_bridge.options import LmEvalOptions
from harness.lm_eval_bridge.selection import select_items
from harness.lm_eval_bridge.surroundings import lm_eval_surroundings
from harness.metrics.base import Metric
from harness.runs.schema import Role, Sample
from harness.tasks.evaluate import Progress

if TYPE_CHECKING:
    from harness.lm_eval_bridge.leaves import Leaf


class LmEvalTask:
    """lm-eval's items, prompts, filters and metrics; our engine, samples and gates.

    Nothing is read before it is needed; base and candidate share one set of documents.

    Args:
        name: a task, group or tag of lm-eval or of `options.include_path`, or the path of a YAML file.
    """

    def __init__(self, name: str, options: LmEvalOptions | None = None) -> None:
        self.name = name
        self.options = options or LmEvalOptions()
        self._fractional: set[str] = set()
        self._measured: set[str] = set()

    @cached_property
    def leaves(self) -> Sequence[Leaf]:
        """The leaf tasks, each with its documents.

        Raises:
            TaskError: the name is unknown, or the task cannot be asked.
            DataError: its data cannot be read.
        """
        from harness.lm_eval_bridge.leaves import load_leaves

        with lm_eval_surroundings(self.options.seed):
            return load_leaves(self.name, self.options)

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
        return digest_json(["lm_eval", version("lm_eval"), self.name, self.options.identity(), versions])

    @cached_property
    def selected(self) -> Mapping[str, Sequence[int]]:
        """The items asked, as ascending document indices by leaf task; a leaf task without any is left out."""
        options = self.options
        return select_items(self._sizes, limit=options.limit, max_items=options.max_items, seed=options.seed)

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        return {leaf.name: len(leaf.docs) for leaf in self.leaves}

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        A metric counts as binary once samples were measured and every score was 0 or 1.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        from harness.lm_eval_bridge.metric_table import metric_table

        known = metric_table(self.leaves, self.chance, self._measured - self._fractional)
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]

    @cached_property
    def chance(self) -> float | None:
        """Accuracy of guessing: mean of 1 / number of choices; None where no question has choices."""
        from harness.lm_eval_bridge.samples import is_plain_choice

        shares: list[float] = []
        for leaf in self.leaves:
            if is_plain_choice(leaf):
                chosen = (leaf.docs[item] for item in self.selected.get(leaf.name, ()))
                with lm_eval_surroundings(self.options.seed):
                    shares += [1 / len(leaf.task.doc_to_choice(doc)) for doc in chosen]
        return sum(shares) / len(shares) if shares else None

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
        from lm_eval.evaluator import evaluate

        from harness.lm_eval_bridge.lm import EngineLM
        from harness.lm_eval_bridge.samples import with_every_score

        asked = [leaf for leaf in self.leaves if leaf.name in self.selected]
        lm = EngineLM(engine, chat=self.options.chat_template, progress=progress)
        with lm_eval_surroundings(self.options.seed):
            for leaf in asked:
                # drawing examples moved the generator on: base and candidate must draw the same
                leaf.task.set_fewshot_seed(self.options.seed)
            try:
                results = evaluate(
                    lm=lm,
                    task_dict={"tasks": {leaf.name: leaf.task for leaf in asked}},
                    samples={n: list(items) for n, items in self.selected.items() if len(items) < self._sizes[n]},
                    bootstrap_iters=0,
                    log_samples=True,
                    apply_chat_template=self.options.chat_template,
                    fewshot_as_multiturn=self.options.chat_template and self.options.fewshot_as_multiturn,
                )
            except LookupError as error:
                if "nltk" not in str(error):
                    raise
                raise TaskError(
                    f"grading {self.name!r} needs data of NLTK that are not installed: {error}",
                    "install them with `python -m nltk.downloader punkt_tab`; the answers so far are kept",
                ) from error
        samples = [s for leaf in asked for s in self._samples(leaf, role, results["samples"][leaf.name], lm)]
        self._note(samples)
        return with_every_score(samples)

    def _samples(self, leaf: Leaf, role: Role, logged: Sequence[Mapping[str, Any]], lm: Any) -> list[Sample]:
        from harness.lm_eval_bridge.samples import make_sample
        from harness.lm_eval_bridge.scores import score_names

        names = score_names(leaf.task)
        rows: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for row in logged:
            rows[row["doc_id"]].append(row)
        samples = []
        # lm-eval numbers requests by the place of their document among the selected ones
        for place, item in enumerate(self.selected[leaf.name]):
            requests = range(len(rows[item][0]["arguments"]))
            answers = [answer for i in requests for answer in lm.answers[leaf.name, place, i]]
            samples.append(make_sample(self.name, leaf, role, rows[item], answers, names))
        return samples

    def _note(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            scores = {name: score for name, score in sample.scores.items() if score is not None}
            self._measured |= scores.keys()
            self._fractional |= {name for name, score in scores.items() if score not in (0.0, 1.0)}
