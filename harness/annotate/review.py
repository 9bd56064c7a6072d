"""What is reviewed, in which order, and which of two answers is shown first: out of the run and a seed alone.

Order and sides are digests keyed by the stored samples, so the run tells them again when answers come back, and the page,
which holds neither the key nor a model's name, does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.digests import digest_file, digest_json
from harness.errors import RunError
from harness.judges.judgements import judge_task
from harness.records import Role, Sample
from harness.runs.run import SAMPLES, Run

_KEY_DIGITS = 12
_PAGE_DIGITS = 16
_TASK_SUITE = "task"
_USER = "[user]\n"
_NEXT_TURN = re.compile(r"\n\n\[(?:system|user|assistant|tool)\]\n")


@dataclass(frozen=True)
class StoredPair:
    """What base and candidate answered to one item."""

    base: Sample
    candidate: Sample

    @property
    def id(self) -> str:
        """Of the item."""
        return self.candidate.item_id

    @property
    def key(self) -> tuple[str, str]:
        """Item and prompt: what two rows of one comparison share."""
        return self.id, self.candidate.prompt_digest

    @property
    def cluster(self) -> str:
        """Items of one cluster are not independent; an item without one is its own."""
        return self.candidate.cluster or self.id

    @property
    def same_prompt(self) -> bool:
        """Whether both saw the same text; in later turns each saw its own answers to those before."""
        return self.base.prompt == self.candidate.prompt

    @property
    def identical(self) -> bool:
        """Whether there is nothing to compare."""
        return self.same_prompt and self.base.answer == self.candidate.answer


@dataclass(frozen=True)
class BlindPair:
    """Two answers under a name that says nothing.

    Attributes:
        key: the name of the pair in the page and in the answers.
        candidate_first: which of the two is answer 1.
    """

    key: str
    pair: StoredPair
    candidate_first: bool

    @property
    def sides(self) -> tuple[Sample, Sample]:
        """Answer 1 and answer 2."""
        pair = self.pair
        return (pair.candidate, pair.base) if self.candidate_first else (pair.base, pair.candidate)


@dataclass(frozen=True)
class Review:
    """One page to be filled in.

    Attributes:
        page: names the page; another run, seed or limit gives another.
        drawn: the pairs in their order, identical answers among them, which are not shown but count as ties.
        limit: as it was given.
    """

    page: str
    run: str
    task: str
    seed: int
    limit: int | None
    drawn: tuple[BlindPair, ...]

    @cached_property
    def shown(self) -> tuple[BlindPair, ...]:
        """The pairs that differ."""
        return tuple(blind for blind in self.drawn if not blind.pair.identical)

    @cached_property
    def by_key(self) -> Mapping[str, BlindPair]:
        """Those that are shown, by key."""
        return {blind.key: blind for blind in self.shown}


def make_review(run: Run, task: str, *, seed: int = 0, limit: int | None = None) -> Review:
    """Draw the pairs of a page; a smaller limit gives the beginning of a larger one's."""
    secret = digest_json([run.id, digest_file(run.path / SAMPLES), task, seed])
    blind = sorted((_blind(pair, secret) for pair in answer_pairs(run, task)), key=lambda one: one.key)
    drawn = tuple(blind[:limit])
    page = digest_json(["page", secret, limit, [one.key for one in drawn]])[:_PAGE_DIGITS]
    return Review(page, run.id, task, seed, limit, drawn)


def _blind(pair: StoredPair, secret: str) -> BlindPair:
    place, side = (digest_json([secret, what, pair.id, pair.base.prompt_digest]) for what in ("place", "side"))
    return BlindPair(place[:_KEY_DIGITS], pair, candidate_first=int(side, 16) % 2 == 0)


def asked(sample: Sample) -> str:
    """The prompt for people: of a single turn what the user said, of a longer conversation all of it, with its roles."""
    prompt = sample.prompt
    alone = prompt.startswith(_USER) and not _NEXT_TURN.search(prompt)
    return prompt.removeprefix(_USER) if alone else prompt


def choose_task(run: Run, name: str | None) -> str:
    """The task to review: the one named, else the one that the run's judge was for, else the one that the adapter is for,
    else the only one.

    Raises:
        RunError: the run has no such task, none at all, or several to choose from.
    """
    found = _written_tasks(run)
    known = ", ".join(found) or "none"
    if name is not None:
        if name not in found:
            problem = f"the run {run.id} has no answers of base and candidate to a task {name!r} that generates text"
            raise RunError(problem, f"its tasks of that kind: {known}")
        return name
    # an unfit judge compared nothing, and its verdict says for which task it was asked
    judged = {*run.table["task"].unique().to_pylist(), *(verdict.task for verdict in run.verdicts)}
    trained_for = {verdict.task for verdict in run.verdicts if verdict.suite == _TASK_SUITE}
    candidates = (
        [task for task in found if judge_task(task) in judged]
        or [task for task in found if task in trained_for]
        or found
    )
    if len(candidates) != 1:
        problem = f"the run {run.id} has {len(found) or 'no'} tasks for which base and candidate wrote text"
        raise RunError(problem, f"name one with --task: {known}" if found else "run a suite that generates answers")
    return candidates[0]


def answer_pairs(run: Run, task: str) -> list[StoredPair]:
    """Every item of a task that both models answered, in the order of its ids.

    Raises:
        RunError: the samples cannot be read, or no item was answered by both.
    """
    base, candidate = (_by_item(run.read_samples(task=task, role=role)) for role in ("base", "candidate"))
    pairs = [StoredPair(base[item], candidate[item]) for item in sorted(base.keys() & candidate.keys())]
    if not pairs:
        raise RunError(f"no item of {task} was answered by both base and candidate", "choose another task with --task")
    return pairs


def _written_tasks(run: Run) -> list[str]:
    """Tasks for which both models generated text: what was only scored has no stop reason."""

    def answered(role: Role) -> set[str]:
        columns = (run.table[name].to_pylist() for name in ("task", "role", "stop_reason"))
        return {task for task, by, stop in zip(*columns, strict=True) if by == role and stop is not None}

    return sorted(answered("base") & answered("candidate"))


def _by_item(samples: Sequence[Sample]) -> Mapping[tuple[str, str], Sample]:
    return {(sample.item_id, sample.prompt_digest): sample for sample in samples}
