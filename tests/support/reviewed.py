"""A stored run whose answers people can review, and pages of it as people fill them in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.config.budget import Tokens
from harness.judges.judgements import JudgeReply, PairwiseJudgement, judgement_rows
from harness.judges.parsing import VERDICT
from harness.records import Manifest, Role, RunStatus, Sample, Verdict
from harness.runs import Run, RunWriter, load_run
from harness.tasks.questions import AnswerPair, Question

TASK = "talk"
MANIFEST: dict[str, Any] = {
    "model": {"name": "secret-base", "digest": "m" * 64},
    "adapter": {"name": "secret-adapter", "digest": "a" * 64},
    "judge": {"name": "solomon"},
}
ISLAND = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def ours(n: int) -> str:
    return f"The candidate of {n}."


def theirs(n: int) -> str:
    return f"What the base says to {n}."


def sample(n: int, role: Role, answer: str, **changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "task": TASK, "item_id": f"q{n:02}", "cluster": None, "role": role, "prompt_digest": f"p{n}",
        "prompt": f"[user]\nQuestion {n}?", "target": None, "answer": answer, "parsed": [answer], "scores": {},
        "tags": {"category": ("maths", "talk")[n % 2]}, "stop_reason": "eos", "prompt_tokens": 5,
        "completion_tokens": 3, "latency_s": 0.1, "cached": False,
    }  # fmt: skip
    return Sample(**{**fields, **changes})


def answers(count: int, *, identical: int = 0) -> list[Sample]:
    """Both models' answers; to the first `identical` items they are equal."""
    return [
        row
        for n in range(count)
        for row in (
            sample(n, "base", theirs(n) if n >= identical else "The same."),
            sample(n, "candidate", ours(n) if n >= identical else "The same."),
        )
    ]


def verdicts(said: dict[int, str], *, against: str = "base") -> list[Sample]:
    """The judge's rows: by item `candidate`, `base`, `tie`, or `first` for one that goes by order."""
    shown = {"candidate": "12", "base": "21", "first": "11"}
    judged = [
        PairwiseJudgement(
            AnswerPair(Question(f"q{n:02}", (f"Question {n}?",)), (ours(n),), (theirs(n),)),
            tuple(_reply(label) for label in shown.get(one, ("tie", "tie"))),
        )
        for n, one in said.items()
    ]
    return judgement_rows(TASK, judged, sides=("candidate", against))


def _reply(label: str) -> JudgeReply:
    text = f"Verdict: {label}"
    return JudgeReply("Which?", f"d{label}", text, VERDICT.parse_text(text), Tokens(9, 2), "eos", 0.1, False)


def stored_run(
    root: Path,
    samples: Sequence[Sample],
    *,
    run_id: str = "r1",
    status: RunStatus = "complete",
    manifest: dict[str, Any] | None = None,
    gates: Sequence[Verdict] = (),
) -> Run:
    writer = RunWriter.create(root, run_id)
    writer.add_samples(samples)
    return load_run(writer.finish(Manifest.read({**MANIFEST, **(manifest or {})}), gates, status))


def island(page: Path) -> dict[str, Any]:
    """What a page holds as data."""
    found = ISLAND.search(page.read_text())
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def by(preference: Callable[[int], str], base: int = 2, candidate: int = 4) -> Callable[[int], tuple[str, int, int]]:
    """One who prefers as told of an item's number, and always gives the same ratings."""
    return lambda n: (preference(n), base, candidate)


def fill_in(
    page: Path,
    path: Path,
    says: Callable[[int], tuple[str | None, int | None, int | None]],
    *,
    annotator: str = "anna",
    only: int | None = None,
) -> Path:
    """Save a page's answers as its script does.

    Args:
        says: item number -> the side preferred (`candidate`, `base`, `tie`), and the ratings of base and candidate.
        only: how many pairs are judged, from the first.
    """
    data = island(page)
    rows = []
    for pair in data["pairs"][:only]:
        shown = [side["answer"] for side in pair["sides"]]
        n = int(re.search(r"\d+", shown[0])[0])
        prefers, base, candidate = says(n)
        first = shown[0] == ours(n)
        label = {None: None, "tie": "tie", "candidate": "1" if first else "2", "base": "2" if first else "1"}[prefers]
        one, two = (candidate, base) if first else (base, candidate)
        rows.append({"item": pair["key"], "prefer": label, "rating_1": one, "rating_2": two, "comment": ""})
    path.write_text(json.dumps({**data["head"], "annotator": annotator, "saved": "2026-01-01", "answers": rows}))
    return path
