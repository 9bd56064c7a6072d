"""The answers that a judge is asked about: whose, to which questions, and paired with which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from harness.config import FILE_NAME, Judging
from harness.engines.requests import Generation
from harness.errors import ConfigError, EngineError, RunError, TaskError
from harness.judges.inputs import questions_of, replies_of
from harness.records import ProcessFacts, Sample
from harness.runs.baselines import NamedRun, find_run
from harness.runs.comparability import comparability_key, differing_parts, in_words
from harness.runs.storage import open_store
from harness.tasks.open_instructions import OpenTask
from harness.tasks.open_sets import OPEN_TASKS, open_task
from harness.tasks.questions import AnswerPair

if TYPE_CHECKING:
    from harness.config.settings import Settings
    from harness.engines import Engine
    from harness.gates import Evaluation
    from harness.records import Role
    from harness.tasks.base import TaskLike

# Long enough to tell answers apart, short enough that the health check stays cheap.
_NULL_TOKENS = 128
_NULL_SAMPLING = {"temperature": 0.7, "top_p": 0.9}


class Asks(Protocol):
    """The session, as far as the judge needs it: base and candidate, their tasks and their answers."""

    def task(self, name: str) -> TaskLike:
        """A task by its name."""

    def evaluate(self, name: str, role: Role) -> Evaluation:
        """One model's samples of a task."""

    def engine(self, role: Role) -> Engine:
        """The engine that answers as base or candidate."""

    def facts(self) -> ProcessFacts:
        """Identities and data digests, as the manifest and the comparability key have them."""


class PairsToJudge:
    """Pairs of answers for one session's judge: of base and candidate, of the baseline, of the data's references.

    Args:
        session: asks base and candidate.
        limits: against whom the candidate is judged, and how often the base against itself.
    """

    def __init__(self, session: Asks, settings: Settings, limits: Judging) -> None:
        self._session = session
        self._settings = settings
        self._limits = limits

    def of_task(self, name: str) -> list[AnswerPair]:
        """Candidate and opponent, on the questions of a task.

        Raises:
            TaskError: the task's items are no text prompts, or it has no references to compare with.
            RunError: the baseline's answers cannot be paired with the candidate's.
        """
        task, against = self._session.task(name), self._limits.against
        questions = questions_of(task)
        answers = self._session.evaluate(name, "candidate").samples
        candidate = replies_of(task, answers)
        if against != "reference":
            base = against == "base"
            theirs = (
                self._session.evaluate(name, "base").samples if base else self._baseline_answers(task.name, answers)
            )
            opponent = replies_of(task, theirs)
            return [AnswerPair(question, candidate[question.id], opponent[question.id]) for question in questions]
        with_reference = [question for question in questions if question.reference is not None]
        if not with_reference:
            raise TaskError(f"task {name!r} has no reference answers", "set judge.against to base")
        # only the last reply is judged against a reference: those before it are the candidate's own in both
        return [AnswerPair(q, candidate[q.id], (*candidate[q.id][:-1], q.reference or "")) for q in with_reference]

    def find_baseline(self) -> NamedRun:
        """The run whose answers are the opponent's.

        Raises:
            ConfigError: `--baseline` names none.
        """
        settings = self._settings
        if not settings.baseline:
            raise ConfigError(
                "judge.against is baseline, and no baseline is named",
                f"pass --baseline=RUN, or set judge.against to base in {FILE_NAME}",
            )
        return find_run(settings.baseline, settings.reports_dir, open_store(settings.store))

    def _baseline_answers(self, task: str, candidate: Sequence[Sample]) -> list[Sample]:
        """The baseline's stored samples of a task, one to each of the candidate's: same item, same prompt digest.

        Raises:
            RunError: the run never measured the task, or measured it another way; the parts that differ are named.
        """
        baseline = self.find_baseline()
        name, run = baseline.name, baseline.run
        remedy = f"set a baseline that was measured the same way, or judge.against to base in {FILE_NAME}"
        asked = [(sample.item_id, sample.prompt_digest) for sample in candidate]
        ours = comparability_key(self._session.facts(), {task: asked})
        if differing := differing_parts(run.manifest.comparability, ours, task, metric=""):
            raise RunError(f"{name} cannot be held against on {task}: {in_words(differing)} differ", remedy)
        samples = {(s.item_id, s.prompt_digest): s for s in run.read_samples(task=task, role="candidate")}
        missing = [item for item, prompt in asked if (item, prompt) not in samples]
        if missing:
            problem = f"{name} lacks answers to {len(missing)} of {len(candidate)} questions of {task}: {missing[0]}"
            raise RunError(problem, remedy)
        return [samples[key] for key in asked]

    def of_base_with_itself(self) -> list[AnswerPair]:
        """Two answers of the base to each of some instructions, drawn with two seeds."""
        name = self._limits.task if self._limits.task in OPEN_TASKS else "mini_instructions"
        task = open_task(name, self._settings)
        questions = [question for question in task.questions if len(question.turns) == 1][: self._limits.null_pairs]
        short = OpenTask(task.name, questions, min(_NULL_TOKENS, task.answer_tokens), task.data_digest)
        requests = [short.request(q.turns, (), **_NULL_SAMPLING, seed=seed) for q in questions for seed in (1, 2)]
        said: dict[int, Generation] = dict(self._session.engine("base").generate(requests))
        if len(said) < len(requests):
            raise EngineError(f"{len(requests) - len(said)} requests got no answer", "report this bug")
        return [AnswerPair(q, (said[2 * n].text,), (said[2 * n + 1].text,)) for n, q in enumerate(questions)]
