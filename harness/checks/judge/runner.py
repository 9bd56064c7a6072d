"""Runs a session's judge: checks its health first, and asks it about the candidate only if it is fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.checks.judge.comparison import JudgeComparison
from harness.checks.judge.pairs import Asks, PairsToJudge
from harness.config import Judging
from harness.config.budget import BUDGET_REMEDY, BudgetSpentError
from harness.engines.requests import GenerateRequest, Generation
from harness.errors import RunError
from harness.judges.health import Health, JudgeUnfitError, TrustedJudge, gold_health, with_null
from harness.judges.inputs import GoldPairs, questions_of, read_gold, replies_of
from harness.judges.judge import Judge
from harness.judges.judgements import MODES, Judgement, judgement_rows, reply_row
from harness.judges.parsing import RATING
from harness.judges.prompts import rubric_prompt
from harness.judges.reading_mode import ReadingMode, choose_reading_mode
from harness.metrics.rubric import Rubric
from harness.records import Sample
from harness.tasks.base import Progress
from harness.tasks.questions import AnswerPair

if TYPE_CHECKING:
    from harness.config.settings import Settings
    from harness.judges.loading import LoadedJudge
    from harness.tasks.base import TaskLike


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
        self._pairs = PairsToJudge(session, settings, self._limits)
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
        judged, stopped = self._ask("base_against_base", self._pairs.of_base_with_itself(), ("base", "base again"))
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
            self._pairs.find_baseline()  # a wrong option is an error before anything is spent
        if not self.health.obstacle:
            try:
                pairs = self._pairs.of_task(name)
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
