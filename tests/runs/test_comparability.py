"""Which runs may be held against each other, and what is named where they may not."""

from __future__ import annotations

from typing import Any

import pytest
from made_runs import MANIFEST, changed

from harness.records import Manifest
from harness.runs.comparability import comparability_key, differing_parts, in_words

ASKED = [("a", "p1"), ("b", "p2")]


def key(manifest: dict[str, Any] = MANIFEST, asked: list[tuple[str, str]] = ASKED) -> Any:
    return comparability_key(Manifest.read(manifest), {"quiz": asked})


def shared(part: str, **values: Any) -> dict[str, Any]:
    manifest = changed()
    manifest[part] = {**manifest[part], **values} if isinstance(manifest[part], dict) else values["value"]
    return manifest


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        (key(), ()),
        (key(asked=ASKED[::-1]), ()),
        (key(changed(items=7)), ()),
        (key(shared("precision", device="cuda")), ()),
        (key(shared("adapter", digest="other")), ()),
        (key(changed(digest="other")), ("data",)),
        (key(asked=ASKED[:1]), ("prompts",)),
        (key(asked=[("a", "p1"), ("b", "p3")]), ("prompts",)),
        (key(changed(task="other")), ("grading",)),
        (key(changed(seed=2)), ("sampling",)),
        (key(changed(temperature=0.7)), ("sampling",)),
        (key(changed(repeats=4)), ("repeats",)),
        (key(changed(judge={"model": "m"})), ("judge",)),
        (key(changed(dtype="bfloat16")), ("precision",)),
        (key(shared("precision", quantization="nf4")), ("quantization",)),
        (key(shared("model", parts={"chat_template": "x", "generation_config": "none"})), ("template",)),
        (key(shared("model", parts={"chat_template": "t" * 64, "generation_config": "x"})), ("decoding",)),
        (key(shared("engine", value=3)), ("decoding",)),
        (key(changed(digest="other", dtype="bfloat16")), ("data", "precision")),
        (comparability_key(Manifest.read(MANIFEST), {}), ("task",)),
        (None, ("comparability key",)),
    ],
)
def test_the_parts_that_differ_are_named_in_both_directions(other: Any, parts: tuple[str, ...]) -> None:
    assert tuple(differing_parts(key(), other, "quiz")) == parts
    assert set(differing_parts(other, key(), "quiz")) == set(parts)


def test_settings_are_told_and_digests_are_not() -> None:
    differing = differing_parts(key(), key(changed(digest="e" * 64, dtype="bfloat16")), "quiz")
    assert in_words(differing) == "data, precision (float32, there bfloat16)"
    assert in_words(differing_parts(key(changed(repeats=4)), key(changed(repeats=8)), "quiz")) == "repeats (4, there 8)"
