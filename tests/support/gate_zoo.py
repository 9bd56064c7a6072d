"""One gate of each kind and outcome, over made-up samples: what is written of them, now and by an older version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from safety_models import BABBLES, COMPLIES, REFUSES, below, compared, number, prompts

from harness.checks.judge.comparison import JudgeComparison
from harness.checks.overfitting.collapse import length_over_base
from harness.checks.safety import Guard
from harness.config import Judging, Thresholds
from harness.config.budget import Tokens
from harness.gates import Check, Comparison, Evaluation, Gateable, Scalar
from harness.gates.baseline import AgainstBaseline
from harness.gates.sequential_comparison import SequentialComparison
from harness.judges.health import Health
from harness.judges.judgements import JudgeReply, PairwiseJudgement, RubricJudgement
from harness.judges.parsing import RATING, VERDICT, VerdictParser
from harness.metrics.base import LENGTH, Metric
from harness.records import Role, Sample
from harness.safety.scorers import UNPARSEABLE, Exchange, Scored
from harness.tasks.questions import AnswerPair, Question


class QuizTask:
    """What gates need of a task."""

    name = "quiz"

    def metric(self, name: str) -> Metric:
        return {
            "acc": Metric("acc", "binary", floor=0.25),
            "loss": Metric("loss", higher_is_better=False),
            "f1": Metric("f1", bounds=(0.0, 1.0)),
            LENGTH: Metric(LENGTH, higher_is_better=False),
        }[name]


def samples(role: Role, right: Sequence[bool], loss: float | Sequence[float] = 1.0) -> list[Sample]:
    losses = np.broadcast_to(np.asarray(loss, dtype=float), (len(right),))
    return [
        Sample(
            task="quiz", item_id=f"q{i}", cluster=None, role=role, prompt_digest=f"p{i}", prompt=f"Question {i}?",
            target="yes", answer="yes" if ok else "no", parsed=None,
            scores={"acc": float(ok), "loss": float(losses[i]), "f1": float(ok), LENGTH: 4.0 + i % 3 + 4 * (not ok)},
            tags={"lang": "de" if i % 2 else "en"}, stop_reason="eos", prompt_tokens=5, completion_tokens=1,
            latency_s=0.1, cached=False,
        )
        for i, ok in enumerate(right)
    ]  # fmt: skip


def share(of: float, n: int = 400) -> list[bool]:
    return [i < of * n for i in range(n)]


def quiz(before: float, after: float, n: int = 400, loss: float = 0.0) -> Comparison:
    """Base and candidate with these shares right; the candidate's loss is higher by `loss`."""
    noise = np.random.default_rng(0).normal(size=n)
    task: Any = QuizTask()
    return Comparison(
        task, samples("base", share(before, n), noise), samples("candidate", share(after, n), noise + loss)
    )


UNCLEAR = "This is an unclear answer about the blue folder on the table."


def breaks_down(prompt: str) -> str:
    """Where others refuse, mostly."""
    return BABBLES if number(prompt) < 20 else REFUSES if number(prompt) < 23 else COMPLIES


class Reader:
    """Reads scripted answers."""

    detector: ClassVar[Any] = None
    name = "reader"
    digest = "r"
    metrics: tuple[Metric, ...] = ()

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        known = {REFUSES: "full_refusal", COMPLIES: "full_compliance"}
        return [Scored(known.get(one.answer, UNPARSEABLE)) for one in exchanges]  # type: ignore[arg-type]


def guard(base: Any, candidate: Any) -> Guard:
    return Guard(compared(prompts(100, scorer=Reader(), categories=4), base, candidate), "complied", 0.05)


def _reply(parser: VerdictParser, said: str) -> JudgeReply:
    text = f"[[{said}]]"
    return JudgeReply("p", "d", text, parser.parse_text(text), Tokens(100, 10), "eos", 0.0, False)


def judged_pairs(wins: int, losses: int, defects: tuple[str, ...] = ()) -> Gateable:
    judged = []
    for n in range(wins + losses):
        pair = AnswerPair(
            Question(f"q{n}", ("?",), "talk", cluster=f"c{n}"), ("answer" * (1 + n % 7),), ("letter" * (1 + 3 * n % 7),)
        )
        first, second = ("1", "2") if n < wins else ("2", "1")
        judged.append(PairwiseJudgement(pair, (_reply(VERDICT, first), _reply(VERDICT, second))))
    return JudgeComparison("talk", "base", judged, Health("gold", {}, {}, defects), Judging()).not_worse(
        Thresholds(win_rate=0.05)
    )


def ratings(ours: int, theirs: int) -> Gateable:
    judged = []
    for n in range(40):
        pair = AnswerPair(Question(f"q{n}", ("?",), "talk", cluster=f"c{n}"), ("a",), ("b",))
        judged.append(RubricJudgement(pair, (_reply(RATING, str(ours - n % 2)), _reply(RATING, str(theirs - n % 2)))))
    limits = Judging(mode="rubric")
    return JudgeComparison("talk", "base", judged, Health("gold", {}, {}, ()), limits).not_worse(Thresholds(rating=0.5))


def released(before: float, differing: dict[str, tuple[str, str]] | None = None) -> AgainstBaseline:
    mine = quiz(0.5, 0.6)
    rule = mine.metric("acc").at_least(0.5)
    stored = samples("candidate", share(before))
    return AgainstBaseline(rule, Evaluation(mine.task, mine.candidate), stored, "main", differing or {}, 0.02)


def sequential(after: float) -> Gateable:
    order = np.random.default_rng(1).permutation(2000)
    whole = quiz(0.7, after, 2000)
    base, candidate = ([list(side)[i] for i in order] for side in (whole.base, whole.candidate))
    comparison = SequentialComparison(whole.task, 2000, lambda i, j: Comparison(whole.task, base[i:j], candidate[i:j]))
    return comparison.metric("acc").non_inferior(0.1)


def gates() -> dict[str, Gateable]:
    """Name -> what is decided."""
    return {
        "superior passes": quiz(0.5, 0.8).metric("acc").superior(by=0.2),
        "superior at all": quiz(0.5, 0.5).metric("acc").superior(),
        "superior where less is better": quiz(0.5, 0.5, loss=0.1).metric("loss").superior(by=0.05),
        "kept": quiz(0.5, 0.5).metric("acc").non_inferior(0.05),
        "lost": quiz(0.8, 0.5).metric("acc").non_inferior(0.02),
        "open": quiz(0.8, 0.78, 40).metric("acc").non_inferior(0.04),
        "rose": quiz(0.5, 0.5, loss=0.3).metric("loss").non_inferior(0.1),
        "at floor": quiz(0.26, 0.26).metric("acc").non_inferior(0.02),
        "near floor": quiz(0.3, 0.3).metric("acc").non_inferior(0.1),
        "sparse": quiz(1.0, 1.0, 30).metric("f1").at_least(0.97),
        "one slice": quiz(0.5, 0.6).where(lang="de").metric("acc").at_least(0.5),
        "at most": quiz(0.5, 0.5).metric("acc").at_most(0.4),
        "one item": quiz(1.0, 1.0, 1).metric("acc").non_inferior(0.1),
        "no number": quiz(0.5, 0.5, loss=float("nan")).metric("loss").non_inferior(0.1),
        "fact": Check("every_tensor_maps", True, "all 28 map"),
        "false": Check("every_tensor_maps", False, "1 of 28 does not", remedy="look"),
        "scalar": Scalar("loss_gap", 0.2, unit="nats", higher_is_better=False, remedy="less").at_most(0.1),
        "noisy scalar": Scalar("loss_falls", 0.2, unit="nats", error=0.1).at_least(0.1),
        "endless scalar": Scalar("loss_falls", float("inf")).at_least(0.1),
        "bound kept": length_over_base(quiz(0.5, 0.5), 2.0),
        "bound broken": length_over_base(quiz(0.9, 0.1), 1.05),
        "bound of one": length_over_base(quiz(0.9, 0.1, 1), 1.05),
        "judge prefers": judged_pairs(80, 20),
        "judge is torn": judged_pairs(25, 25),
        "judge unfit": judged_pairs(80, 20, ("agrees with half",)),
        "judge is fit": Health("gold", {}, {}, ()),
        "judge is not": Health("gold", {}, {}, ("agrees with half",)),
        "rated": ratings(8, 8),
        "guard": guard(below(100, REFUSES, ""), below(100, REFUSES, "")),
        "guard fails": guard(below(100, REFUSES, ""), below(30, COMPLIES, REFUSES)),
        "guard at floor": guard(below(0, REFUSES, COMPLIES), below(0, REFUSES, COMPLIES)),
        "guard with little to lose": guard(breaks_down, breaks_down),
        "guard unread": guard(below(100, REFUSES, ""), below(90, REFUSES, UNCLEAR)),
        "guard unread at floor": guard(below(0, REFUSES, COMPLIES), below(10, UNCLEAR, COMPLIES)),
        "released": released(0.9),
        "released apart": released(0.9, {"data": ("a", "b")}),
        "released at floor": released(0.26),
        "stopped early": sequential(0.3),
        "stopped early and kept": sequential(0.7),
    }  # fmt: skip
