"""Runs a session's judge: checks its health first, and asks it about the candidate only if it is fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.checks.judge.comparison import JudgeComparison
from harness.config import FILE_NAME, Judging
from harness.config.budget import BUDGET_REMEDY, BudgetSpentError
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import ConfigError, EngineError, RunError, TaskError
from harness.judges.health import Health, JudgeUnfitError, TrustedJudge, gold_health, with_null
from harness.judges.inputs import GoldPairs, questions_of, read_gold, replies_of
from harness.judges.judge import Judge
from harness.judges.judgements import MODES, Judgement, judgement_rows, reply_row
from harness.judges.parsing import RATING
from harness.judges.prompts import rubric_prompt
from harness.judges.reading_mode import ReadingMode, choose_reading_mode
from harness.metrics.rubric import Rubric
from harness.records import ProcessFacts, Sample
from harness.runs.baselines import NamedRun, find_run
from harness.runs.comparability import comparability_key, differing_parts, in_words
from harness.runs.storage import open_store
from harness.tasks.base import Progress
from harness.tasks.open_instructions import OpenTask
from harness.tasks.open_sets import OPEN_TASKS, open_task
from harness.tasks.questions import AnswerPair

if TYPE_CHECKING:
    from harness.config.settings import Settings
    from harness.engines import Engine
    from harness.gates import Evaluation
    from harness.judges.loading import LoadedJudge
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


class JudgeRunner:
    """Health checks and comparisons of one session's judge, each made once and its judgements stored.

    In order of cost: gold pairs, which need no answers; then the base against itself; then candidate against opponent.
    Where one shows the judge unfit, or spends its budget, the next is not made.

    Args:
        session: asks base and candidate.
        judge: the judge that the settings name.
        keep: stores samples.
        working: (label, digests of what is asked) -> a context in which no other process asks the same; it gives the
            progress callback.
        limits: how it judges and what it must prove; None: as the settings say.
    """

    def __init__(
        self,
        session: Asks,
        settings: Settings,
        judge: LoadedJudge,
        *,
        keep: Callable[[Sequence[Sample]], None],
        working: Callable[..., contextlib.AbstractContextManager[Progress]],
        limits: Judging | None = None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._limits = limits or settings.judging
        self._loaded = judge
        self._keep = keep
        self._working = working
        self._comparisons: dict[str, JudgeComparison] = {}

    @cached_property
    def judge(self) -> Judge:
        """How answers are put to the judge's engine."""
        logprobs = self.reading_mode.reads == "logprobs"
        return Judge(self._loaded.engine, logprobs=logprobs, reply_tokens=self._limits.reply_tokens)

    @cached_property
    def reading_mode(self) -> ReadingMode:
        """How verdicts are read; a server is asked once what it gives.

        Raises:
            ConfigError: not as the configuration demands.
        """
        return choose_reading_mode(self._limits, self._loaded.engine, served=self._loaded.model.is_served)

    @property
    def identity_digest(self) -> str:
        """Identity of the judge."""
        return self._loaded.identity.digest

    def generate(self, requests: Sequence[GenerateRequest]) -> Iterator[tuple[int, Generation]]:
        """Its replies to whoever else has questions; raises JudgeUnfitError where it is not fit."""
        return TrustedJudge(self._loaded.engine, lambda: self.health).generate(requests)

    @cached_property
    def rating(self) -> JudgeRunner:
        """The same judge where it rates answers one by one, which it has to prove itself in: itself, if it does so anyway."""
        if self._limits.mode == "rubric":
            return self
        reads = "auto" if self._limits.reads == "logprobs" else self._limits.reads  # said of pairs
        limits = self._limits.model_copy(update={"mode": "rubric", "reads": reads})
        return JudgeRunner(
            self._session, self._settings, self._loaded, keep=self._keep, working=self._working, limits=limits
        )

    def rate(self, task: TaskLike, samples: Sequence[Sample], rubric: Rubric) -> list[float | None]:
        """How good it finds each sample's answer by a rubric, from 1 to 10; None where its verdict cannot be read.

        Raises:
            UndecidedError: it is not fit to rate, or its budget is spent.
            TaskError: the task's answers are no text.
        """
        runner, name = self.rating, f"{task.name}:{rubric.name}"
        if runner.health.obstacle:
            raise JudgeUnfitError(runner.health.obstacle, runner.health.remedy)
        questions, said = {one.id: one for one in questions_of(task)}, replies_of(task, samples)
        asked = [(questions[sample.item_id], sample) for sample in samples]
        explain = not runner.judge.logprobs
        prompts = [rubric_prompt(q, said[q.id], explain=explain, rubric=rubric.text) for q, _ in asked]
        with self._working(f"{name}: judge", self.identity_digest, name) as progress:
            replies, stopped = runner.judge.ask(prompts, RATING, progress)
            self._keep(
                [
                    reply_row(name, question, sample.role, reply, {"rating": reply.verdict.value})
                    for (question, sample), reply in zip(asked, replies, strict=True)
                    if reply is not None
                ]
            )
        if stopped:
            raise BudgetSpentError(stopped, BUDGET_REMEDY)
        return [None if reply is None else reply.verdict.value for reply in replies]

    def weigh(self, name: str, pairs: Sequence[AnswerPair]) -> tuple[Sequence[Judgement], str]:
        """Its judgements of pairs that are none of a task's; what it says of them is not stored.

        Args:
            name: what they are called while it is asked.

        Returns:
            As `Judge.judge`.

        Raises:
            JudgeUnfitError: it is not fit.
        """
        if self.health.obstacle:
            raise JudgeUnfitError(self.health.obstacle, self.health.remedy)
        with self._working(f"{name}: judge", self.judge.engine.identity_digest, name) as progress:
            return self.judge.judge(MODES[self._limits.mode], pairs, progress)

    def facts(self) -> dict[str, str]:
        """How the judge is read and which gold pairs it was given (fields of `JudgeFacts`); empty before it was asked."""
        found = self.__dict__  # cached properties appear here once computed
        facts = dict(self.rating.facts()) if "rating" in found and self.rating is not self else {}
        if "reading_mode" in found:
            mode = self.reading_mode
            facts |= {"reads": mode.reads, **({"reads_because": mode.why} if mode.why else {})}
        if "gold" in found:
            facts |= {"gold": self.gold.name, "gold_digest": self.gold.digest}
        return facts

    @cached_property
    def gold(self) -> GoldPairs:
        """The answer pairs of which the better is known.

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
        judged, stopped = self._ask(self.gold.name, self.gold.pairs, ("1", "2"))
        health = gold_health(
            self.gold.name, judged, self._limits, stopped=stopped, read_from=self.reading_mode.describe()
        )
        if health.obstacle:
            return health
        judged, stopped = self._ask("base_against_base", self._null_pairs(), ("base", "base again"))
        return with_null(health, judged, self._limits, stopped=stopped)

    def comparison(self, name: str | None = None) -> JudgeComparison:
        """Candidate against base, baseline or reference, on the answers to a task.

        Answers of the baseline that cannot be paired with the candidate's leave the comparison undecided.

        Args:
            name: an open task, or one of assay.yaml whose answers are text; None takes what `judge:` names.

        Raises:
            TaskError: the task's items are no text prompts, or it has no references to compare with.
            ConfigError: the baseline is to be the opponent, and `--baseline` names none.
        """
        name = name or self._limits.task
        if name not in self._comparisons:
            self._comparisons[name] = self._compare(name)
        return self._comparisons[name]

    def _compare(self, name: str) -> JudgeComparison:
        judged: Sequence[Judgement] = ()
        stopped, unpaired = "", None
        if self._limits.against == "baseline":
            self._find_baseline()  # a wrong option is an error before anything is spent
        if not self.health.obstacle:
            try:
                pairs = self._answer_pairs(name)
            except RunError as exc:
                unpaired = exc
            else:
                judged, stopped = self._ask(name, pairs, ("candidate", self._limits.against))
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

    def _ask(self, name: str, pairs: Sequence[AnswerPair], sides: tuple[str, str]) -> tuple[Sequence[Judgement], str]:
        """Ask the judge, and store what it said; the text says why it was not asked about all."""
        with self._working(f"{name}: judge", self.judge.engine.identity_digest, name) as progress:
            judged, stopped = self.judge.judge(MODES[self._limits.mode], pairs, progress)
            self._keep(judgement_rows(name, judged, sides=sides))
            return judged, stopped

    def _answer_pairs(self, name: str) -> list[AnswerPair]:
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

    def _find_baseline(self) -> NamedRun:
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
        baseline = self._find_baseline()
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

    def _null_pairs(self) -> list[AnswerPair]:
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
