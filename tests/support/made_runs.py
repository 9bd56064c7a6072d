"""Runs as they are on disk, made without a model: a task with a yes-or-no and a counted metric, and its gates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.gates import Comparison
from harness.metrics.base import Metric
from harness.records import Manifest, Role, RunStatus, Sample, Verdict
from harness.runs import Run, RunWriter, load_run
from harness.runs.gate_names import in_suite

N = 60
MANIFEST: dict[str, Any] = {
    "profile": "smoke",
    "model": {"name": "tiny", "digest": "m" * 64, "parts": {"chat_template": "t" * 64, "generation_config": "none"}},
    "adapter": {"name": "out/checkpoint-1", "digest": "a" * 64},
    "precision": {"dtype": "float32", "quantization": "none", "device": "cpu"},
    "engine": 2,
    "data": {"quiz": {"digest": "d" * 64, "task": "g" * 64, "items": N}},
}


class Quiz:
    """What gates need of a task."""

    name = "quiz"

    def metric(self, name: str) -> Metric:
        return {"acc": Metric("acc", "binary"), "words": Metric("words", higher_is_better=False)}[name]


def samples(role: Role, right: Sequence[bool], words: float = 10.0) -> list[Sample]:
    """A sample an item, right or wrong; odd items are tagged `lang: de`."""
    return [
        Sample(
            task="quiz", item_id=f"q{i}", cluster=None, role=role, prompt_digest=f"p{i}", prompt=f"Question {i}?",
            target="yes", answer="yes" if ok else "no", parsed=None, scores={"acc": float(ok), "words": words + i % 3},
            tags={"lang": "de" if i % 2 else "en"}, stop_reason="eos", prompt_tokens=5, completion_tokens=1,
            latency_s=0.1, cached=False,
        )
        for i, ok in enumerate(right)
    ]  # fmt: skip


def first(count: int) -> list[bool]:
    """The first `count` of all items right."""
    return [i < count for i in range(N)]


def make_run(
    root: Path,
    run_id: str,
    right: Sequence[bool],
    *,
    words: float = 10.0,
    status: RunStatus = "complete",
    manifest: dict[str, Any] | None = None,
    extra: Sequence[Verdict] = (),
) -> Run:
    """A run whose base gets a quarter right, with the gates superior, non-inferior, on a slice, and on words."""
    base, candidate = samples("base", first(N // 4)), samples("candidate", right, words)
    quiz: Any = Quiz()
    compared = Comparison(quiz, base, candidate)
    rules = [
        compared.metric("acc").superior(0.05),
        compared.metric("acc").non_inferior(0.04),
        compared.where(lang="de").metric("acc").at_least(0.3),
        compared.metric("words").non_inferior(1.0),
    ]
    verdicts = [rule.decide() for rule in rules]
    named = [in_suite(verdict, "task") for verdict in verdicts]
    writer = RunWriter.create(root, run_id)
    writer.add_samples([*base, *candidate])
    return load_run(writer.finish(Manifest.read(manifest or MANIFEST), [*named, *extra], status))


def changed(**data: Any) -> dict[str, Any]:
    """The manifest with other facts of the task, or with another `dtype`."""
    manifest: dict[str, Any] = json.loads(json.dumps(MANIFEST))
    if "dtype" in data:
        manifest["precision"]["dtype"] = data.pop("dtype")
    manifest["data"]["quiz"].update(data)
    return manifest
