"""The judge at work in a session: tried first, and asked about the candidate only if it is fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.checks.judge.baseline import baseline_answers, find_baseline
from harness.checks.judge.comparison import JudgeComparison
from harness.engines.requests import Generation
from harness.errors import EngineError, RunError, TaskError
from harness.judges.gold import GoldPairs, read_gold
from harness.judges.health import Health, gold_health, with_null
from harness.judges.inputs import questions_of, replies_of
from harness.judges.judge import Judge, Judged, Rated
from harness.judges.judgements import judged_rows, rated_rows
from harness.judges.reading_mode import ReadingMode, choose_reading_mode
from harness.judges.trusted import TrustedJudge
from harness.records import ProcessFacts, Sample
from harness.tasks.base import Progress
from harness.tasks.open_instructions import OpenTask
from harness.tasks.open_sets import OPEN_TASKS, open_task
from harness.tasks.questions import AnswerPair

if TYPE_CHECKING:
    from harness.config import Judging
    from harness.config.settings import Settings
    from harness.engines import Engine
    from harness.gates import Evaluation
    from harness.judges.loading import LoadedJudge
    from harness.records import Role
    from harness.tasks.base import TaskLike

# Long enough to tell answers apart, short enough that trying the judge stays cheap.
_NULL_TOKENS = 128
_NULL_SAMPLING = {"temperature": 0.7, "top_p": 0.9}


class Asks(Protocol):
    """What base and candidate are asked through: a session."""

    def task(self, name: str) -> TaskLike:
        """A task by its name."""

    def evaluate(self, name: str, role: Role) -> Evaluation:
        """One model's samples of it."""

    def engine(self, role: Role) -> Engine:
        """What answers as one of them."""

    def facts(self) -> ProcessFacts:
        """Who was asked what."""


class JudgeRunner:
    """Trials and contests of one session's judge, each held once and its judgements stored.

    In order of cost: gold pairs, which need no answers; then the base against itself; then the contest. Where one
    shows the judge unfit, or spends its budget, the next is not held.

    Args:
        session: asks base and candidate.
        judge: the judge that the settings name.
        keep: stores samples.
        working: (label, digests of what is asked) -> a context in which no other process asks the same; it gives the
            progress callback.
    """

    def __init__(
        self,
        session: Asks,
        settings: Settings,
        judge: LoadedJudge,
        *,
        keep: Callable[[Sequence[Sample]], None],
        working: Callable[..., contextlib.AbstractContextManager[Progress]],
    ) -> None:
        self._session = session
        self._settings = settings
        self._opened = judge
        self._keep = keep
        self._working = working
        self._contests: dict[str, JudgeComparison] = {}

    @property
    def _limits(self) -> Judging:
        return self._settings.judging

    @cached_property
    def judge(self) -> Judge:
        """How answers are put to the judge's engine."""
        logprobs = self.manner.reads == "logprobs"
        return Judge(self._opened.engine, logprobs=logprobs, reply_tokens=self._limits.reply_tokens)

    @cached_property
    def manner(self) -> ReadingMode:
        """How verdicts are read; a server is asked once what it gives.

        Raises:
            ConfigError: not as the configuration demands.
        """
        return choose_reading_mode(self._limits, self._opened.engine, served=self._opened.model.is_served)

    @cached_property
    def proven(self) -> TrustedJudge:
        """The judge for whoever else has questions: it answers them only if it is fit."""
        return TrustedJudge(self._opened.engine, lambda: self.health)

    def facts(self) -> dict[str, str]:
        """How the judge was read and what it was tried on (fields of `JudgeFacts`); empty where it was not tried."""
        found = self.__dict__  # cached properties appear here once computed
        facts: dict[str, str] = {}
        if "manner" in found:
            facts |= {"reads": self.manner.reads, **({"reads_because": self.manner.why} if self.manner.why else {})}
        if "gold" in found:
            facts |= {"gold": self.gold.name, "gold_digest": self.gold.digest}
        return facts

    @cached_property
    def gold(self) -> GoldPairs:
        """The pairs the judge is tried on.

        Raises:
            DataError: they cannot be read.
        """
        return read_gold(self._settings)

    @cached_property
    def health(self) -> Health:
        """How fit the judge is.

        Raises:
            DataError: the gold pairs cannot be read.
        """
        judged, stopped = self._hold(self.gold.name, self.gold.duels, ("1", "2"))
        health = gold_health(self.gold.name, judged, self._limits, stopped=stopped, read_from=self.manner.told())
        if health.obstacle:
            return health
        judged, stopped = self._hold("base_against_base", self._null_duels(), ("base", "base again"))
        return with_null(health, judged, self._limits, stopped=stopped)

    def contest(self, name: str | None = None) -> JudgeComparison:
        """Candidate against base, released adapter or reference, on the answers to a task.

        Answers of the released adapter that cannot be paired with the candidate's leave the contest undecided.

        Args:
            name: an open task, or one of assay.yaml whose answers are text; None takes what `judge:` names.

        Raises:
            TaskError: the task's items are no text prompts, or it has no references to compete with.
            ConfigError: the released adapter is to be the opponent, and `--baseline` names none.
        """
        name = name or self._limits.task
        if name not in self._contests:
            self._contests[name] = self._contest(name)
        return self._contests[name]

    def _contest(self, name: str) -> JudgeComparison:
        judged: Sequence[Judged | Rated] = ()
        stopped, unpaired = "", None
        if self._limits.against == "baseline":
            find_baseline(self._settings)  # a wrong option is told before anything is spent
        if not self.health.obstacle:
            try:
                duels = self._duels(name)
            except RunError as exc:
                unpaired = exc
            else:
                judged, stopped = self._hold(name, duels, ("candidate", self._limits.against))
        return JudgeComparison(
            task=name,
            against=self._limits.against,
            judged=judged,
            health=self.health,
            limits=self._limits,
            stopped=stopped,
            unpaired=unpaired,
            prices=self._settings.judge_prices,
        )

    def _hold(
        self, name: str, duels: Sequence[AnswerPair], sides: tuple[str, str]
    ) -> tuple[Sequence[Judged | Rated], str]:
        """Ask the judge, and store what it said."""
        with self._working(f"{name}: judge", self.judge.engine.identity_digest, name) as progress:
            if self._limits.mode == "rubric":
                rated, stopped = self.judge.rate(duels, progress)
                self._keep(rated_rows(name, rated, sides=sides))
                return rated, stopped
            judged, stopped = self.judge.compare(duels, progress)
            self._keep(judged_rows(name, judged, sides=sides))
            return judged, stopped

    def _duels(self, name: str) -> list[AnswerPair]:
        session, limits = self._session, self._limits
        task = session.task(name)
        questions = questions_of(task)
        answers = session.evaluate(name, "candidate").samples
        candidate = replies_of(task, answers)
        if limits.against != "reference":
            theirs = (
                session.evaluate(name, "base").samples
                if limits.against == "base"
                else baseline_answers(find_baseline(self._settings), task.name, answers, session.facts())
            )
            opponent = replies_of(task, theirs)
            return [AnswerPair(question, candidate[question.id], opponent[question.id]) for question in questions]
        with_reference = [question for question in questions if question.reference is not None]
        if not with_reference:
            raise TaskError(f"task {name!r} has no reference answers", "set judge.against to base")
        # only the last reply is judged against a reference: those before it are the candidate's own in both
        return [AnswerPair(q, candidate[q.id], (*candidate[q.id][:-1], q.reference or "")) for q in with_reference]

    def _null_duels(self) -> list[AnswerPair]:
        """Two answers of the base to each of some instructions, drawn with two seeds."""
        name = self._limits.task if self._limits.task in OPEN_TASKS else "mini_instructions"
        task = open_task(name, self._settings)
        questions = [question for question in task.questions if len(question.turns) == 1][: self._limits.null_pairs]
        short = OpenTask(task.name, questions, min(_NULL_TOKENS, task.answer_tokens), task.data_digest)
        requests = [short.request(q.turns, (), **_NULL_SAMPLING, seed=seed) for q in questions for seed in (1, 2)]
        said: dict[int, Generation] = dict(self._session.engine("base").generate(requests))
        if len(said) < len(requests):
            raise EngineError(f"{len(requests) - len(said)} requests got no answer", "report this bug")
        return [
            AnswerPair(question, (said[2 * n].text,), (said[2 * n + 1].text,)) for n, question in enumerate(questions)
        ]
