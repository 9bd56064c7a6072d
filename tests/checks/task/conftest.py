"""Small tasks, and what base and candidate say to each item by rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted import scripted_engine

from harness.engines import Answer, Generation, Request
from harness.engines.requests import GenerateRequest
from harness.gates import Comparison
from harness.tasks import build_task

Say = Callable[[str], str]
Asked = Callable[..., Comparison]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """`asked(rows, candidate, base, **keys)`: a task of (question, answer) rows, put to two scripted models."""

    def compare(
        rows: Sequence[tuple[str, Any]], candidate: Say, base: Say, kind: str = "exact_match", **keys: Any
    ) -> Comparison:
        lines = [json.dumps({"q": question, "a": answer}) for question, answer in rows]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        spec = {"kind": kind, "data": "rows.jsonl", "prompt_field": "q", "target_field": "a", **keys}
        task = build_task("t", spec, root=tmp_path)
        return Comparison(task, task.evaluate(_engine(base), "base"), task.evaluate(_engine(candidate), "candidate"))

    return compare


def _engine(say: Say) -> Any:
    def rule(request: Request) -> Answer:
        assert isinstance(request, GenerateRequest)
        prompt = request.prompt
        question = prompt.messages[-1].content if prompt.text is None else prompt.text
        text = say(question)
        return Generation(text, "eos", 9, len(text.split()), 0.1)

    return scripted_engine(rule)
